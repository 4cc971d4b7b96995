"""Writes the model card in Markdown: what the model is for, how it was made, and what was measured."""

from collections.abc import Sequence

import numpy as np

from lab.evaluation.evaluate import ScenarioFigures
from lab.evaluation.monotonicity import LoweringResult
from lab.reports.markdown_table import markdown_table
from lab.reports.precision_section import with_precision_section
from lab.reports.rows import (
    MOVEMENT_COLUMNS,
    OPTIMAL_COLUMNS,
    RULE_COLUMNS,
    SUBGROUP_COLUMNS,
    leading_share,
    movement_rows,
    optimal_rows,
    optimal_runs,
    part_columns,
    part_rows,
    rule_rows,
    scenario_columns,
    scenario_rows,
    subgroup_rows,
)
from lab.reports.tables import ResultTable
from services.detector.model.manifest import Manifest

_HEAD = """# Model card: `{version}`

The model estimates the probability that a rupture of the therapeutic alliance is under way at a session,
given a client's ratings up to that session. It is made for therapists, as a hint to talk about the
alliance. It is no diagnosis, no measure of a therapist and no emergency service. It sees marks alone and
cannot know why they moved.

## What it is

A multiple-model Kalman filter follows each client's baseline of bond, goal and task. At every form it
weighs whether the session is as usual, a bad day, or a rupture of one of seven patterns and three depths.
Its results, with the client's own means, lags, EWMA and CUSUM, are the features of boosted trees
(scikit-learn's histogram gradient boosting). {blend}

## What it was trained on

The model was trained on simulated clients only; no person's data was used. {cohorts} cohorts of {clients}
clients ({rows} sessions) were simulated, each with parameters of its own, drawn from broad priors, and with
ruptures of every shape. {families}Calibration and default threshold rest on {calibration_cohorts} further
cohorts ({calibration_rows} sessions). Seed {seed}. {libraries}.

The default threshold is a risk of {threshold}. It is chosen so that {budget:g} of 100 rated sessions
without a rupture under way reach it, on average over the calibration cohorts. A single practice's rate can
differ from that by much: see "false" below.
"""

_BLEND = """A logistic regression weighs the log-odds of trees and filter together,
and thereby calibrates the risk, on cohorts that none of its inputs was fitted to."""
_NETWORK_BLEND = """A small recurrent
network reads the forms beside the filter, and with them statistics of the practice's own unlabelled ratings
once 20 of its clients gave forms. The log-odds of trees and network count alike; a logistic regression
calibrates their sum on cohorts that none of its inputs was fitted to."""

_FAMILIES = """Half of the
cohorts come from each of two families of worlds: in one, each rupture has a drawn course; in the other, a
client is stable or in a rupture, whatever happened before. """

_COMPARED = """
## Beside the model before

Both models on the same practices, each practice's statistics taken from the other half of its clients.

{note}

"""

_MEASURED = """## What was measured

{cohorts} cohorts of scenarios that the model was not trained on. Some have parameters outside the
training's priors, and some have instruments that were never trained on.
"""

_SUMMARY = """
A detected rupture is flagged after a median of {delay:.0f} rated sessions (0: at its first). The right
component is named first in {right:.0f} of 100 detected ruptures of one component (of {count}). In {near} of
the {cohorts} cohorts, 2 to 8 of 100 stable sessions were flagged at the default threshold; the lowest rate
was {lowest:.1f}, the highest {highest:.1f}.

Today's rules, each at its published cut, on the same sessions:
"""

_MOVEMENTS = """
## Which kind of movement is named

Detected ruptures, of 100, beside the movement that was simulated. Where the marks do not distinguish a
slide from a sudden fall, none is named:
"""

_SUBGROUPS = """
## Whom it flags

At the default threshold, over all cohorts; thirds are of each cohort's own clients. Simulated clients have
no other properties, so nothing is known about differences by age, gender, language or culture.
"""

_PARTS = """
## What each part contributes

AUPRC on the same cohorts: of deviations from the client's own baseline alone, of the filter's log-odds
alone, of the trees alone, and of both together, which is the model:
"""

_PARTS_WITH_NETWORK = """
## What each part contributes

AUPRC on the same cohorts: of deviations from the client's own baseline alone, of the filter's log-odds
alone, of the trees alone, of the network alone, and of the model:
"""

