"""Tells what happened to an item: changes by their session, answers by the time of the click."""

from datetime import datetime
from zoneinfo import ZoneInfo

from schemas.events import Answer, Change
from schemas.wording.wording import Wording
from services.notifier.inbox.items import GivenAnswer, InboxItem

_NOT_LISTED = frozenset({Change.CONTINUED, Change.ACKNOWLEDGED})
"""Later sessions are in the picture, and an answer is listed as what the therapist did."""


def history_lines(item: InboxItem, zone: ZoneInfo, wording: Wording) -> tuple[tuple[str, str], ...]:
    """Return when and what, oldest first."""
    events: list[tuple[datetime, str]] = [
        (change.session_at, wording(f"history.{change.change.value}"))
        for change in item.history
        if change.change not in _NOT_LISTED
    ]
    events += [(given.at, _answered(given, wording)) for given in item.answers]
    return tuple((wording.moment(at, zone), text) for at, text in sorted(events, key=lambda one: one[0]))


def _answered(given: GivenAnswer, wording: Wording) -> str:
    if given.answer is Answer.UNDONE:
        return wording("history.undone")
    if given.topic is not None:
        return wording("history.talked_about", topic=wording(f"topic.{given.topic.value}"))
    return wording("history.answered", answer=wording(f"answer.{given.answer.value}"))
