"""Figures in, tables for a terminal out."""

from collections.abc import Sequence

import numpy as np
from rich.table import Table

from services.detector.model.card import by_kind, leading_share
from services.detector.model.evaluate import KindFigures
from services.detector.model.own_ratings import OwnFigures


def kinds_table(results: Sequence[KindFigures]) -> Table:
    """Per kind of cohort: how well the risk orders sessions, beside today's rules."""
    table = Table(title="Unseen kinds of cohort: area under the precision-recall curve, and flags")
    table.add_column("kind")
    titles = ["Rapport", *(rule.name for rule in results[0].rules)]
    for title in (*titles, "AUROC", "false/100", "caught", "at once", "off"):
        table.add_column(title, justify="right")
    for name, runs in {**by_kind(results), "mean": list(results)}.items():
        ways = np.array([[run.model.ranking.auprc, *(r.ranking.auprc for r in run.rules)] for run in runs])
        others = np.array(
            [
                (
                    run.model.ranking.auroc,
                    run.model.false_per_100_stable,
                    run.model.caught.share,
                    run.model.caught.share_at_once,
                    run.calibration_error,
                )
                for run in runs
            ]
        )
        auroc, false, caught, once, off = others.mean(axis=0).tolist()
        table.add_row(
            name,
            *(f"{value:.3f}" for value in ways.mean(axis=0).tolist()),
            f"{auroc:.3f}",
            f"{false:.1f}",
            f"{caught:.2f}",
            f"{once:.2f}",
            f"{off:.3f}",
            end_section=name == list(by_kind(results))[-1],
        )
    return table


def rules_table(results: Sequence[KindFigures]) -> Table:
    """Over all cohorts: flags, false alarms, ruptures caught and how late, for each way of flagging."""
    table = Table(title="Each way of flagging, over all cohorts")
    for title in ("", "flagged/100", "false/100 stable", "caught", "at once", "median sessions until"):
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
        )
    right, count = leading_share(results)
    table.caption = f"Right component named first: {100 * right:.0f} of 100 (of {count} in one component)."
    return table


def own_table(rated: int, model: OwnFigures, rule: OwnFigures) -> Table:
    """A practice's own ratings: what would have been flagged, beside the vendor rule."""
    table = Table(title=f"Your own ratings: {rated} rated sessions (per 100 of them)")
    for title in ("", "flagged", "opened", "back at the next session", "clients flagged, of 100"):
        table.add_column(title, justify="right" if title else "left")
    for name, one in (("Rapport", model), ("vendor rule", rule)):
        values = (one.flagged, one.opened, one.back_at_next, one.clients)
        table.add_row(name, *(f"{value:.1f}" for value in values))
    return table
