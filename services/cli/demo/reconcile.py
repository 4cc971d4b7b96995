"""What was sent and what every stage says became of it in, one table and every mismatch out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.cli.client.send_ratings import DeliveryReport
from services.cli.demo.balance import NetworkBalance
from services.cli.demo.wait_settled import SettledState


@dataclass(frozen=True, slots=True)
class CountLine:
    """One line of the table: a name and a number; those that are `part` add up to the line above them."""

    name: str
    count: int
    part: bool = False


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The table, and what does not add up (empty: everything does)."""

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
    """Balance one run: `before` is the balance before it, `mails` what the catcher got during it,
    `unexpected` what ingest took or refused against the simulation's word, `statuses` what was in the file.
    """
    now = settled.balance.minus(before)
    lines = [CountLine("ratings in", sum(statuses.values()))] if statuses else []
    lines += [CountLine(status, n, part=True) for status, n in sorted((statuses or {}).items())]
    lines += [CountLine("sent", report.done), CountLine("accepted", report.accepted, part=True)]
    lines += [CountLine(f"refused: {reason}", n, part=True) for reason, n in sorted(report.refused.items())]
    lines.append(CountLine("accepted", report.accepted))
    lines += [CountLine(name, n, part=True) for name, n in now.deliveries.items() if n or ":" not in name]
    lines.append(CountLine("episodes opened", now.episodes["opened"]))
    lines += [CountLine(name, n, part=True) for name, n in now.episodes.items() if name != "opened"]
    lines.append(CountLine("messages", now.messages.total()))
    lines += [
        CountLine(f"{channel}: {state}", n, part=True) for (channel, state), n in now.messages.items() if n
    ]
    if now.withheld.total():
        lines.append(CountLine("changes of episodes told nowhere", now.withheld.total()))
        lines += [CountLine(reason, n, part=True) for reason, n in sorted(now.withheld.items()) if n]
    if mails is not None:
        lines.append(CountLine("mails in the mail catcher", mails))
    return Reconciliation(lines, [*_mismatches(report, now, settled, mails), *unexpected])


def _mismatches(
    report: DeliveryReport, now: NetworkBalance, settled: SettledState, mails: int | None
) -> list[str]:
    found = [settled.unfinished] if settled.unfinished else []
    refused = report.refused.total()
    if report.done != report.accepted + refused:
        found.append(f"{report.done} were sent, but {report.accepted} accepted and {refused} refused")
    # A line that got no answer was sent again and may be delivered twice; the second is a duplicate.
    if not report.accepted <= now.delivered <= report.accepted + report.sent_again:
        found.append(f"{report.accepted} were accepted, but the detector counts {now.delivered} deliveries")
    kept = sum(n for name, n in now.episodes.items() if name.startswith("kept back"))
    if now.episodes["opened"] != now.episodes["told"] + kept:
        told = now.episodes["told"]
        found.append(f"{now.episodes['opened']} episodes opened, but {told} told and {kept} kept back")
    items = len({one["episode_id"] for one in settled.decisions if _is_told_in_inbox(one)})
    told_ever = settled.balance.episodes["told"]
    if items != told_ever:
        found.append(f"the detector counts {told_ever} episodes told, the notifier {items} inbox items")
    sent = now.messages["email", "sent"]
    if mails is not None and mails != sent:
        found.append(f"the notifier counts {sent} mails sent, the mail catcher got {mails}")
    return found


def _is_told_in_inbox(decision: Mapping[str, Any]) -> bool:
    return bool(decision["channel"] == "inbox" and decision["outcome"] == "told")
