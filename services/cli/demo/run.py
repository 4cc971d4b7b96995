"""Runs the demonstration: sends ratings, waits, reconciles, and compares alerts with the truth."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.cli.client.api_client import ApiClient
from services.cli.client.mail_catcher_client import MailCatcherClient
from services.cli.client.send_ratings import DeliveryReport, RatingToSend, send_ratings
from services.cli.client.stack_access import StackAccess
from services.cli.demo.balance import NetworkBalance, read_balance
from services.cli.demo.detection_figures import ClientSession, DetectionComparison, compare_with_truth
from services.cli.demo.input_ratings import InputRating, therapists_of
from services.cli.demo.latency import LatencyPercentiles, latency_percentiles
from services.cli.demo.reconcile import Reconciliation, reconcile
from services.cli.demo.therapist_message import TherapistMessage, address_of, read_message
from services.cli.demo.trajectory_file import write_trajectory
from services.cli.demo.wait_settled import SettledState, wait_until_settled
from services.runtime.process.progress_bar import progress_bar


@dataclass(slots=True)
class DemoResult:
    """The result of one demonstration."""

    reconciliation: Reconciliation
    truth: DetectionComparison | None
    """None for ratings of a file, whose truth is unknown."""
    latency: LatencyPercentiles | None
    message: TherapistMessage | None
    picture: Path | None
    new_items: int
    """Number of inbox items that this run created or changed."""
    phases_s: dict[str, float] = field(default_factory=dict)


def run_demo(
    stack: StackAccess,
    ratings: Sequence[InputRating],
    truth: Mapping[str, Any] | None,
    *,
    rate: float | None,
    folder: Path,
) -> DemoResult:
    """Run the whole demonstration through the published HTTP interfaces only.

    Raises:
        ApiError: a service refuses the key or the practice.
        IngestUnavailable: ingest answered no rating for too long.
    """
    phases: dict[str, float] = {}
    mails = MailCatcherClient(stack.mail_url) if stack.mail_url else None
    with stack.open_client() as client:
        with _timed(phases, "directory"):
            addresses = set()
            for practice, therapist in therapists_of(ratings):
                entry = {"address": address_of(practice, therapist), "mail_timing": "immediate"}
                client.put_therapist(practice, therapist, entry)
                addresses.add(entry["address"])
            mails_before = mails.count(addresses) if mails else 0
            before = read_balance(client, stack.practices)
            known = {_decision_key(decision) for decision in _decisions(stack, client)}
        with _timed(phases, "sending"):
            report = _send(client, ratings, rate)
        with _timed(phases, "settling"):
            settled = _settle(stack, client, before, report)
        with _timed(phases, "reading"):
            mails_received = mails.count(addresses) - mails_before if mails else None
            new = [decision for decision in settled.decisions if _decision_key(decision) not in known]
            episodes = by_interest(_episodes_in_inbox(settled), truth)
            shown = read_message(mails, episodes, stack.notifier_url) if mails else None
            example = shown[1] if shown else episodes[0] if episodes else None
            picture = _picture(client, example, folder) if example else None
    return DemoResult(
        reconciliation=reconcile(
            report,
            before,
            settled,
            mails_received,
            unexpected=unexpected(ratings, report),
            statuses=dict(Counter(str(rating.body.get("status", "rated")) for rating in ratings)),
        ),
        truth=compare_with_truth(truth, map(_opening_session, episodes)) if truth else None,
        latency=latency_percentiles(new),
        message=shown[0] if shown else None,
        picture=picture,
        new_items=len({decision["episode_id"] for decision in new if _is_inbox_item(decision)}),
        phases_s=phases,
    )


def unexpected(ratings: Sequence[InputRating], report: DeliveryReport) -> list[str]:
    """Return one sentence for each rating that ingest accepted or refused against the simulation."""
    refused = dict(report.refused_lines)
    sentences = []
    for line, rating in enumerate(ratings, start=1):
        if rating.expected == "accepted" and line in refused:
            sentences.append(
                f"rating {line} ({rating.why}) should be accepted and was refused: {refused[line]}"
            )
        if rating.expected == "refused" and line not in refused:
            sentences.append(f"rating {line} ({rating.why}) should be refused and was accepted")
    return sentences


def by_interest(episodes: list[dict[str, Any]], truth: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return the episodes with the most instructive first: true ones, then open ones, then the latest."""
    rupture_sessions = {
        (dyad["client_id"], session)
        for dyad in (truth or {}).get("dyads", [])
        for session in dyad["rupture_sessions"]
    }

    def interest(episode: Mapping[str, Any]) -> tuple[bool, bool, str]:
        is_true = (episode["client_id"], episode["opened_session"]) in rupture_sessions
        return is_true, not episode.get("closed_at"), episode["opened_at"]

    return sorted(episodes, key=interest, reverse=True)


@contextmanager
def _timed(phases: dict[str, float], name: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    phases[name] = time.monotonic() - began


def _send(client: ApiClient, ratings: Sequence[InputRating], rate: float | None) -> DeliveryReport:
    report = DeliveryReport(accepted_ids=[])
    to_send = [
        RatingToSend(line, rating.practice, json.dumps(rating.body).encode())
        for line, rating in enumerate(ratings, start=1)
    ]
    with progress_bar("ratings sent", len(to_send)) as advance:
        send_ratings(client, to_send, report, rate=rate, progress=lambda report: advance(report.done))
    return report


def _settle(
    stack: StackAccess, client: ApiClient, before: NetworkBalance, report: DeliveryReport
) -> SettledState:
    with progress_bar("ratings accounted for", report.accepted) as advance:

        def progress(delivered: int) -> None:
            advance(max(0, delivered - before.delivered))

        expected = before.delivered + report.accepted
        return wait_until_settled(stack, client, expected, progress, report.unverified)


def _picture(client: ApiClient, episode: Mapping[str, Any], folder: Path) -> Path | None:
    file = folder / "trajectory.svg"
    detail = client.episode(episode["practice"], str(episode["episode_id"]))
    return file if write_trajectory(detail, file) else None


def _decisions(stack: StackAccess, client: ApiClient) -> list[dict[str, Any]]:
    return [decision for practice in stack.practices for decision in client.notifications(practice)]


def _decision_key(decision: Mapping[str, Any]) -> tuple[str, int, str]:
    return str(decision["episode_id"]), decision["revision"], decision["channel"]


def _is_inbox_item(decision: Mapping[str, Any]) -> bool:
    return bool(decision["channel"] == "inbox" and decision["outcome"] == "told")


def _episodes_in_inbox(settled: SettledState) -> list[dict[str, Any]]:
    items = {str(decision["episode_id"]) for decision in settled.decisions if _is_inbox_item(decision)}
    return [episode for episode in settled.episodes if str(episode["episode_id"]) in items]


def _opening_session(episode: Mapping[str, Any]) -> ClientSession:
    return ClientSession(episode["practice"], episode["client_id"], episode["opened_session"])
