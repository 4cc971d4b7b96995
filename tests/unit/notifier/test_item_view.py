"""An item's page: finished sentences, tentative, in the therapist's time and words."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from schemas.components import Component
from schemas.events import Change, EpisodeChanged
from schemas.facts import ComponentFact, EmptyForms, Facts, Shape, Standing
from schemas.instruments.catalogue import Catalogue
from schemas.message_precision import MessagePrecision, PrecisionSource
from schemas.wording.guidance.guidance import Guidance, Subject, topic_of
from schemas.wording.message_sentences import NAMED
from services.notifier.directory.store import PracticeOptions
from services.notifier.domain.next_session import NextSession
from services.notifier.domain.therapist import Therapist
from services.notifier.inbox.items import InboxItem
from services.notifier.web.item_view import ItemSurroundings, ItemView, item_view
from services.notifier.wording import Wordings
from tests.support.detector.episodes import NOW, WEEK, changed
from tests.support.notifier.item_stories import KINDS, history_of, told
from tests.support.schemas.whole_dates import whole_dates

WORDINGS = Wordings.load()
CATALOGUE = Catalogue.load()
GUIDANCE = Guidance.load()
THERAPIST = Therapist("north", "t-1", time_zone="America/New_York")
CLOSED = (Change.REPAIRED, Change.SETTLED, Change.UNREPAIRED, Change.ENDED, Change.WITHDRAWN)
NEXT = NextSession(NOW + WEEK, expected=False)


def shown(
    change: EpisodeChanged,
    *later: EpisodeChanged,
    locale: str = "en",
    template: str | None = None,
    next_session: NextSession | None = NEXT,
    now: datetime = NOW,
) -> ItemView:
    history = (change, *later)
    state = next(one.change for one in reversed(history) if one.change is not Change.CONTINUED)
    item = InboxItem(change.episode_id, state, NOW, change, None, 1, history)
    practice = PracticeOptions("north", client_url_template=template)
    around = ItemSurroundings(CATALOGUE, GUIDANCE, practice, now, next_session)
    return item_view(item, replace(THERAPIST, locale=locale), around, WORDINGS.of(locale))


def goals(
    mark: float, at: datetime, standing: Standing = Standing.FELL, lasting: float | None = None
) -> Facts:
    goal = ComponentFact(
        component=Component.GOAL,
        standing=standing,
        mark=mark,
        usual=8.6,
        usual_low=8.4,
        usual_high=8.8,
        lasting=lasting,
    )
    return Facts(shape=Shape.STEP, components=(goal,), form_at=at, since=at, forms=9)


def test_the_client_is_named_by_the_practices_own_reference() -> None:
    assert shown(changed(client="4711")).title == "Client 4711"


def test_times_are_those_of_the_therapists_place() -> None:
    assert shown(changed()).session == whole_dates("Session on Wed 18 Nov, 05:00")


def test_the_first_sentence_says_what_fell_and_the_last_what_held() -> None:
    first, *_, last = shown(changed()).lead
    assert first == whole_dates(
        "Goals have been lower since the session of 11 Nov: at the last form (18 Nov) 4.9,"
        " where about 8.6 is usual for this client."
    )
    assert last == "The bond stayed as usual."


def test_an_older_producer_without_facts_claims_nothing_beyond_the_table() -> None:
    page = shown(changed(facts=None))
    assert page.lead == (whole_dates("The marks of the session of 18 Nov are in the table below."),)
    assert [(row.mark, row.usual, row.named) for row in page.components][1] == ("4.9", "8.6", False)
    assert page.guidance == GUIDANCE.entry(WORDINGS.of("en"), Subject.ALL, Shape.UNCLEAR)


def test_differences_are_those_of_the_figures_that_are_shown() -> None:
    facts = goals(1.25, NOW).model_copy(
        update={
            "components": (
                ComponentFact(component=Component.GOAL, standing=Standing.FELL, mark=1.25, usual=5.34),
            )
        }
    )
    (row,) = shown(changed(facts=facts)).components
    assert (row.mark, row.usual, row.difference) == ("1.2", "5.3", "\N{MINUS SIGN}4.1")


@pytest.mark.parametrize(
    ("next_session", "words"),
    [
        (NEXT, "Next session: Wed 25 Nov, 07:00"),
        (NextSession(NOW + WEEK, expected=True), "Next session expected: Wed 25 Nov, 07:00"),
        (NextSession(NOW - timedelta(minutes=1), expected=False), None),
        (None, None),
    ],
)
def test_no_past_session_is_called_the_next(next_session: NextSession | None, words: str | None) -> None:
    assert shown(changed(), next_session=next_session).next_session == (words and whole_dates(words))


def test_later_sessions_are_told_with_their_marks_and_empty_forms() -> None:
    opened = changed(facts=goals(4.9, NOW))
    second = changed(Change.CONTINUED, 2, session_at=NOW + WEEK, facts=goals(6.1, NOW + WEEK))
    no_form = goals(6.1, NOW + WEEK).model_copy(
        update={"empty": EmptyForms(last_at=NOW + 2 * WEEK, count=1, of=8)}
    )
    third = changed(Change.CONTINUED, 3, session_at=NOW + 2 * WEEK, facts=no_form)
    page = shown(opened, second, third)
    assert page.later == (whole_dates("Since then: 25 Nov: goals 6.1; 2 Dec: no form."),)
    assert not page.closed


def test_back_at_usual_is_said_with_the_figures() -> None:
    back = changed(Change.REPAIRED, 2, session_at=NOW + WEEK, facts=goals(8.5, NOW + WEEK, Standing.HELD))
    page = shown(changed(facts=goals(4.9, NOW)), back)
    assert page.later == (
        whole_dates("Back near usual at the session of 25 Nov: goals 8.5 (before, about 8.6)."),
    )


def test_settled_lower_is_said_with_the_level() -> None:
    settled = changed(Change.SETTLED, 2, session_at=NOW + WEEK, facts=goals(6.0, NOW + WEEK, lasting=6.2))
    page = shown(changed(facts=goals(4.9, NOW)), settled)
    assert page.later == ("Settled lower: goals about 6.2 (before, about 8.6).",)


@pytest.mark.parametrize("state", CLOSED)
def test_a_closed_item_asks_nothing_and_names_no_next_session(state: Change) -> None:
    page = shown(changed(), changed(state, 2, session_at=NOW + WEEK))
    assert (page.closed, page.guidance, page.answers, page.next_session) == (True, None, (), None)


def test_certainty_is_said_for_messages_in_simulated_practices() -> None:
    measured = MessagePrecision(
        right=0.62, low=0.55, high=0.68, messages=412, source=PrecisionSource.SIMULATED
    )
    first, basis = shown(changed(precision=measured)).sure
    assert first.startswith("Of 10 messages like this in simulated practices, about 6 were a lasting change.")
    assert basis == (
        "Counted on 412 messages in practices that the model had not seen; between 55 and 68 of 100."
    )
    assert shown(changed(precision=None)).sure == ()


@pytest.mark.parametrize(("right", "words"), [(0.99, "about 9 were"), (0.02, "hardly any was")])
def test_nothing_is_called_certain(right: float, words: str) -> None:
    measured = MessagePrecision(right=right, low=0.0, high=1.0, messages=80, source=PrecisionSource.PRACTICE)
    sentence = shown(changed(precision=measured)).sure[0]
    assert words in sentence
    assert "in your practice" in sentence


def test_an_unknown_level_is_named_only_where_no_usual_is_shown() -> None:
    first = ComponentFact(component=Component.GOAL, standing=Standing.LOW, mark=1.0)
    low = Facts(shape=Shape.LOW_FROM_START, components=(first,), form_at=NOW, since=NOW, forms=2)
    assert "no earlier level" in shown(changed(facts=low)).unknown[0]
    assert not any("no earlier level" in one for one in shown(changed()).unknown)


def test_a_page_without_low_marks_does_not_thank_for_them() -> None:
    empty = Facts(shape=Shape.NO_FORM, empty=EmptyForms(last_at=NOW, count=2, of=8))
    assert shown(changed(facts=empty)).thanks is None
    assert shown(changed()).thanks == "Low marks are information: thank your client for them."


def test_an_unknown_instrument_is_drawn_without_units() -> None:
    picture = shown(changed(instrument="of-our-own")).picture
    assert picture is not None
    assert (picture.lowest, picture.highest) == ("", "")


def test_an_episode_without_components_and_history_still_reads() -> None:
    bare = changed(components={}, leading_component=None, movement=None, trajectory=(), risk=None, facts=None)
    page = shown(bare)
    assert (page.components, page.picture, page.sure) == ((), None, ())


def test_the_link_into_the_practices_record_is_quoted() -> None:
    page = shown(changed(client="a/../b?c"), template="https://records.example/{client_id}")
    assert page.client_url == "https://records.example/a%2F..%2Fb%3Fc"


def test_the_page_is_complete_in_german() -> None:
    page = shown(changed(), locale="de-AT")
    assert page.session == whole_dates("Sitzung vom Mi., 18. Nov., 05:00 Uhr")
    assert page.lead[0] == whole_dates(
        "Die Ziele werden seit der Sitzung vom 11. Nov. niedriger bewertet:"
        " im letzten Bogen (18. Nov.) 4,9 statt sonst etwa 8,6."
    )
    assert page.next_session == whole_dates("Nächste Sitzung: Mi., 25. Nov., 07:00 Uhr")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("locale", ["en", "de-CH"])
def test_the_page_of_every_kind_names_the_shape_that_the_marks_show(kind: str, locale: str) -> None:
    change = told(KINDS[kind])
    assert change.facts is not None
    expected = {"two-fell": "step", "all-fell": "step", "fell-then-no-form": "step"}.get(kind, kind)
    assert change.facts.shape == expected
    page = shown(change, locale=locale)
    wording = WORDINGS.of(locale)
    assert page.guidance == GUIDANCE.entry(wording, *topic_of(change.facts))
    text = " ".join(page.lead)
    for one in change.facts.components:
        is_named = one.standing in NAMED and change.facts.form_at == change.session_at
        assert one.mark is None or not is_named or wording.number(one.mark) in text
    assert "ß" not in text or locale == "en"


@pytest.mark.parametrize("state", [state for state in Change if state is not Change.CONTINUED])
def test_every_state_is_either_open_with_a_question_or_closed_without(state: Change) -> None:
    history = history_of(state)
    page = shown(*history)
    assert page.closed == (state in CLOSED)
    assert (page.guidance is None) == page.closed
    newest = history[-1].trajectory[-1]
    assert page.picture is not None
    assert len(page.picture.table.rows) == len(history[-1].trajectory)
    assert page.picture.table.rows[-1].session == WORDINGS.of("en").day(newest.session_at, THERAPIST.zone), (
        "the picture goes up to the newest session"
    )
