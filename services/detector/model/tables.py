"""Figures in, tables for a terminal out."""

from collections.abc import Sequence

import numpy as np
from rich import box
from rich.table import Table

from services.detector.model.card import by_kind, leading_share, optimal_runs
from services.detector.model.evaluate import KindFigures
from services.detector.model.optimal_figures import optimal_rows
from services.detector.model.own_ratings import OwnFigures

BESIDE = ("vendor rule", "EWMA")
"""The rules shown beside Rapport kind by kind; the others stand in the second table."""


def plain_table(title: str) -> Table:
    """A table without lines, for a terminal."""
    return Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1))


def kinds_table(results: Sequence[KindFigures]) -> Table:
    """Per kind of cohort: how well the risk orders sessions, beside today's rules."""
    table = plain_table("Unseen kinds of cohort: areas under the precision-recall curve, and flags")
    table.add_column("kind", no_wrap=True)
    rules = [rule.name for rule in results[0].rules]
    shown = [rules.index(name) for name in BESIDE]
    for title in (
        "Rapport",
        *(name.split()[0] for name in BESIDE),
        "AUROC",
        "false",
        "caught",
        "once",
        "off",
    ):
        table.add_column(title, justify="right", min_width=len(title))
    table.caption = (
        "false: of 100 stable sessions; once: caught at the first rated session; off: calibration error."
    )
    kinds = by_kind(results)
    for name, runs in {**kinds, "mean": list(results)}.items():
        figures = [
            (
                run.model.ranking.auprc,
                *(run.rules[place].ranking.auprc for place in shown),
                run.model.ranking.auroc,
                run.model.false_per_100_stable,
                run.model.caught.share,
                run.model.caught.share_at_once,
                run.calibration_error,
            )
            for run in runs
        ]
        own, *areas, auroc, false, caught, once, off = np.mean(figures, axis=0).tolist()
        table.add_row(
            name,
            *(f"{value:.2f}" for value in (own, *areas, auroc)),
            f"{false:.1f}",
            *(f"{value:.2f}" for value in (caught, once, off)),
            end_section=name == list(kinds)[-1],
        )
    return table


def rules_table(results: Sequence[KindFigures]) -> Table:
    """Over all cohorts: flags, false alarms, ruptures caught and how late, for each way of flagging."""
    table = plain_table("Each way of flagging, over all cohorts")
    for title in ("", "flagged", "false", "caught", "once", "sessions", "caught at 5"):
        table.add_column(title, justify="right" if title else "left")
    for place in range(1 + len(results[0].rules)):
        ways = [(run.model, *run.rules)[place] for run in results]
        delays = [session for way in ways for session in way.caught.sessions_until]
        table.add_row(
            ways[0].name,
            f"{np.mean([way.flagged_per_100 for way in ways]):.1f}",
            f"{np.mean([way.false_per_100_stable for way in ways]):.1f}",
            f"{np.mean([way.caught.share for way in ways]):.2f}",
            f"{np.mean([way.caught.share_at_once for way in ways]):.2f}",
            f"{np.median(delays):.0f}" if delays else "",
            f"{np.mean([way.caught_at_budget for way in ways]):.2f}",
        )
    right, count = leading_share(results)
    table.caption = (
        "flagged: of 100 rated; sessions: median until caught; "
        "caught at 5: were 5 of 100 stable ones flagged. "
        f"Right component named first: {100 * right:.0f} of 100 (of {count} in one component)."
    )
    return table


def optimal_table(results: Sequence[KindFigures]) -> Table:
    """Per kind: the optimal filter, and how much of it the detector reaches."""
    table = plain_table("Beside the optimal filter, which knows each cohort's own parameters")
    table.add_column("kind", no_wrap=True)
    for title in ("AUPRC", "share", "90 %", "caught", "off", "1/4", "move"):
        table.add_column(title, justify="right", no_wrap=True)
    table.caption = (
        "share: of its AUPRC that Rapport reaches, with its interval over clients; caught: share of what it "
        "catches at 5 false of 100; off: calibration error; 1/4: with a quarter of the particles, and by "
        "how much risks then move."
    )
    for name, *cells in optimal_rows(optimal_runs(results)):
        table.add_row(name.strip("*"), *cells)
    return table


def own_table(rated: int, model: OwnFigures, rule: OwnFigures) -> Table:
    """A practice's own ratings: what would have been flagged, beside the vendor rule."""
    table = plain_table(f"Your own ratings: {rated} rated sessions (per 100 of them)")
    for title in ("", "flagged", "opened", "back at the next", "of 100 clients"):
        table.add_column(title, justify="right" if title else "left")
    for name, one in (("Rapport", model), ("vendor rule", rule)):
        values = (one.flagged, one.opened, one.back_at_next, one.clients)
        table.add_row(name, *(f"{value:.1f}" for value in values))
    return table
