"""What was planted and what was told in, how many were told, how early, how often wrongly out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple


class ClientSession(NamedTuple):
    """One session of one client, as the doors name it."""

    practice: str
    client_id: str
    session_id: str


@dataclass(frozen=True, slots=True)
class DetectionFigures:
    """How one way of telling did on ratings whose truth is known."""

    told: int
    """Planted ruptures of which at least one alert came while they were under way."""
    sessions_until_told: float | None
    """Median over the told ones: 0 is the rupture's first session."""
    alerts: int
    alerts_without_rupture: int
    """Alerts at a session at which no rupture was under way."""
    clients_alerted: int


@dataclass(frozen=True, slots=True)
class DetectionComparison:
    """What was planted, and how Rapport and today's vendor rule did on the same ratings."""

    planted: int
    clients: int
    sessions: int
    rapport: DetectionFigures
    vendor: DetectionFigures


def compare_with_truth(truth: Mapping[str, Any], told: Iterable[ClientSession]) -> DetectionComparison:
    """Compare; `told` are the sessions at which therapists were told of an episode."""
    dyads = truth["dyads"]
    vendor = [
        ClientSession(dyad["practice"], dyad["client_id"], session)
        for dyad in dyads
        for session in dyad["vendor_flags"]
    ]
    return DetectionComparison(
        planted=sum(len(dyad["ruptures"]) for dyad in dyads),
        clients=len(dyads),
        sessions=sum(len(dyad["sessions"]) for dyad in dyads),
        rapport=_verdicts(dyads, told),
        vendor=_verdicts(dyads, vendor),
    )


def _verdicts(dyads: Iterable[Mapping[str, Any]], alerts: Iterable[ClientSession]) -> DetectionFigures:
    by_client: dict[tuple[str, str], set[str]] = {}
    for alert in alerts:
        by_client.setdefault((alert.practice, alert.client_id), set()).add(alert.session_id)
    waits: list[int] = []
    wrong = total = 0
    for dyad in dyads:
        order = {session: place for place, session in enumerate(dyad["sessions"])}
        alerted = by_client.get((dyad["practice"], dyad["client_id"]), set())
        places = sorted(order[session] for session in alerted if session in order)
        spans = [(order[one["first_session"]], order[one["last_session"]]) for one in dyad["ruptures"]]
        total += len(places)
        wrong += sum(not any(first <= place <= last for first, last in spans) for place in places)
        for first, last in spans:
            within = [place for place in places if first <= place <= last]
            waits += [within[0] - first] if within else []
    return DetectionFigures(
        told=len(waits),
        sessions_until_told=median(waits) if waits else None,
        alerts=total,
        alerts_without_rupture=wrong,
        clients_alerted=sum(bool(sessions) for sessions in by_client.values()),
    )
