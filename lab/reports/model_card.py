"""Figures and a manifest in, the model card out: what the model is for, and what was measured of it."""

from collections.abc import Iterable, Sequence

import numpy as np

from lab.evaluation.evaluate import KindFigures
from lab.evaluation.monotonicity import Lowered
from lab.evaluation.share_of_optimum import OPTIMAL_TITLES, OptimalFigures, optimal_rows
from lab.evaluation.subgroups import FAIRNESS_TITLES, Fairness, fairness_rows
from lab.reports.movement_rows import MOVEMENT_TITLES, movement_rows
from services.detector.model.manifest import Manifest

_HEAD = """# Model card: `{version}`

Says how likely it is that a rupture of the therapeutic alliance is under way at a session, given a client's
ratings up to it. For therapists, as a hint to talk about the alliance; not a diagnosis, not a measure of a
therapist, not an emergency service. It rests on marks alone and cannot know why they moved.

## What it is

A multiple-model Kalman filter follows each client's usual bond, goal and task and weighs, at every form,
whether the session is usual, a bad day, or a rupture of one of seven patterns and three depths. Its findings,
with the client's own means, lags, EWMA and CUSUM, enter boosted trees (scikit-learn's histogram gradient
boosting). The trees' log-odds and the filter's own are weighed together, and thereby calibrated, on cohorts
that neither had seen.

## What it was trained on

Simulated clients only; no person's data. {cohorts} cohorts of {clients} clients ({rows} sessions), each
cohort from its own world: parameters drawn from broad priors around published figures, ruptures of every
shape. Calibration and default threshold: {calibration_cohorts} further cohorts ({calibration_rows} sessions).
Seed {seed}. {libraries}.

Default threshold: a risk of {threshold}, chosen so that {budget:g} of 100 rated sessions without a rupture
under way reach it, on average over the calibration cohorts. A single practice's rate can lie well off that:
see "false" below.
"""

_LIMITS = """
## What holds, and what does not

- Lowering a whole form (every component by the same amount, none of them at the end of its scale) never
  lowers the risk of that session. Where a component has stopped at its lowest mark, the risk is at least that
  of the riskiest of a few forms that, lowered, end as this one: what is left between those few, and of marks
  that stop within a component, is measured here. Lowering single components can lower the risk:{exceptions}
- Forms with every mark at the top say only that the alliance is at least that good; falls above the ceiling
  are not seen.
- A client with fewer than three ratings has no usual level yet: the risk then rests on the level alone.
- Two instruments in one course of therapy are read on one common scale; where a client marks one of them
  systematically higher, part of that difference looks like movement.
- The simulated truth is an assumption about what ruptures look like in marks. No labelled data was used.
"""

_OPTIMAL = """
## What could be reached at all

Beside the optimal filter: a particle filter ({particles} particles, moved by Markov chains) over the
simulator's own model, which knows each cohort's own parameters. From a client's own forms nothing can say
more, but for the error of its finite number of particles, which the last two columns show for one client in
ten. On {cohorts} of each kind. The interval is over clients: 5th to 95th percentile of 200 draws in each
cohort, put together as cohorts are that have no client in common.
"""

PART_TITLES = ("kind of cohort", "deviations", "filter", "trees", "both")
_FALSE = 2.0, 8.0
RULE_TITLES = (
    "way of flagging",
    "flagged of 100 rated",
    "false of 100 stable",
    "ruptures caught (at once)",
    "caught, were 5 of 100 stable sessions flagged",
)


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _kind_row(name: str, runs: Sequence[KindFigures]) -> str:
    def mean_rule(place: int) -> float:
        return _mean(run.rules[place].ranking.auprc for run in runs)

    model = [run.model for run in runs]
    return _row(
        [
            name,
            f"{_mean(run.rupture_per_100 for run in runs):.1f}",
            f"{_mean(one.ranking.auprc for one in model):.3f}",
            *(f"{mean_rule(place):.3f}" for place in range(len(runs[0].rules))),
            f"{_mean(one.ranking.auroc for one in model):.3f}",
            f"{_mean(one.flagged_per_100 for one in model):.1f}",
            f"{_mean(one.false_per_100_stable for one in model):.1f}",
            f"{_mean(run.opened_per_100 for run in runs):.1f}",
            f"{_mean(one.caught.share for one in model):.2f}",
            f"{_mean(one.caught.share_at_once for one in model):.2f}",
            f"{_mean(run.calibration_error for run in runs):.3f}",
        ]
    )


def by_kind(results: Sequence[KindFigures]) -> dict[str, list[KindFigures]]:
    """The runs of each kind, in their order."""
    kinds: dict[str, list[KindFigures]] = {}
    for result in results:
        kinds.setdefault(result.kind, []).append(result)
    return kinds


def leading_share(results: Sequence[KindFigures]) -> tuple[float, int]:
    """Share of caught single-component ruptures whose component was named first, and how many there are."""
    count = sum(result.leading_right[1] for result in results)
    return sum(result.leading_right[0] for result in results) / max(count, 1), count


