"""What was published of an episode is taken for what was told, up to its last change."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from schemas.events import Change, KeptBack
from schemas.ids import DyadId
from services.detector.contracts import Changed
from services.detector.domain.episode_changes import Decision, compute_changes
from services.detector.domain.practice import AlertWindow
from services.detector.domain.published_episodes import with_published

NOW = datetime(2026, 3, 2, tzinfo=UTC)
EPISODE = UUID(int=7)


def change(revision: int, kind: Change, *, week: int = 0, kept_back: KeptBack | None = None) -> Changed:
    """Return a published change at a session some weeks after the first."""
    return Changed(
        episode_id=EPISODE,
        revision=revision,
        change=kind,
        practice_id="north",
        therapist_id="t",
        client_id="c",
        session_id=f"s{week}",
        session_at=NOW + timedelta(weeks=week),
        opened_at=NOW,
        instrument="wai-9",
        ratings=4,
        model_version="toy-1",
        accepted_at=NOW,
        kept_back=kept_back,
    )


def test_the_last_change_decides_what_is_open() -> None:
    told = [change(1, Change.OPENED), change(2, Change.DEEPENED, week=1), change(5, Change.REPAIRED, week=2)]

    (deep,) = with_published(Decision(), told[:2]).emitted
    (closed,) = with_published(Decision(), told).emitted

    assert (deep.revision, deep.notified, len(deep.episode.deepened), deep.episode.end) == (2, True, 1, None)
    assert (closed.revision, closed.episode.end, closed.episode.closed) == (5, "repaired", closed.shown)


def test_an_episode_opened_anew_after_it_was_withdrawn_is_open() -> None:
    told = [change(1, Change.OPENED), change(2, Change.WITHDRAWN), change(3, Change.OPENED)]

    assert [with_published(Decision(), told[:n]).emitted[0].withdrawn for n in (1, 2, 3)] == [
        False,
        True,
        False,
    ]


def test_what_was_kept_back_was_told_nobody() -> None:
    (kept,) = with_published(Decision(), [change(1, Change.OPENED, kept_back=KeptBack.HISTORIC)]).emitted

    assert (kept.kept_back, kept.notified) == (KeptBack.HISTORIC, False)


def test_one_that_is_not_there_any_more_is_withdrawn_above_everything_that_was_published() -> None:
    decision = with_published(Decision(), [change(1, Change.OPENED), change(2, Change.ACKNOWLEDGED)])
    window = AlertWindow(tell_from=None, max_age=None, now=NOW)

    changes, _ = compute_changes(DyadId(UUID(int=1)), decision, window, shown_changed=False, revision_floor=9)

    assert [(one.change, one.after.revision, one.kept_back) for one in changes] == [
        (Change.WITHDRAWN, 10, None)
    ]
