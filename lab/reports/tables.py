"""Makes titled tables of results, as values that a terminal and an HTML page show alike."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from lab.evaluation.evaluate import ScenarioFigures
from lab.evaluation.false_alarm_rates import STARTS
from lab.evaluation.practice_figures import AnsweredFigures, PracticeFigures
from lab.reports.rows import (
    MOVEMENT_COLUMNS,
    RULE_COLUMNS,
    leading_share,
    median_delays,
    movement_rows,
    optimal_rows,
    optimal_runs,
    rule_rows,
    scenario_rows,
    total_explanations,
)
from schemas.events import Movement
from services.runtime.process.plain_table import plain_table

_NEAR = (0.4, 1.6)
"""A false alarm rate is near the promised one between these multiples of it."""


@dataclass(frozen=True, slots=True)
class ResultTable:
    """One table: the first column names the row, the others hold figures."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def for_terminal(table: ResultTable) -> Table:
    """Return the table as rich prints it."""
    printed = plain_table(table.title)
    printed.caption = table.note or None
    for number, title in enumerate(table.columns):
        widest = max((len(word) for word in title.split()), default=0)
        printed.add_column(title, justify="right" if number else "left", no_wrap=not number, min_width=widest)
    for row in table.rows:
        printed.add_row(*row)
    return printed


def evaluation_tables(results: Sequence[ScenarioFigures]) -> list[ResultTable]:
    """Return all tables of an evaluation on simulated cohorts."""
    return [
        scenario_table(results),
        *([optimal_table(results)] if optimal_runs(results) else []),
        rule_table(results),
        false_alarm_table(results),
        leading_table(results),
        movement_table(results),
        confusion_table(results),
    ]


def scenario_table(results: Sequence[ScenarioFigures]) -> ResultTable:
    """Show per scenario how well the risk orders sessions, beside today's rules."""
    rules = [rule.name.split()[0] for rule in results[0].rules]
    return ResultTable(
        "Scenarios: areas under the precision-recall curve, and flags",
        (
            "scenario",
            "rupture",
            "Rapport",
            *rules,
            "AUROC",
            "flagged",
            "false",
            "opened",
            "detected",
            "once",
            "calibration",
        ),
        tuple(scenario_rows(results)),
        "rupture: sessions in a rupture, of 100; flagged and opened: of 100 rated sessions; false: of 100 "
        "stable ones; once: detected at the first rated session; calibration: calibration error.",
    )


def rule_table(results: Sequence[ScenarioFigures]) -> ResultTable:
    """Show flags, false alarms, detection and delay of each way of flagging, over all cohorts."""
    right, count = leading_share(results)
    delays = median_delays(results)
    return ResultTable(
        "Each way of flagging, over all cohorts",
        (*RULE_COLUMNS, "median rated sessions until detected"),
        tuple((*row, delay) for row, delay in zip(rule_rows(results), delays, strict=True)),
        f"The right component is named first in {100 * right:.0f} of 100 detected ruptures of one component"
        f" (of {count}).",
    )


def optimal_table(results: Sequence[ScenarioFigures]) -> ResultTable:
    """Show per scenario the optimal filter, and which share of it the detector reaches."""
    return ResultTable(
        "The optimal filter, which knows each cohort's own parameters",
        ("scenario", "AUPRC", "share", "90 %", "detected", "calibration", "doubled", "differ"),
        tuple(optimal_rows(optimal_runs(results))),
        "share: Rapport's AUPRC over the filter's, with its interval over clients; detected: the same of the "
        "ruptures detected at 5 false alarms of 100; calibration: calibration error; doubled: AUPRC with "
        "twice the particles, as a ratio; differ: mean difference between the risks of two runs.",
    )