def card(manifest: Manifest, results: Sequence[KindFigures], lowered: Sequence[Lowered]) -> str:
    """The model card in Markdown; every figure in it was measured by the run that writes it."""
    training = manifest.training
    head = _HEAD.format(
        version=manifest.version,
        libraries=", ".join(f"{name} {version}" for name, version in sorted(manifest.libraries.items())),
        threshold=manifest.threshold,
        budget=manifest.flagged_per_100_stable,
        **training.model_dump(),
    )
    kinds = by_kind(results)
    rules = [rule.name for rule in results[0].rules]
    titles = [
        "kind of cohort",
        "sessions in a rupture, of 100",
        "AUPRC",
        *(f"AUPRC {name}" for name in rules),
        "AUROC",
        "flagged of 100 rated",
        "false of 100 stable",
        "opened per 100 rated",
        "ruptures caught",
        "at once",
        "calibration error",
    ]
    right, count = leading_share(results)
    false = [run.model.false_per_100_stable for run in results]
    held = sum(_FALSE[0] <= rate <= _FALSE[1] for rate in false)
    delays = [delay for run in results for delay in run.model.caught.sessions_until]
    table = [
        _row(titles),
        _row(["---"] * len(titles)),
        *(_kind_row(name, runs) for name, runs in kinds.items()),
        _kind_row("**mean**", results),
    ]
    rows = [
        _row(RULE_TITLES),
        _row(["---"] * len(RULE_TITLES)),
        *_rule_rows(results),
    ]
    exceptions = "".join(f"\n  - {each.sentence()}" for each in lowered)
    return "\n".join(
        [
            head,
            "## What was measured\n",
            f"{len(results)} cohorts of kinds that were not trained on; worlds outside the draw of the",
            "training and instruments never trained on are among them.\n",
            *table,
            "",
            f"Median rated sessions until a caught rupture is flagged: {np.median(delays):.0f} (0: at once).",
            f"The right component is named first in {100 * right:.0f} of 100 caught ruptures of one",
            f"component (of {count}).",
            f"In {held} of the {len(results)} cohorts between 2 and 8 of 100 stable sessions were flagged at",
            f"the default threshold; the least were {min(false):.1f}, the most {max(false):.1f}.\n",
            "Beside today's rules, each at its usual cut, on the same sessions:\n",
            *rows,
            *_movements(results),
            *_fairness(results),
            *_parts(results),
            *_optimal_part(results),
            _LIMITS.format(exceptions=exceptions),
        ]
    )


def _movements(results: Sequence[KindFigures]) -> list[str]:
    rows = [MOVEMENT_TITLES, ["---"] * len(MOVEMENT_TITLES), *movement_rows(results)]
    return [
        "\n## What kind of movement is named\n",
        "Of caught ruptures, beside what the simulator made; of 100. Where the marks do not tell a slide",
        "from a sudden fall, none is named:\n",
        *map(_row, rows),
    ]


def _fairness(results: Sequence[KindFigures]) -> list[str]:
    total = Fairness()
    for run in results:
        total.add(run.fairness)
    rows = [FAIRNESS_TITLES, ["---"] * len(FAIRNESS_TITLES), *fairness_rows(total)]
    return [
        "\n## Whom it flags\n",
        "At the default threshold, over all cohorts; thirds are of each cohort's own clients. Simulated",
        "clients have no other properties than these: nothing is known here of age, gender, language or",
        "culture.\n",
        *map(_row, rows),
    ]


def _parts(results: Sequence[KindFigures]) -> list[str]:
    rows = []
    for name, runs in {**by_kind(results), "**mean**": results}.items():
        each = [(run.parts, run.model.ranking.auprc) for run in runs if run.parts]
        if each:
            alone = [
                _mean(part.deviations_alone for part, _ in each),
                _mean(part.filter_alone for part, _ in each),
                _mean(part.trees_alone for part, _ in each),
                _mean(whole for _, whole in each),
            ]
            rows.append(_row([name, *(f"{value:.3f}" for value in alone)]))
    if not rows:
        return []
    return [
        "\n## What each part is worth\n",
        "AUPRC on the same cohorts: of deviations from the client's own usual level alone, of the filter's",
        "odds alone, of the trees alone, and of the two weighed together, which is the model:\n",
        _row(PART_TITLES),
        _row(["---"] * len(PART_TITLES)),
        *rows,
    ]


def optimal_runs(results: Sequence[KindFigures]) -> list[tuple[str, list[OptimalFigures]]]:
    """The optimal filter's runs of each kind, then of all; empty where it was not run."""
    kinds = {**by_kind(results), "**mean**": list(results)}
    runs = [(name, [run.optimal for run in some if run.optimal]) for name, some in kinds.items()]
    return [(name, some) for name, some in runs if some]


def _optimal_part(results: Sequence[KindFigures]) -> list[str]:
    runs = optimal_runs(results)
    if not runs:
        return []
    rows = [OPTIMAL_TITLES, ["---"] * len(OPTIMAL_TITLES), *optimal_rows(runs)]
    first = runs[0][1]
    cohorts = "one cohort" if len(first) == 1 else f"{len(first)} cohorts"
    return [_OPTIMAL.format(particles=first[0].particles, cohorts=cohorts), *map(_row, rows)]


def _rule_rows(results: Sequence[KindFigures]) -> list[str]:
    ways = [[run.model, *run.rules] for run in results]
    rows = []
    for place, first in enumerate(ways[0]):
        each = [way[place] for way in ways]
        caught = _mean(one.caught.share for one in each)
        once = _mean(one.caught.share_at_once for one in each)
        rows.append(
            _row(
                [
                    first.name,
                    f"{_mean(one.flagged_per_100 for one in each):.1f}",
                    f"{_mean(one.false_per_100_stable for one in each):.1f}",
                    f"{caught:.2f} ({once:.2f})",
                    f"{_mean(one.caught_at_budget for one in each):.2f}",
                ]
            )
        )
    return rows
