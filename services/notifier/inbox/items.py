"""Reads a therapist's inbox items and what is drawn beside them; gives items answers that the log holds."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from psycopg.rows import TupleRow

from schemas.events import FORM_STATUSES, Answer, Change, EpisodeChanged, TalkedAbout
from services.notifier.directory.store import Connection
from services.notifier.domain.inbox_item import CLOSED, OPEN, EpisodeRevision, is_visible

_ITEM = (
    "SELECT i.episode_id, i.state, i.first_revision, i.told_at, i.answer, i.answered_at, i.topic,"
    " c.content, n.content FROM notifier.item i JOIN notifier.change c ON c.practice_id = i.practice_id"
    " AND c.episode_id = i.episode_id AND c.revision = i.told_revision LEFT JOIN notifier.change n"
    " ON n.practice_id = i.practice_id AND n.episode_id = i.episode_id"
    " AND n.revision = i.revision AND i.revision > i.told_revision"
    " WHERE i.practice_id = %s AND i.therapist_id = %s"
)

_MOVE_FOUND = """
WITH moved AS (
    DELETE FROM notifier.answered_before b USING notifier.item i
    WHERE i.episode_id = b.episode_id AND b.episode_id = ANY(%s) RETURNING i.practice_id, b.*
)
INSERT INTO notifier.answer (practice_id, episode_id, answer_revision, answer, topic, therapist_id,
    answered_at)
SELECT practice_id, episode_id, answer_revision, answer, topic, therapist_id, answered_at FROM moved
ON CONFLICT DO NOTHING
"""
_SHOW_NEWEST = """
UPDATE notifier.item i SET answer_revision = a.answer_revision, answer = nullif(a.answer, %(undone)s),
    topic = a.topic, answered_at = CASE WHEN a.answer <> %(undone)s THEN a.answered_at END
FROM (SELECT DISTINCT ON (episode_id) * FROM notifier.answer WHERE episode_id = ANY(%(episodes)s)
    ORDER BY episode_id, answer_revision DESC) a
WHERE i.practice_id = a.practice_id AND i.episode_id = a.episode_id
    AND i.answer_revision < a.answer_revision
"""


_ASKED_ABOUT = frozenset({Answer.DISCUSSED, Answer.WILL_DISCUSS})
"""The answers after which a therapist is asked what the conversation was about."""


LIVE_SHARE = "ended_at IS NULL AND expires_at > %s"


@dataclass(frozen=True, slots=True)
class Share:
    """A link that works, by which a therapist shares one item."""

    share_id: UUID
    practice_id: str
    therapist_id: str
    episode_id: UUID
    with_reference: bool
    """Whether the shared view names the client's reference."""
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class StandingAnswer:
    """The therapist's current answer."""

    answer: Answer
    at: datetime


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """One answer at the time of the click; `UNDONE` took the one before back."""

    answer: Answer
    at: datetime
    topic: TalkedAbout | None


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One item: the change whose numbers are shown, and the episode's current state."""

    episode_id: UUID
    state: Change
    """`OPENED` while it awaits an answer, `ACKNOWLEDGED` while an answer stands, then how it closed."""
    told_at: datetime
    change: EpisodeChanged = field(repr=False)
    """The newest change that called for attention."""
    given: StandingAnswer | None
    first_revision: int
    history: Sequence[EpisodeChanged] = field(default=(), repr=False)
    """Every visible change, oldest first; filled only when a single item is read."""
    later: EpisodeChanged | None = field(default=None, repr=False)
    """The newest visible change, when it came after `change`: how it has gone on since."""
    topic: TalkedAbout | None = None
    """What the conversation was about, once the therapist said so."""
    answers: Sequence[GivenAnswer] = ()
    """Every answer, oldest first, also those that were taken back; filled like the history."""

    @property
    def newest(self) -> EpisodeChanged:
        """The newest visible change."""
        return self.later or self.change

    @property
    def awaits_answer(self) -> bool:
        """Whether the therapist has yet to answer."""
        return self.given is None and self.state in OPEN

    @property
    def is_withdrawn(self) -> bool:
        """Whether a rating was corrected so that the item no longer applies."""
        return self.state is Change.WITHDRAWN

    @property
    def asks_topic(self) -> bool:
        """Whether to ask what they talked about: a session has taken place since the answer.

        Needs the history.
        """
        given = self.given
        if given is None or given.answer not in _ASKED_ABOUT or self.topic or self.is_withdrawn:
            return False
        return any(one.session_at > given.at for one in self.history)


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
    given = await conn.execute(
        "SELECT answer, answered_at, topic FROM notifier.answer WHERE practice_id = %s"
        " AND episode_id = %s ORDER BY answer_revision",
        (practice_id, episode),
    )
    answers = [
        GivenAnswer(Answer(answer), at, None if topic is None else TalkedAbout(topic))
        for answer, at, topic in await given.fetchall()
    ]
    rows = await conn.execute(
        "SELECT revision, change, shown, content FROM notifier.change WHERE practice_id = %s"
        " AND episode_id = %s ORDER BY revision",
        (practice_id, episode),
    )
    history = [
        EpisodeChanged.model_validate(content)
        for revision, change, shown, content in await rows.fetchall()
        if is_visible(EpisodeRevision(revision, Change(change), shown), row[2])
    ]
    return _item(row, history, answers)


