"""Compares alerts with the simulated truth: how many ruptures were detected, how early, how many falsely."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple


class ClientSession(NamedTuple):
    """One session of one client, by the ids that the HTTP interfaces use."""

    practice: str
    client_id: str
    session_id: str


@dataclass(frozen=True, slots=True)
class DetectionFigures:
    """How one detection rule performed on ratings whose truth is known."""

    detected: int
    """Ruptures with at least one alert while they were under way."""
    median_sessions_to_alert: float | None
    """Median over the detected ruptures; 0 is the rupture's first session. None: nothing was detected."""
    alerts: int
    false_alerts: int
    """Alerts at a session without a rupture under way."""
    clients_alerted: int


@dataclass(frozen=True, slots=True)
class DetectionComparison:
    """How many ruptures there were, and how Rapport and the vendor's rule performed on the same ratings."""

    ruptures: int
    clients: int
    sessions: int
    rapport: DetectionFigures
    vendor: DetectionFigures


def compare_with_truth(truth: Mapping[str, Any], alerts: Iterable[ClientSession]) -> DetectionComparison:
    """Compare Rapport's alerts, and the vendor rule's, with `truth` as `rapport simulate` writes it."""
    dyads = truth["dyads"]
    vendor = [
        ClientSession(dyad["practice"], dyad["client_id"], session)
        for dyad in dyads
        for session in dyad["vendor_flags"]
    ]
    return DetectionComparison(
        ruptures=sum(len(dyad["ruptures"]) for dyad in dyads),
        clients=len(dyads),
        sessions=sum(len(dyad["sessions"]) for dyad in dyads),
        rapport=_figures(dyads, alerts),
        vendor=_figures(dyads, vendor),
    )


def _figures(dyads: Iterable[Mapping[str, Any]], alerts: Iterable[ClientSession]) -> DetectionFigures:
    by_client: dict[tuple[str, str], set[str]] = {}
    for alert in alerts:
        by_client.setdefault((alert.practice, alert.client_id), set()).add(alert.session_id)
    delays: list[int] = []
    false_alerts = total = 0
    for dyad in dyads:
        index = {session: position for position, session in enumerate(dyad["sessions"])}
        alerted = by_client.get((dyad["practice"], dyad["client_id"]), set())
        positions = sorted(index[session] for session in alerted if session in index)
        ruptures = [
            (index[rupture["first_session"]], index[rupture["last_session"]]) for rupture in dyad["ruptures"]
        ]
        total += len(positions)
        false_alerts += sum(not any(first <= at <= last for first, last in ruptures) for at in positions)
        for first, last in ruptures:
            within = [at for at in positions if first <= at <= last]
            delays += [within[0] - first] if within else []
    return DetectionFigures(
        detected=len(delays),
        median_sessions_to_alert=median(delays) if delays else None,
        alerts=total,
        false_alerts=false_alerts,
        clients_alerted=sum(bool(sessions) for sessions in by_client.values()),
    )
