"""What was sent and what every stage says became of it in, one table and every mismatch out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.cli.client.send_ratings import Tally
from services.cli.demo.balance import Book
from services.cli.demo.wait_settled import Settled


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: a name and a number; those that are `part` add up to the line above them."""

    name: str
    count: int
    part: bool = False


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The table, and what does not add up (empty: everything does)."""

    lines: list[Line]
    mismatches: list[str]


def reconcile(
    tally: Tally,
    before: Book,
    settled: Settled,
    mails: int | None,
    *,
    unexpected: Sequence[str] = (),
    statuses: Mapping[str, int] | None = None,
) -> Reconciliation:
    """Balance one run: `before` is the book before it, `mails` what the catcher got during it,
    `unexpected` what ingest took or refused against the simulation's word, `statuses` what was in the file.
    """
    now = settled.book.minus(before)
    lines = [Line("ratings in", sum(statuses.values()))] if statuses else []
    lines += [Line(status, n, part=True) for status, n in sorted((statuses or {}).items())]
    lines += [Line("sent", tally.done), Line("accepted", tally.accepted, part=True)]
    lines += [Line(f"refused: {reason}", n, part=True) for reason, n in sorted(tally.refused.items())]
    lines.append(Line("accepted", tally.accepted))
    lines += [Line(name, n, part=True) for name, n in now.deliveries.items() if n or ":" not in name]
    lines.append(Line("episodes opened", now.episodes["opened"]))
    lines += [Line(name, n, part=True) for name, n in now.episodes.items() if name != "opened"]
    lines.append(Line("messages", now.messages.total()))
    lines += [Line(f"{channel}: {state}", n, part=True) for (channel, state), n in now.messages.items() if n]
    if now.withheld.total():
        lines.append(Line("changes of episodes told nowhere", now.withheld.total()))
        lines += [Line(reason, n, part=True) for reason, n in sorted(now.withheld.items()) if n]
    if mails is not None:
        lines.append(Line("mails in the mail catcher", mails))
    return Reconciliation(lines, [*_mismatches(tally, now, settled, mails), *unexpected])


def _mismatches(tally: Tally, now: Book, settled: Settled, mails: int | None) -> list[str]:
    found = [settled.unfinished] if settled.unfinished else []
    refused = tally.refused.total()
    if tally.done != tally.accepted + refused:
        found.append(f"{tally.done} were sent, but {tally.accepted} accepted and {refused} refused")
    # A line that got no answer was sent again and may have been taken twice: a duplicate, and no mistake.
    if not tally.accepted <= now.delivered <= tally.accepted + tally.sent_again:
        found.append(f"{tally.accepted} were accepted, but the detector counts {now.delivered} deliveries")
    kept = sum(n for name, n in now.episodes.items() if name.startswith("kept back"))
    if now.episodes["opened"] != now.episodes["told"] + kept:
        told = now.episodes["told"]
        found.append(f"{now.episodes['opened']} episodes opened, but {told} told and {kept} kept back")
    items = len({one["episode_id"] for one in settled.decisions if _is_told_in_inbox(one)})
    told_ever = settled.book.episodes["told"]
    if items != told_ever:
        found.append(f"the detector counts {told_ever} episodes told, the notifier {items} inbox items")
    sent = now.messages["email", "sent"]
    if mails is not None and mails != sent:
        found.append(f"the notifier counts {sent} mails sent, the mail catcher got {mails}")
    return found


def _is_told_in_inbox(decision: Mapping[str, Any]) -> bool:
    return bool(decision["channel"] == "inbox" and decision["outcome"] == "told")
