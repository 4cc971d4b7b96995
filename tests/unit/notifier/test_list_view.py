"""The list: by client, those with the next session first, in the words of the facts."""

from datetime import timedelta

import pytest

from schemas.components import Component
from schemas.events import Change, EpisodeChanged
from schemas.facts import EmptyForms
from services.notifier.domain.next_session import NextSession
from services.notifier.domain.therapist import Therapist
from services.notifier.inbox.items import InboxItem
from services.notifier.inbox.usefulness import Outcomes
from services.notifier.web.list_view import ClientEntries, client_groups, usefulness_sentence
from services.notifier.wording import Wordings
from tests.support.detector.episodes import NOW, WEEK, changed, facts_of_a_step
from tests.support.schemas.whole_dates import whole_dates

EN = Wordings.load().of("en")
THERAPIST = Therapist("north", "t-1", time_zone="Europe/Vienna")


def item(
    change: EpisodeChanged, state: Change = Change.OPENED, later: EpisodeChanged | None = None
) -> InboxItem:
    return InboxItem(change.episode_id, state, NOW, change, None, 1, later=later)


def groups(*found: tuple[InboxItem, NextSession | None]) -> list[ClientEntries]:
    upcoming = {one.change.client_id: coming for one, coming in found}
    return client_groups([one for one, _ in found], upcoming, THERAPIST, EN, NOW)


def test_who_comes_next_is_first_and_a_past_session_is_not_next() -> None:
    past, later, sooner = (
        (item(changed(episode=name, client=name)), NextSession(NOW + after, expected=expected))
        for name, after, expected in (
            ("past", -WEEK, False),
            ("later", WEEK, False),
            ("sooner", timedelta(days=1), True),
        )
    )
    found = groups(past, later, sooner)
    assert [one.client for one in found] == ["Client sooner", "Client later", "Client past"]
    assert [one.next_session for one in found] == [
        whole_dates("Next session expected Thu 19 Nov, 13:00"),
        whole_dates("Next session Wed 25 Nov, 13:00"),
        None,
    ]


def test_items_of_one_client_stand_together_the_newest_first() -> None:
    old, other, new = (
        (item(changed(episode=name, client=client, session_at=NOW - WEEK * weeks)), None)
        for name, client, weeks in (("old", "a", 3), ("other", "b", 2), ("new", "a", 1))
    )
    found = groups(old, other, new)
    assert [(one.client, len(one.entries)) for one in found] == [("Client a", 2), ("Client b", 1)]
    assert found[0].entries[0].url == f"/items/{new[0].episode_id}"


def test_the_marks_are_those_of_the_newest_session() -> None:
    facts = facts_of_a_step()
    goal = next(one for one in facts.components if one.component is Component.GOAL)
    rest = tuple(one for one in facts.components if one is not goal)
    newer = facts.model_copy(update={"components": (goal.model_copy(update={"mark": 6.2}), *rest)})
    told = changed(facts=facts)
    later = changed(Change.CONTINUED, 2, session_at=NOW + WEEK, facts=newer)
    (group,) = groups((item(told, later=later), None))
    assert group.entries[0].marks.split(";")[0] == f"Goals 6.2, usually {goal.usual:.1f}"
    assert group.entries[0].session == whole_dates("Session on Wed 25 Nov, 13:00")


def test_empty_forms_have_words() -> None:
    facts = facts_of_a_step().model_copy(update={"empty": EmptyForms(last_at=NOW, count=2, of=8)})
    (group,) = groups((item(changed(facts=facts)), None))
    assert group.entries[0].marks.endswith(whole_dates("no form on 18 Nov (2 of the last 8)"))


@pytest.mark.parametrize(
    ("state", "shown"),
    [(Change.OPENED, None), (Change.ACKNOWLEDGED, "Answered"), (Change.SETTLED, "Settled lower")],
)
def test_only_what_does_not_wait_has_a_state(state: Change, shown: str | None) -> None:
    (group,) = groups((item(changed(), state), None))
    assert group.entries[0].state == shown


def test_a_withdrawn_item_states_no_mark() -> None:
    (group,) = groups((item(changed(facts=facts_of_a_step()), Change.WITHDRAWN), None))
    assert (group.entries[0].marks, group.entries[0].line) == ("", None)


def test_what_came_of_few_messages_is_not_shown() -> None:
    assert usefulness_sentence(Outcomes(4, 4, 4), EN) is None
    assert usefulness_sentence(Outcomes(12, 8, 6), EN) == (
        "Of your 12 messages, 8 talked about, 6 back at usual."
    )
