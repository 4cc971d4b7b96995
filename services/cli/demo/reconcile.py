"""Reconciles what was sent with what every service reports, and names each mismatch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.cli.client.send_ratings import DeliveryReport
from services.cli.demo.balance import NetworkBalance
from services.cli.demo.wait_settled import SettledState


@dataclass(frozen=True, slots=True)
class CountLine:
    """One line of the table; consecutive lines with `part` add up to the last line without."""

    name: str
    count: int
    part: bool = False


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The table, and one sentence per mismatch."""

    lines: list[CountLine]
    mismatches: list[str]


def reconcile(
    report: DeliveryReport,
    before: NetworkBalance,
    settled: SettledState,
    mails: int | None,
    *,
    unexpected: Sequence[str] = (),
    statuses: Mapping[str, int] | None = None,
) -> Reconciliation:
    """Balance one run.

    Args:
        report: how ingest answered.
        before: the balance before the run.
        settled: the state after the run.
        mails: number of mails that the mail catcher received during the run; None without a mail catcher.
        unexpected: sentences about ratings that ingest accepted or refused against the simulation.
        statuses: number of ratings in the input by status.
    """
    change = settled.balance.minus(before)
    lines = _total("ratings in", dict(sorted(statuses.items()))) if statuses else []
    refused = {f"refused: {reason}": count for reason, count in sorted(report.refused.items())}
    lines += [CountLine("sent", report.done), *_parts({"accepted": report.accepted} | refused)]
    deliveries = {name: count for name, count in change.deliveries.items() if count or ":" not in name}
    lines += [CountLine("accepted", report.accepted), *_parts(deliveries)]
    told = {name: count for name, count in change.episodes.items() if name != "opened"}
    lines += [CountLine("episodes opened", change.episodes["opened"]), *_parts(told)]
    messages = {f"{channel}: {state}": count for (channel, state), count in change.messages.items() if count}
    lines += _total("messages", messages)
    kept_back = {reason: count for reason, count in sorted(change.kept_back.items()) if count}
    if kept_back:
        lines += _total("changes of episodes kept back", kept_back)
    if mails is not None:
        lines.append(CountLine("mails in the mail catcher", mails))
    return Reconciliation(lines, [*_mismatches(report, change, settled, mails), *unexpected])


def _total(name: str, parts: Mapping[str, int]) -> list[CountLine]:
    return [CountLine(name, sum(parts.values())), *_parts(parts)]


def _parts(counts: Mapping[str, int]) -> list[CountLine]:
    return [CountLine(name, count, part=True) for name, count in counts.items()]


def _mismatches(
    report: DeliveryReport, change: NetworkBalance, settled: SettledState, mails: int | None
) -> list[str]:
    mismatches = [settled.unfinished] if settled.unfinished else []
    refused = report.refused.total()
    if report.done != report.accepted + refused:
        mismatches.append(f"{report.done} were sent, but {report.accepted} accepted and {refused} refused")
    # A line without an answer was sent again and may be delivered twice; the second is a duplicate.
    if not report.accepted <= change.delivered <= report.accepted + report.sent_again:
        mismatches.append(
            f"{report.accepted} were accepted, but the detector counts {change.delivered} deliveries"
        )
    opened, told = change.episodes["opened"], change.episodes["told"]
    kept_back = sum(count for name, count in change.episodes.items() if name.startswith("kept back"))
    if opened != told + kept_back:
        mismatches.append(f"{opened} episodes opened, but {told} told and {kept_back} kept back")
    items = len({decision["episode_id"] for decision in settled.decisions if _is_inbox_item(decision)})
    told_ever = settled.balance.episodes["told"]
    if items != told_ever:
        mismatches.append(f"the detector counts {told_ever} episodes told, the notifier {items} inbox items")
    sent = change.messages["email", "sent"]
    if mails is not None and mails != sent:
        mismatches.append(f"the notifier counts {sent} mails sent, the mail catcher received {mails}")
    return mismatches


def _is_inbox_item(decision: Mapping[str, Any]) -> bool:
    return bool(decision["channel"] == "inbox" and decision["outcome"] == "told")
