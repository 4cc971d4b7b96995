"""Reads a therapist's inbox items; items of other therapists are treated as missing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from psycopg.rows import TupleRow

from schemas.events import Answer, Change, EpisodeChanged
from services.notifier.directory.store import Connection
from services.notifier.domain.inbox_item import EpisodeRevision, is_visible

_ITEM = (
    "SELECT i.episode_id, i.state, i.first_revision, i.told_at, i.answer_revision, i.answer, i.answered_at,"
    " c.content FROM notifier.item i JOIN notifier.change c ON c.episode_id = i.episode_id"
    " AND c.revision = i.told_revision WHERE i.practice_id = %s AND i.therapist_id = %s"
)


@dataclass(frozen=True, slots=True)
class StandingAnswer:
    """The therapist's current answer."""

    answer: Answer
    at: datetime


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One item: the change whose numbers are shown, and the episode's current state."""

    episode_id: UUID
    state: Change
    told_at: datetime
    change: EpisodeChanged = field(repr=False)
    given: StandingAnswer | None
    first_revision: int
    history: Sequence[EpisodeChanged] = field(default=(), repr=False)
    """Every visible change, oldest first; filled only when a single item is read."""

    @property
    def awaits_answer(self) -> bool:
        """Whether the therapist has yet to answer."""
        return self.given is None and self.state in {Change.OPENED, Change.DEEPENED}


async def list_items(conn: Connection, practice_id: str, therapist_id: str, at_most: int) -> list[InboxItem]:
    """Return the therapist's items, those with the newest session first."""
    rows = await conn.execute(
        f"{_ITEM} ORDER BY i.session_at DESC, i.episode_id LIMIT %s", (practice_id, therapist_id, at_most)
    )
    return [_item(row) for row in await rows.fetchall()]


async def find_item(conn: Connection, practice_id: str, therapist_id: str, episode: UUID) -> InboxItem | None:
    """Return one item of this therapist with its history; None when they have no such item."""
    row = await (
        await conn.execute(f"{_ITEM} AND i.episode_id = %s", (practice_id, therapist_id, episode))
    ).fetchone()
    if row is None:
        return None
    rows = await conn.execute(
        "SELECT revision, change, shown, content FROM notifier.change WHERE episode_id = %s"
        " ORDER BY revision",
        (episode,),
    )
    history = [
        EpisodeChanged.model_validate(content)
        for revision, change, shown, content in await rows.fetchall()
        if is_visible(EpisodeRevision(revision, Change(change), shown), row[2])
    ]
    return _item(row, history)


def _item(row: TupleRow, history: Sequence[EpisodeChanged] = ()) -> InboxItem:
    episode, state, first_revision, told_at, _, answer, answered_at, content = row
    return InboxItem(
        episode_id=episode,
        state=Change(state),
        told_at=told_at,
        change=EpisodeChanged.model_validate(content),
        given=None if answer is None else StandingAnswer(Answer(answer), answered_at),
        first_revision=first_revision,
        history=tuple(history),
    )
