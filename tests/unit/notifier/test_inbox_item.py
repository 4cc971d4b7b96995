"""The item of an episode is a function of its changes, not of the order in which they came."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Change
from services.notifier.domain.decision import SENT_CHANGES
from services.notifier.domain.inbox_item import EpisodeRevision, ItemState, fold_revisions


def entries() -> st.SearchStrategy[list[EpisodeRevision]]:
    kinds = st.lists(st.tuples(st.sampled_from(Change), st.booleans()), max_size=8)
    return kinds.map(
        lambda found: [EpisodeRevision(at, kind, shown) for at, (kind, shown) in enumerate(found, start=1)]
    )


def test_nothing_told_is_no_item() -> None:
    kept_back = [
        EpisodeRevision(1, Change.OPENED, shown=False),
        EpisodeRevision(2, Change.REPAIRED, shown=True),
    ]
    assert fold_revisions(kept_back) is None


def test_a_later_deepening_gives_the_numbers_and_a_repair_gives_the_state() -> None:
    told = [
        EpisodeRevision(1, Change.OPENED, shown=True),
        EpisodeRevision(2, Change.DEEPENED, shown=True),
        EpisodeRevision(3, Change.REPAIRED, shown=True),
    ]
    assert fold_revisions(told) == ItemState(Change.REPAIRED, revision=3, told_revision=2, first_revision=1)


def test_a_deepening_that_was_kept_back_leaves_the_item_as_it_was() -> None:
    told = [EpisodeRevision(1, Change.OPENED, shown=True), EpisodeRevision(2, Change.DEEPENED, shown=False)]
    assert fold_revisions(told) == ItemState(Change.OPENED, revision=1, told_revision=1, first_revision=1)


def test_a_withdrawal_that_was_kept_back_counts_all_the_same() -> None:
    told = [EpisodeRevision(1, Change.OPENED, shown=True), EpisodeRevision(2, Change.WITHDRAWN, shown=False)]
    assert fold_revisions(told) == ItemState(Change.WITHDRAWN, revision=2, told_revision=1, first_revision=1)


def test_a_later_session_gives_the_numbers_and_leaves_the_state() -> None:
    told = [
        EpisodeRevision(1, Change.OPENED, shown=True),
        EpisodeRevision(2, Change.ACKNOWLEDGED, shown=True),
        EpisodeRevision(3, Change.CONTINUED, shown=True),
        EpisodeRevision(4, Change.CONTINUED, shown=False),
    ]
    assert fold_revisions(told) == ItemState(Change.OPENED, revision=4, told_revision=1, first_revision=1)


def test_a_later_session_alone_makes_no_item() -> None:
    assert fold_revisions([EpisodeRevision(2, Change.CONTINUED, shown=True)]) is None


@given(entries(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(found: list[EpisodeRevision], chance: object) -> None:
    shuffled = found.copy()
    chance.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis gives a random.Random
    assert fold_revisions(shuffled) == fold_revisions(found)


@given(entries())
def test_there_is_an_item_exactly_when_something_was_told(found: list[EpisodeRevision]) -> None:
    told = any(one.shown and one.change in SENT_CHANGES for one in found)
    assert (fold_revisions(found) is not None) == told