async def find_live_share(
    conn: Connection, practice_id: str, episode: UUID, now: datetime
) -> tuple[Share, int] | None:
    """Return the link by which an item is shared, and how often it was opened; None when it is not shared."""
    row = await (
        await conn.execute(
            "SELECT share_id, practice_id, therapist_id, episode_id, with_reference, expires_at,"
            " (SELECT count(*) FROM notifier.audit a WHERE a.episode_id = share.episode_id"
            " AND a.practice_id = share.practice_id AND a.action = 'share-opened' AND a.at >= shared_at)"
            f" FROM notifier.share WHERE practice_id = %s AND episode_id = %s AND {LIVE_SHARE}",
            (practice_id, episode, now),
        )
    ).fetchone()
    return None if row is None else (Share(*row[:-1]), row[-1])


async def has_item(conn: Connection, practice_id: str, therapist_id: str, episode: UUID) -> bool:
    """Return whether the therapist has this item."""
    row = await (
        await conn.execute(
            "SELECT FROM notifier.item WHERE practice_id = %s AND therapist_id = %s AND episode_id = %s",
            (practice_id, therapist_id, episode),
        )
    ).fetchone()
    return row is not None


async def give_answers_found(conn: Connection, episodes: Collection[UUID]) -> None:
    """Give the items of these episodes the answers that were found; those without an item yet wait for it."""
    wanted = sorted(episodes)
    moved = await conn.execute(_MOVE_FOUND, (wanted,))
    if moved.rowcount:
        await conn.execute(_SHOW_NEWEST, {"undone": Answer.UNDONE.value, "episodes": wanted})


def _item(
    row: TupleRow, history: Sequence[EpisodeChanged] = (), answers: Sequence[GivenAnswer] = ()
) -> InboxItem:
    episode, stored, first_revision, told_at, answer, answered_at, topic, told, newest = row
    state = Change(stored)
    if state not in CLOSED:
        state = Change.OPENED if answer is None else Change.ACKNOWLEDGED
    return InboxItem(
        episode_id=episode,
        state=state,
        told_at=told_at,
        change=EpisodeChanged.model_validate(told),
        later=None if newest is None else EpisodeChanged.model_validate(newest),
        given=None if answer is None else StandingAnswer(Answer(answer), answered_at),
        first_revision=first_revision,
        topic=None if topic is None else TalkedAbout(topic),
        history=tuple(history),
        answers=tuple(answers),
    )


@dataclass(frozen=True, slots=True)
class MeasuredForm:
    """One form."""

    at: datetime
    total: float | None
    """The sum of its marks after reversal; None where no form was given."""


@dataclass(frozen=True, slots=True)
class MeasureSeries:
    """A client's forms by one instrument, oldest first."""

    instrument: str
    forms: tuple[MeasuredForm, ...]


async def find_measures(
    conn: Connection, practice_id: str, therapist_id: str, clients: Sequence[str]
) -> dict[str, list[MeasureSeries]]:
    """Return the series of each of these clients, those with a form only, in the order of the instruments."""
    rows = await conn.execute(
        "SELECT client_id, instrument, session_at, total FROM notifier.measure"
        " WHERE practice_id = %s AND therapist_id = %s AND client_id = ANY(%s) AND status = ANY(%s)"
        " ORDER BY client_id, instrument, session_at, rating_id",
        (practice_id, therapist_id, list(clients), sorted(FORM_STATUSES)),
    )
    forms: dict[tuple[str, str], list[MeasuredForm]] = {}
    for client, instrument, at, total in await rows.fetchall():
        forms.setdefault((client, instrument), []).append(MeasuredForm(at, total))
    found: dict[str, list[MeasureSeries]] = {}
    for (client, instrument), given in forms.items():
        if any(form.total is not None for form in given):
            found.setdefault(client, []).append(MeasureSeries(instrument, tuple(given)))
    return found
