"""Formats evaluation results as rows of text, for the model card, the terminal and the HTML page alike.

Each function returns rows that fit the columns of the same name; the first cell names the row. Figures of a
row are means over its cohorts unless stated otherwise.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from lab.evaluation.evaluate import RuleFigures, ScenarioFigures
from lab.evaluation.explanation_accuracy import AFTER, ExplanationCounts
from lab.evaluation.share_of_optimum import OptimalFigures, over_cohorts
from lab.evaluation.subgroups import THIRDS, Subgroup, SubgroupCounts
from schemas.events import Movement

Row = tuple[str, ...]

MEAN = "mean"
"""Names the row over all cohorts."""
RULE_COLUMNS = (
    "way of flagging",
    "flagged of 100 rated",
    "false of 100 stable",
    "ruptures detected (at once)",
    "detected, if 5 of 100 stable sessions are flagged",
)
OPTIMAL_COLUMNS = (
    "scenario",
    "AUPRC of the optimal filter",
    "share of it",
    "90 % interval",
    "detected at 5, share",
    "calibration error",
    "AUPRC with twice the particles, ratio",
    "difference between two runs",
)
MOVEMENT_COLUMNS = ("true movement", "", "ruptures", "named right", "named otherwise", "not clear")
SUBGROUP_COLUMNS = ("clients by", "", "false of 100 stable", "ruptures detected, of 100", "ruptures")
_AFTER = ("at the first flag", "one rated session later", "two rated sessions later")


def scenario_columns(results: Sequence[ScenarioFigures]) -> Row:
    """Return the columns of `scenario_rows`, of which some name the rules."""
    return (
        "scenario",
        "sessions in a rupture, of 100",
        "AUPRC",
        *(f"AUPRC {rule.name}" for rule in results[0].rules),
        "AUROC",
        "flagged of 100 rated",
        "false of 100 stable",
        "opened per 100 rated",
        "ruptures detected",
        "at once",
        "calibration error",
    )


def scenario_rows(results: Sequence[ScenarioFigures]) -> list[Row]:
    """Return one row per scenario, and the mean."""
    return [_scenario_row(name, runs) for name, runs in _by_scenario_and_mean(results).items()]


def _scenario_row(name: str, runs: Sequence[ScenarioFigures]) -> Row:
    def mean_of(value: Callable[[ScenarioFigures], float]) -> float:
        return _mean(map(value, runs))

    rules = np.mean([[rule.ranking.auprc for rule in run.rules] for run in runs], axis=0).tolist()
    return (
        name,
        f"{mean_of(lambda run: run.rupture_per_100):.1f}",
        f"{mean_of(lambda run: run.model.ranking.auprc):.3f}",
        *(f"{auprc:.3f}" for auprc in rules),
        f"{mean_of(lambda run: run.model.ranking.auroc):.3f}",
        f"{mean_of(lambda run: run.model.flagged_per_100):.1f}",
        f"{mean_of(lambda run: run.model.false_per_100_stable):.1f}",
        f"{mean_of(lambda run: run.opened_per_100):.1f}",
        f"{mean_of(lambda run: run.model.detection.share):.2f}",
        f"{mean_of(lambda run: run.model.detection.share_at_once):.2f}",
        f"{mean_of(lambda run: run.calibration_error):.3f}",
    )


def rule_rows(results: Sequence[ScenarioFigures]) -> list[Row]:
    """Return one row per way of flagging, over all cohorts; Rapport comes first."""
    rows: list[Row] = []
    for runs in _by_rule(results):
        share = _mean(run.detection.share for run in runs)
        at_once = _mean(run.detection.share_at_once for run in runs)
        rows.append(
            (
                runs[0].name,
                f"{_mean(run.flagged_per_100 for run in runs):.1f}",
                f"{_mean(run.false_per_100_stable for run in runs):.1f}",
                f"{share:.2f} ({at_once:.2f})",
                f"{_mean(run.detected_at_budget for run in runs):.2f}",
            )
        )
    return rows


def median_delays(results: Sequence[ScenarioFigures]) -> list[str]:
    """Return, per way of flagging, the median of rated sessions until detection; empty without any."""
    delays = [[delay for run in runs for delay in run.detection.delays] for runs in _by_rule(results)]
    return [f"{np.median(one):.0f}" if one else "" for one in delays]


def part_columns(results: Sequence[ScenarioFigures]) -> tuple[str, ...]:
    """Return the headings of `part_rows`; a model with a network has one more part."""
    has_network = any(run.parts is not None and run.parts.network_alone is not None for run in results)
    parts = ("network", "together") if has_network else ("both",)
    return "scenario", "deviations", "filter", "trees", *parts


def part_rows(results: Sequence[ScenarioFigures]) -> list[Row]:
    """Return the AUPRC of the model's parts per scenario, and the mean; empty for other models."""
    rows: list[Row] = []
    for name, runs in _by_scenario_and_mean(results).items():
        scores = [
            (
                run.parts.deviations_alone,
                run.parts.filter_alone,
                run.parts.trees_alone,
                *([] if run.parts.network_alone is None else [run.parts.network_alone]),
                run.model.ranking.auprc,
            )
            for run in runs
            if run.parts
        ]
        if scores:
            rows.append((name, *(f"{mean:.3f}" for mean in np.mean(scores, axis=0).tolist())))
    return rows