_OPTIMAL = """
## What could be reached at most

The optimal filter is a particle filter ({particles} particles, with MCMC moves) on the simulator's own
model with each cohort's true parameters. No detector can get more out of a client's own forms, except by
chance and by the error of a finite number of particles; the last two columns show that error, measured on
one client in ten. It was run on {cohorts} of each scenario. The interval is over clients: 5th to 95th
percentile of 200 bootstrap draws in each cohort, combined over independent cohorts.
"""

_LIMITS = """
## Limits

- Lowering a whole form (every component by the same amount, none of them at the end of its scale) never
  lowers the risk of that session. Where a component has stopped at its lowest mark, the risk is at least
  that of the riskiest of a few forms that, lowered, give the same form. What remains between those few
  forms, and of marks that stop within a component, is measured here. Lowering single components can lower
  the risk:{exceptions}
- Forms with every mark at the top show only that the alliance is at least that good; falls above the
  ceiling are not detected.
- A client with fewer than three ratings has no baseline yet: the risk then rests on the level alone.
- Two instruments in one course of therapy are read on one common scale. Where a client marks one of them
  systematically higher, part of that difference looks like movement.
- What ruptures look like in marks is an assumption of the simulator. No labelled data was used.
"""

_TARGET_RATES = 2.0, 8.0
"""False alarms per 100 stable sessions that count as near the budget."""


def card(
    manifest: Manifest,
    results: Sequence[ScenarioFigures],
    lowered: Sequence[LoweringResult],
    compared: ResultTable | None = None,
) -> str:
    """Return the model card; every figure in it is from the manifest or from the results.

    `compared` is the table of `lab.reports.comparison_table`; None: no comparison was made.
    """
    has_network = manifest.network_sha256 is not None
    sections = [
        _HEAD.format(
            version=manifest.version,
            libraries=", ".join(f"{name} {version}" for name, version in sorted(manifest.libraries.items())),
            threshold=manifest.threshold,
            budget=manifest.flagged_per_100_stable,
            blend=_NETWORK_BLEND if has_network else _BLEND,
            families=_FAMILIES if has_network else "",
            **manifest.training.model_dump(),
        ),
        *_comparison(compared),
        _MEASURED.format(cohorts=len(results)),
        markdown_table(scenario_columns(results), scenario_rows(results)),
        _summary(results),
        markdown_table(RULE_COLUMNS, rule_rows(results)),
        _MOVEMENTS,
        markdown_table(MOVEMENT_COLUMNS, movement_rows(results)),
        _SUBGROUPS,
        markdown_table(SUBGROUP_COLUMNS, subgroup_rows(results)),
        *_parts(results),
        *_optimal(results),
        _LIMITS.format(exceptions="".join(f"\n  - {result.sentence()}" for result in lowered)),
    ]
    return with_precision_section("\n".join(sections), manifest)


def _comparison(compared: ResultTable | None) -> list[str]:
    if compared is None:
        return []
    return [_COMPARED.format(note=compared.note), markdown_table(compared.columns, compared.rows), ""]


def _summary(results: Sequence[ScenarioFigures]) -> str:
    right, count = leading_share(results)
    rates = [run.model.false_per_100_stable for run in results]
    low, high = _TARGET_RATES
    return _SUMMARY.format(
        delay=np.median([delay for run in results for delay in run.model.detection.delays]),
        right=100 * right,
        count=count,
        near=sum(low <= rate <= high for rate in rates),
        cohorts=len(results),
        lowest=min(rates),
        highest=max(rates),
    )


def _parts(results: Sequence[ScenarioFigures]) -> list[str]:
    rows = part_rows(results)
    if not rows:
        return []
    columns = part_columns(results)
    words = _PARTS_WITH_NETWORK if "network" in columns else _PARTS
    return [words, markdown_table(columns, rows)]


def _optimal(results: Sequence[ScenarioFigures]) -> list[str]:
    runs = optimal_runs(results)
    if not runs:
        return []
    first = next(iter(runs.values()))
    cohorts = "one cohort" if len(first) == 1 else f"{len(first)} cohorts"
    return [
        _OPTIMAL.format(particles=first[0].particles, cohorts=cohorts),
        markdown_table(OPTIMAL_COLUMNS, optimal_rows(runs)),
    ]
