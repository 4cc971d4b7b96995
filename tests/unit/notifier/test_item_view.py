"""An item's page: finished sentences, tentative, in the therapist's time and words."""

from dataclasses import replace
from datetime import timedelta

import pytest

from schemas.components import Component
from schemas.events import Change, EpisodeChanged, Movement
from schemas.instruments.catalogue import Catalogue
from services.notifier.directory.store import PracticeOptions
from services.notifier.domain.therapist import Therapist
from services.notifier.inbox.items import InboxItem
from services.notifier.web.item_view import ItemView, client_reference, item_view
from services.notifier.wording import Wordings
from tests.support.detector.episodes import NOW, changed

WORDINGS = Wordings.load()
CATALOGUE = Catalogue.load()
THERAPIST = Therapist("north", "t-1", time_zone="America/New_York")


def shown(change: EpisodeChanged, *, locale: str = "en", template: str | None = None) -> ItemView:
    item = InboxItem(change.episode_id, change.change, NOW, change, None, 1, (change,))
    practice = PracticeOptions("north", client_url_template=template)
    return item_view(item, replace(THERAPIST, locale=locale), practice, CATALOGUE, WORDINGS.of(locale))


def test_times_are_those_of_the_therapists_place() -> None:
    assert shown(changed()).title == "Your client's session on Wed 18 Nov, 05:00"


def test_the_clients_id_is_not_shown_and_its_reference_is_the_practices_own() -> None:
    assert shown(changed()).reference == f"reference {client_reference('north', 'c-canary-77')}"
    assert client_reference("north", "c-canary-77") != client_reference("south", "c-canary-77")


@pytest.mark.parametrize(
    ("risk", "words"),
    [
        (0.71, "about 7 of 10"),
        (0.999, "about 9 of 10"),
        (0.34, "about 3 of 10"),
        (0.02, "hardly any"),
    ],
)
def test_certainty_is_said_as_natural_frequencies_and_never_as_certain(risk: float, words: str) -> None:
    sure = shown(changed(risk=risk)).sure
    assert sure is not None
    assert words in sure


@pytest.mark.parametrize(
    ("movement", "leading", "words"),
    [
        (Movement.SUDDEN_FALL, Component.GOAL, "matters most"),
        (Movement.SUDDEN_FALL, Component.TASK, "way of working"),
        (Movement.SUDDEN_FALL, Component.BOND, "heard"),
        (Movement.SUDDEN_FALL, Component.OVERALL, "general impression"),
        (Movement.EVERYTHING, Component.GOAL, "outside of therapy"),
        (Movement.SLOW_SLIDE, Component.GOAL, "step back quietly"),
        (Movement.DECLINED_FORMS, Component.BOND, "step back quietly"),
        (Movement.LOW_FROM_START, Component.TASK, "way of rating"),
        (None, Component.TASK, "way of working"),
    ],
)
def test_the_meaning_follows_the_movement_or_else_the_component(
    movement: Movement | None, leading: Component, words: str
) -> None:
    assert words in shown(changed(movement=movement, leading=leading)).meaning


def test_few_ratings_are_named_among_what_is_not_known() -> None:
    assert "too few ratings" in shown(changed(ratings=2)).unknown[0]
    assert not any("too few ratings" in one for one in shown(changed(ratings=3)).unknown)


def test_an_unknown_instrument_is_shown_without_its_units() -> None:
    assert shown(changed(instrument="of-our-own")).scale == ""


def test_an_episode_without_components_and_history_still_reads() -> None:
    bare = changed(components={}, leading_component=None, movement=None, trajectory=(), risk=None)
    page = shown(bare)
    assert (page.moved, page.charts, page.sure) == ((), (), None)
    (moved,) = page.what
    assert moved.startswith("Around the session on Wed 18 Nov, 05:00 the ratings moved")
    assert moved.endswith("whether at once or little by little.")


def test_the_link_into_the_practices_record_is_quoted() -> None:
    page = shown(changed(client="a/../b?c"), template="https://records.example/{client_id}")
    assert page.client_url == "https://records.example/a%2F..%2Fb%3Fc"


def test_the_sessions_over_which_it_shows_are_named() -> None:
    assert shown(changed()).what[1] == "This shows in 2 sessions, from 11 Nov to 18 Nov."


def test_sessions_of_an_earlier_episode_are_not_counted() -> None:
    change = changed(opened_at=NOW - timedelta(hours=2))
    assert not any("This shows" in sentence for sentence in shown(change).what)


def test_where_the_leading_component_has_no_mark_the_one_that_fell_most_is_spoken_of() -> None:
    known = changed().components
    without = {
        **known,
        Component.GOAL: known[Component.GOAL].model_copy(update={"score": None, "change": None}),
    }
    assert shown(changed(components=without)).what[2].startswith("The session as a whole was rated 7.3")


def test_what_came_later_is_shown_with_its_session() -> None:
    opened = changed()
    repaired = changed(Change.REPAIRED, 2, session_at=opened.session_at + timedelta(days=7))
    item = InboxItem(opened.episode_id, Change.REPAIRED, NOW, opened, None, 1, (opened, repaired))
    page = item_view(item, THERAPIST, None, CATALOGUE, WORDINGS.of("en"))
    assert page.history[1] == (
        "Wed 25 Nov, 05:00",
        "The ratings are back to what is usual for this client.",
    )


def test_the_page_is_complete_in_german() -> None:
    page = shown(changed(), locale="de-AT")
    assert page.title == "Sitzung vom Mi., 18. Nov., 05:00 Uhr"
    assert "sonst etwa 8,6" in page.what[2]