def optimal_runs(results: Sequence[ScenarioFigures]) -> dict[str, list[OptimalFigures]]:
    """Return the optimal filter's runs per scenario, and all of them; empty where it was not run."""
    runs = {
        name: [run.optimal for run in runs if run.optimal]
        for name, runs in _by_scenario_and_mean(results).items()
    }
    return {name: some for name, some in runs.items() if some}


def optimal_rows(runs: Mapping[str, Sequence[OptimalFigures]]) -> list[Row]:
    """Return one row per element of `optimal_runs`."""
    rows: list[Row] = []
    for name, figures in runs.items():
        share, low, high = over_cohorts(figures)
        auprc, detected, calibration, doubled, differ = np.mean(
            [
                (one.auprc, one.detected_share, one.calibration_error, one.doubled, one.runs_differ)
                for one in figures
            ],
            axis=0,
        ).tolist()
        rows.append(
            (
                name,
                f"{auprc:.3f}",
                f"{share:.2f}",
                f"{low:.2f}-{high:.2f}",
                f"{detected:.2f}",
                f"{calibration:.3f}",
                f"{doubled:.3f}",
                f"{differ:.3f}",
            )
        )
    return rows


def total_explanations(results: Sequence[ScenarioFigures]) -> ExplanationCounts:
    """Return the sum over all cohorts."""
    total = ExplanationCounts()
    for run in results:
        total.add(run.explanations)
    return total


def movement_rows(results: Sequence[ScenarioFigures]) -> list[Row]:
    """Return, of 100, how often the true movement was named, another one, or none; and when."""
    total = total_explanations(results)
    rows: list[Row] = []
    for true in Movement:
        for after, when in zip(AFTER, _AFTER, strict=True):
            named = total.named_for(true, after)
            count, right, unclear = named.total(), named[true.value], named[""]
            if count:
                shares = (right, count - right - unclear, unclear)
                rows.append((true.value, when, str(count), *(f"{100 * n / count:.0f}" for n in shares)))
    return rows


def subgroup_rows(results: Sequence[ScenarioFigures]) -> list[Row]:
    """Return one row per subgroup, over all cohorts."""
    total = SubgroupCounts()
    for run in results:
        total.add(run.subgroups)
    return [
        (
            *group,
            f"{100 * total.false[group] / max(stable, 1):.1f}",
            f"{100 * total.detected[group] / max(total.ruptures[group], 1):.0f}",
            str(total.ruptures[group]),
        )
        for group, stable in sorted(total.stable.items(), key=lambda item: _subgroup_order(item[0]))
    ]


def leading_share(results: Sequence[ScenarioFigures]) -> tuple[float, int]:
    """Return the share of detected one-component ruptures whose component was named, and their number."""
    count = sum(result.leading_right[1] for result in results)
    return sum(result.leading_right[0] for result in results) / max(count, 1), count


def _subgroup_order(group: Subgroup) -> tuple[str, int, str]:
    return group.by, THIRDS.index(group.group) if group.group in THIRDS else 0, group.group


def _by_rule(results: Sequence[ScenarioFigures]) -> list[tuple[RuleFigures, ...]]:
    return list(zip(*([run.model, *run.rules] for run in results), strict=True))


def _by_scenario_and_mean(results: Sequence[ScenarioFigures]) -> dict[str, list[ScenarioFigures]]:
    scenarios: dict[str, list[ScenarioFigures]] = {}
    for result in results:
        scenarios.setdefault(result.scenario, []).append(result)
    return scenarios | {MEAN: list(results)}


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