def false_alarm_table(results: Sequence[ScenarioFigures]) -> ResultTable:
    """Show for each sensitivity and kind of threshold the observed false alarm rates, over all cohorts."""
    rates = [rate for run in results for rate in run.false_alarm_rates]
    low_factor, high_factor = _NEAR
    rows = []
    for promised in sorted({rate.promised for rate in rates}):
        for start in STARTS:
            observed = np.array(
                [rate.observed for rate in rates if (rate.promised, rate.threshold) == (promised, start)]
            )
            if observed.size:
                is_near = (observed >= low_factor * promised) & (observed <= high_factor * promised)
                low, median, high = np.quantile(observed, [0.05, 0.5, 0.95]).tolist()
                rows.append(
                    (
                        f"{promised:g} promised, threshold {start}",
                        f"{observed.mean():.1f}",
                        f"{median:.1f}",
                        f"{low:.1f} to {high:.1f}",
                        f"{100 * np.mean(is_near):.0f}",
                    )
                )
    return ResultTable(
        "False alarms of 100 stable sessions, beside the promised rate",
        ("", "mean", "median", "90 of 100 practices", "near"),
        tuple(rows),
        f"{len(results)} simulated practices; near: of 100 practices, those with .4 to 1.6 times the promised"
        " rate (5 promised: 2 to 8).",
    )


def movement_table(results: Sequence[ScenarioFigures]) -> ResultTable:
    """Show how often the true movement was named."""
    return ResultTable(
        "Kind of movement of a detected rupture, of 100",
        MOVEMENT_COLUMNS,
        tuple(movement_rows(results)),
        "not clear: no kind is named, and the message says so.",
    )


def confusion_table(results: Sequence[ScenarioFigures]) -> ResultTable:
    """Show which movement was named in place of which, at the first flag."""
    total = total_explanations(results)
    names = [*(movement.value for movement in Movement), ""]
    counts = [(true, total.named_for(true)) for true in Movement]
    return ResultTable(
        "Kind of movement at the first flag: true in rows, named in columns",
        ("true movement", *(name or "not clear" for name in names)),
        tuple((true.value, *(str(named[name]) for name in names)) for true, named in counts if named.total()),
    )


def leading_table(results: Sequence[ScenarioFigures]) -> ResultTable:
    """Show how often the component with the deepest fall was named at the first flag."""
    total = total_explanations(results)
    rows = []
    for components in (1, 2, 3):
        right, wrong = total.leading[components, True], total.leading[components, False]
        share = f"{100 * right / (right + wrong):.0f}" if right + wrong else ""
        rows.append((f"fall in {components} of 3 components", str(right + wrong), share))
    return ResultTable(
        "Leading component at the first flag of a detected rupture",
        ("", "ruptures", "deepest one named, of 100"),
        tuple(rows),
    )


def practice_table(rated: int, figures: Sequence[tuple[str, PracticeFigures]]) -> ResultTable:
    """Show what each way of flagging would have flagged of a practice's own ratings."""
    return ResultTable(
        f"Your own ratings: {rated} rated sessions (per 100 of them)",
        ("", "flagged", "opened", "recovered at the next", "of 100 clients"),
        tuple(
            (
                name,
                *(f"{value:.1f}" for value in (one.flagged, one.opened, one.recovered_at_next, one.clients)),
            )
            for name, one in figures
        ),
        "opened: Rapport's episodes, or a rule's runs of flagged sessions; recovered at the next: flagged"
        " although half of the fall is regained at the next rated session; of 100 clients: flagged at least"
        " once.",
    )


def answered_table(figures: Sequence[tuple[str, AnsweredFigures]]) -> ResultTable:
    """Show how many of the sessions that therapists answered about each way flags, and how many rightly."""
    return ResultTable(
        "Sessions that therapists answered about",
        ("", "answered", "flagged", "of these a rupture was seen", "precision"),
        tuple(
            (
                name,
                str(one.answered),
                str(one.flagged),
                str(one.right),
                f"{one.right / one.flagged:.2f}" if one.flagged else "",
            )
            for name, one in figures
        ),
        "Answers exist only for sessions with an alert, so these figures do not show missed ruptures.",
    )
