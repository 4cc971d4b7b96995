"""Figures in, tables out: as values, that a terminal and a page show alike."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from lab.evaluation.evaluate import KindFigures
from lab.evaluation.false_alarm_rates import STARTS
from lab.evaluation.practice_ratings import Answered, OwnFigures
from lab.evaluation.share_of_optimum import optimal_rows
from lab.reports.model_card import by_kind, leading_share, optimal_runs
from lab.reports.movement_rows import MOVEMENT_TITLES, explained_in, movement_rows
from schemas.events import Movement
from services.runtime.process.plain_table import plain_table

BESIDE = ("vendor rule", "EWMA")
"""The rules shown beside Rapport kind by kind; the others stand in the second table."""


@dataclass(frozen=True, slots=True)
class Grid:
    """One table: the first column says what the row is about, the others are figures."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def shown(grid: Grid) -> Table:
    """A grid for a terminal."""
    table = plain_table(grid.title)
    table.caption = grid.note or None
    for place, title in enumerate(grid.head):
        widest = max((len(word) for word in title.split()), default=0)
        table.add_column(title, justify="right" if place else "left", no_wrap=not place, min_width=widest)
    for row in grid.rows:
        table.add_row(*row)
    return table


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def kinds_grid(results: Sequence[KindFigures]) -> Grid:
    """Per kind of cohort: how well the risk orders sessions, beside today's rules."""
    names = [rule.name for rule in results[0].rules]
    places = [names.index(name) for name in BESIDE]
    rows = []
    for name, runs in {**by_kind(results), "mean": list(results)}.items():
        figures = [
            (
                run.model.ranking.auprc,
                *(run.rules[place].ranking.auprc for place in places),
                run.model.ranking.auroc,
                run.model.false_per_100_stable,
                run.model.caught.share,
                run.model.caught.share_at_once,
                run.calibration_error,
            )
            for run in runs
        ]
        own, *areas, auroc, false, caught, once, off = np.mean(figures, axis=0).tolist()
        cells = [f"{value:.2f}" for value in (own, *areas, auroc)]
        rows.append((name, *cells, f"{false:.1f}", *(f"{value:.2f}" for value in (caught, once, off))))
    return Grid(
        "Unseen kinds of cohort: areas under the precision-recall curve, and flags",
        ("kind", "Rapport", *(name.split()[0] for name in BESIDE), "AUROC", "false", "caught", "once", "off"),
        tuple(rows),
        "false: of 100 stable sessions; once: caught at the first rated session; off: calibration error.",
    )


def rules_grid(results: Sequence[KindFigures]) -> Grid:
    """Over all cohorts: flags, false alarms, ruptures caught and how late, for each way of flagging."""
    rows = []
    for place in range(1 + len(results[0].rules)):
        ways = [(run.model, *run.rules)[place] for run in results]
        delays = [session for way in ways for session in way.caught.sessions_until]
        rows.append(
            (
                ways[0].name,
                f"{_mean(way.flagged_per_100 for way in ways):.1f}",
                f"{_mean(way.false_per_100_stable for way in ways):.1f}",
                f"{_mean(way.caught.share for way in ways):.2f}",
                f"{_mean(way.caught.share_at_once for way in ways):.2f}",
                f"{np.median(delays):.0f}" if delays else "",
                f"{_mean(way.caught_at_budget for way in ways):.2f}",
            )
        )
    right, count = leading_share(results)
    return Grid(
        "Each way of flagging, over all cohorts",
        ("", "flagged", "false", "caught", "once", "sessions", "caught at 5"),
        tuple(rows),
        "flagged: of 100 rated; sessions: median until caught; "
        "caught at 5: were 5 of 100 stable ones flagged. "
        f"Right component named first: {100 * right:.0f} of 100 (of {count} in one component).",
    )


