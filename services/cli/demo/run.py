"""A stack and ratings in, the whole demonstration out: sent, settled, reconciled, compared, shown."""

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.cli.client.api_client import ApiClient
from services.cli.client.send_ratings import DeliveryReport, RatingToSend, send_ratings
from services.cli.client.stack_access import StackAccess
from services.cli.demo.balance import read_balance
from services.cli.demo.detection_figures import ClientSession, DetectionComparison, compare_with_truth
from services.cli.demo.input_ratings import InputRating, therapists_of
from services.cli.demo.latency import LatencyPercentiles, latency_percentiles
from services.cli.demo.reconcile import Reconciliation, reconcile
from services.cli.demo.therapist_message import MailCatcherClient, TherapistMessage, address_of, read_message
from services.cli.demo.trajectory_plot import draw
from services.cli.demo.wait_settled import SettledState, wait_until_settled
from services.runtime.process.progress_bar import progress_bar


@dataclass(slots=True)
class DemoResult:
    """What the demonstration found."""

    reconciliation: Reconciliation
    truth: DetectionComparison | None
    latency: LatencyPercentiles | None
    message: TherapistMessage | None
    picture: Path | None
    newly_told: int
    phases_s: dict[str, float] = field(default_factory=dict)


def run_demo(
    stack: StackAccess,
    sent: Sequence[InputRating],
    truth: Mapping[str, Any] | None,
    *,
    rate: float | None,
    folder: Path,
) -> DemoResult:
    """Run the whole demonstration through the published HTTP interfaces only.

    Raises:
        ApiError, IngestUnavailable: a door refused for good, or took nothing for too long.
    """
    phases: dict[str, float] = {}
    clock = time.monotonic
    begun = clock()
    with stack.open_client() as client:
        for practice, therapist in therapists_of(sent):
            client.put_therapist(practice, therapist, {"address": address_of(practice, therapist)})
        mails = MailCatcherClient(stack.mail_url) if stack.mail_url else None
        mails_before = mails.count() if mails else 0
        before = read_balance(client, stack.practices)
        known = {_place(one) for one in _decisions(stack, client)}
        phases["directory"] = clock() - begun

        begun = clock()
        report = DeliveryReport(accepted_ids=[])
        with progress_bar("sending ratings", len(sent)) as advance:
            send_ratings(client, _items(sent), report, rate=rate, progress=lambda now: advance(now.done))
        phases["sending"] = clock() - begun

        begun = clock()
        with progress_bar("accounted for", report.accepted) as advance:
            expected = before.delivered + report.accepted
            settled = wait_until_settled(
                stack,
                client,
                expected,
                lambda now: advance(max(0, now - before.delivered)),
                report.unverified,
            )
        phases["settling"] = clock() - begun

        begun = clock()
        new = [one for one in settled.decisions if _place(one) not in known]
        mails_now = mails.count() - mails_before if mails else None
        told = _told(settled)
        table = compare_with_truth(truth, _sessions_told(settled)) if truth else None
        found = read_message(mails, _most_telling(told, truth), stack.notifier_url) if mails else None
        picture = folder / "trajectory.png" if told else None
        if picture is not None:
            shown = found[1] if found else _most_telling(told, truth)[0]
            draw(client.episode(shown["practice"], str(shown["episode_id"]))["trajectory"], picture)
        phases["looking"] = clock() - begun
    return DemoResult(
        reconcile(
            report, before, settled, mails_now, unexpected=unexpected(sent, report), statuses=statuses(sent)
        ),
        table,
        latency_percentiles(new),
        found[0] if found else None,
        picture,
        len({one["episode_id"] for one in new if one["channel"] == "inbox" and one["outcome"] == "told"}),
        phases,
    )


def statuses(sent: Sequence[InputRating]) -> dict[str, int]:
    """How many of what is sent are rated, declined, withdrawn."""
    return dict(Counter(str(one.body.get("status", "rated")) for one in sent))


def unexpected(sent: Sequence[InputRating], report: DeliveryReport) -> list[str]:
    """What ingest did against the simulation's word: one sentence for each rating."""
    refused = dict(report.refused_lines)
    found = []
    for line, one in enumerate(sent, start=1):
        if one.expected == "accepted" and line in refused:
            found.append(f"rating {line} ({one.why}) should be accepted and was refused: {refused[line]}")
        if one.expected == "refused" and line not in refused:
            found.append(f"rating {line} ({one.why}) should be refused and was accepted")
    return found


def _items(sent: Sequence[InputRating]) -> list[RatingToSend]:
    return [
        RatingToSend(line, one.practice, json.dumps(one.body).encode())
        for line, one in enumerate(sent, start=1)
    ]


def _decisions(stack: StackAccess, client: ApiClient) -> list[dict[str, Any]]:
    return [one for practice in stack.practices for one in client.notifications(practice)]


def _place(decision: Mapping[str, Any]) -> tuple[str, int, str]:
    return str(decision["episode_id"]), decision["revision"], decision["channel"]


def _told(settled: SettledState) -> list[dict[str, Any]]:
    told = {
        str(one["episode_id"])
        for one in settled.decisions
        if one["channel"] == "inbox" and one["outcome"] == "told"
    }
    return [one for one in settled.episodes if str(one["episode_id"]) in told]


def _sessions_told(settled: SettledState) -> list[ClientSession]:
    return [ClientSession(one["practice"], one["client_id"], one["opened_session"]) for one in _told(settled)]


def _most_telling(told: list[dict[str, Any]], truth: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Episodes in the order in which they are worth showing: true ones, still open, the latest first."""
    true = {
        (dyad["client_id"], session)
        for dyad in (truth or {}).get("dyads", [])
        for session in dyad["rupture_sessions"]
    }

    def worth(one: Mapping[str, Any]) -> tuple[bool, bool, str]:
        return (one["client_id"], one["opened_session"]) in true, not one.get("closed_at"), one["opened_at"]

    return sorted(told, key=worth, reverse=True)