def optimal_grid(results: Sequence[KindFigures]) -> Grid:
    """Per kind: the optimal filter, and how much of it the detector reaches."""
    return Grid(
        "Beside the optimal filter, which knows each cohort's own parameters",
        ("kind", "AUPRC", "share", "90 %", "caught", "off", "x 2", "move"),
        tuple((name.strip("*"), *cells) for name, *cells in optimal_rows(optimal_runs(results))),
        "share: of its AUPRC that Rapport reaches, with its interval over clients; caught: share of what it "
        "catches at 5 false of 100; off: calibration error; x 2: AUPRC with twice the "
        "particles, as a ratio; move: how far the risks of two runs lie apart.",
    )


def promise_grid(results: Sequence[KindFigures]) -> Grid:
    """For each sensitivity and kind of threshold: the false alarms that came, over all cohorts."""
    kept = [one for run in results for one in run.kept]
    rows = []
    for promised in sorted({one.promised for one in kept}):
        for start in STARTS:
            found = np.array(
                [one.found for one in kept if (one.promised, one.threshold) == (promised, start)]
            )
            if found.size:
                near = np.mean((found >= 0.4 * promised) & (found <= 1.6 * promised))
                low, middle, high = np.quantile(found, [0.05, 0.5, 0.95]).tolist()
                cells = (
                    f"{found.mean():.1f}",
                    f"{middle:.1f}",
                    f"{low:.1f} to {high:.1f}",
                    f"{100 * near:.0f}",
                )
                rows.append((f"{promised:g} promised, threshold {start}", *cells))
    return Grid(
        "False alarms of 100 stable sessions, where so many were promised",
        ("", "mean", "median", "90 of 100 practices", "near"),
        tuple(rows),
        f"{len(results)} simulated practices; near: of 100 practices, those between .4 and 1.6 times what was"
        " promised (5 promised: 2 to 8).",
    )


def movement_grid(results: Sequence[KindFigures]) -> Grid:
    """The kind of movement that was named, beside the simulator's truth."""
    return Grid(
        "Kind of movement of a caught rupture, of 100",
        ("truly", *MOVEMENT_TITLES[1:]),
        tuple(movement_rows(results)),
        "not clear: no kind is named, and the message says so.",
    )


def confusion_grid(results: Sequence[KindFigures]) -> Grid:
    """Which kind was named in place of which, at the first flag."""
    total = explained_in(results)
    names = [*(one.value for one in Movement), ""]
    found = [(true, total.of(true)) for true in Movement]
    return Grid(
        "Kind of movement at the first flag: true in rows, named in columns",
        ("truly", *(name or "not clear" for name in names)),
        tuple((true.value, *(str(named[name]) for name in names)) for true, named in found if named.total()),
    )


def leading_grid(results: Sequence[KindFigures]) -> Grid:
    """Whether the component that fell deepest was named at the first flag."""
    total = explained_in(results)
    rows = []
    for fallen in (1, 2, 3):
        right, wrong = total.leading[fallen, True], total.leading[fallen, False]
        share = f"{100 * right / (right + wrong):.0f}" if right + wrong else ""
        rows.append((f"fall in {fallen} of 3 components", str(right + wrong), share))
    return Grid(
        "Leading component at the first flag of a caught rupture",
        ("", "ruptures", "deepest one named, of 100"),
        tuple(rows),
    )


def own_grid(rated: int, ways: Sequence[tuple[str, OwnFigures]]) -> Grid:
    """A practice's own ratings: what each way of flagging would have flagged."""
    return Grid(
        f"Your own ratings: {rated} rated sessions (per 100 of them)",
        ("", "flagged", "opened", "back at the next", "of 100 clients"),
        tuple(
            (name, *(f"{value:.1f}" for value in (one.flagged, one.opened, one.back_at_next, one.clients)))
            for name, one in ways
        ),
        "opened: runs of flagged sessions begun, for Rapport episodes; back at the next: flagged although"
        " half of the fall is back at the very next rated session.",
    )


def answered_grid(ways: Sequence[tuple[str, Answered]]) -> Grid:
    """Of the sessions that therapists answered about, those that each way flags, and how many were right."""
    return Grid(
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
            for name, one in ways
        ),
        "Answers are about sessions that were told, so this says nothing of what was missed.",
    )
