"""The checker finds nothing wrong with a good run, and finds every row that is lost, doubled or false."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import msgspec
import pytest

from services.runtime.kafka.record import Record
from tests.support.detector.batch_driver import record_of
from tests.support.faults.checker import check
from tests.support.faults.fault_run import shipped_model
from tests.support.faults.history import Ending
from tests.support.faults.observed import ChangeKey, Delivery, Observed
from tests.support.faults.oracle import GONE, Expectation, Place, expect
from tests.unit.faults.conftest import CHANGE, DELIVERY, SENT, log, published

NOBODY = ChangeKey(CHANGE.episode_id, 9)


def test_a_run_in_which_nothing_went_wrong_has_no_violation(seen: Observed, expected: Expectation) -> None:
    report = check(seen, expected)

    assert report.violations == []
    assert (report.deliveries, report.changes, report.mails) == (15, 1, 1)
    assert list(expected.outcomes.values()).count("duplicate") == 1
    assert expected.episodes, "no episode opened, so the comparison of episodes would prove nothing"


def _end(seen: Observed, number: int, ending: Ending) -> None:
    seen.operations = [
        replace(one, ending=ending) if one.number == number else one for one in seen.operations
    ]


def lose_a_record(seen: Observed) -> None:
    seen.log = seen.log[1:]


def store_what_failed(seen: Observed) -> None:
    _end(seen, 1, Ending.FAIL)


def double_a_record(seen: Observed) -> None:
    first = seen.log[0]
    seen.log = [*seen.log, Record(first.topic, first.partition, 99, 0, first.key, first.value)]


def forget_who_sent_it(seen: Observed) -> None:
    seen.operations = seen.operations[1:]


def lose_an_outcome(seen: Observed) -> None:
    seen.outcomes = dict(list(seen.outcomes.items())[1:])


def give_two_outcomes(seen: Observed) -> None:
    place = next(iter(seen.outcomes))
    seen.outcomes = {**seen.outcomes, place: ["rating", "duplicate"]}


def reject_a_good_record(seen: Observed) -> None:
    seen.outcomes = {**seen.outcomes, next(iter(seen.outcomes)): ["rejected"]}


def claim_a_record_that_is_not_there(seen: Observed) -> None:
    seen.outcomes = {**seen.outcomes, Place(0, 0, 1_000): ["rating"]}


def lose_an_assessment(seen: Observed) -> None:
    seen.assessments = dict(list(seen.assessments.items())[1:])


def change_the_last_digit_of_a_risk(seen: Observed) -> None:
    key, stored = next((k, s) for k, s in seen.assessments.items() if s.assessment.risk is not None)
    risk = (stored.assessment.risk or 0.0) + 1e-6
    wrong = stored._replace(assessment=stored.assessment._replace(risk=risk))
    seen.assessments = {**seen.assessments, key: wrong}


def change_published_numbers(seen: Observed) -> None:
    key, stored = next(iter(seen.assessments.items()))
    wrong = stored._replace(assessment=stored.assessment._replace(numbers=b""))
    seen.assessments = {**seen.assessments, key: wrong}


def lose_an_episode(seen: Observed) -> None:
    seen.episodes = []


def double_an_episode(seen: Observed) -> None:
    seen.episodes = [*seen.episodes, *seen.episodes]


def publish_no_assessment(seen: Observed) -> None:
    seen.published = seen.published[1:]


def publish_an_older_revision(seen: Observed) -> None:
    key, stored = next(iter(seen.assessments.items()))
    seen.assessments = {**seen.assessments, key: stored._replace(revision=2)}


def _again(record: Record, **changes: str) -> Record:
    event = msgspec.json.decode(record.value or b"")
    return Record(record.topic, 0, 999, 0, record.key, msgspec.json.encode({**event, **changes}))


def publish_one_id_with_two_contents(seen: Observed) -> None:
    seen.published = [*seen.published, _again(seen.published[0], time="later")]


def publish_one_revision_under_two_ids(seen: Observed) -> None:
    seen.published = [*seen.published, _again(seen.published[0], id="another")]


def publish_a_change_under_two_ids(seen: Observed) -> None:
    seen.published = [*seen.published, _again(seen.published[-1], id="another")]


def publish_no_change(seen: Observed) -> None:
    seen.published = seen.published[:-1]


def decide_upon_nothing(seen: Observed) -> None:
    seen.decided = []


def decide_twice(seen: Observed) -> None:
    seen.decided = [CHANGE, CHANGE]


def decide_upon_what_never_was(seen: Observed) -> None:
    seen.decided = [CHANGE, NOBODY]


def show_two_items(seen: Observed) -> None:
    seen.items = 2


def lose_a_mail(seen: Observed) -> None:
    seen.mails = []


def mail_under_another_id(seen: Observed) -> None:
    seen.mails = [DELIVERY, "another"]


def leave_a_mail_open(seen: Observed) -> None:
    seen.deliveries = [Delivery(DELIVERY, "email", "retrying")]


def call_for_nothing(seen: Observed) -> None:
    seen.webhooks = [DELIVERY]


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lose_a_record, "lost"),
        (store_what_failed, "took effect"),
        (double_a_record, "took effect"),
        (forget_who_sent_it, "from nowhere"),
        (lose_an_outcome, "unaccounted for"),
        (give_two_outcomes, "outcome"),
        (reject_a_good_record, "outcome"),
        (claim_a_record_that_is_not_there, "the log holds no record"),
        (lose_an_assessment, "assessment: none"),
        (change_the_last_digit_of_a_risk, "assessment: that"),
        (change_published_numbers, "assessment: that"),
        (lose_an_episode, "episode"),
        (double_an_episode, "episode"),
        (publish_no_assessment, "published: no assessment"),
        (publish_an_older_revision, "not the stored one"),
        (publish_one_id_with_two_contents, "two contents"),
        (publish_one_revision_under_two_ids, "2 ids"),
        (publish_a_change_under_two_ids, "2 ids"),
        (publish_no_change, "not published"),
        (decide_upon_nothing, "decided 0 times"),
        (decide_twice, "decided 2 times"),
        (decide_upon_what_never_was, "stored 0 times"),
        (show_two_items, "inbox"),
        (lose_a_mail, "did not arrive"),
        (mail_under_another_id, "not recorded"),
        (leave_a_mail_open, "still retrying"),
        (call_for_nothing, "not recorded"),
    ],
)
def test_a_run_that_is_spoiled_is_found_out(
    seen: Observed, expected: Expectation, spoil: Callable[[Observed], None], found: str
) -> None:
    spoil(seen)

    assert [sentence for sentence in check(seen, expected).violations if found in sentence]


def test_an_unknown_answer_allows_both(seen: Observed, expected: Expectation) -> None:
    _end(seen, 15, Ending.UNKNOWN)
    assert check(seen, expected).violations == []

    _end(seen, 14, Ending.UNKNOWN)
    seen.log = log()[:13]
    assert check(seen, expected).violations == []


def test_a_lost_rating_that_a_repair_has_named_is_no_violation(seen: Observed, expected: Expectation) -> None:
    lose_a_record(seen)
    seen.lost = frozenset({"rating--6"})

    assert check(seen, expected).violations == []


def test_what_is_published_again_byte_for_byte_is_no_violation(seen: Observed, expected: Expectation) -> None:
    seen.published = [*seen.published, *published(expected)]

    assert check(seen, expected).violations == []


def test_a_delivery_where_a_lost_one_of_its_rating_stood_is_that_rating() -> None:
    lost, again, third = (record_of(SENT[0], offset) for offset in (7, 7, 8))
    records = [msgspec.structs.replace(lost, partition=lost.partition + GONE), again, third]
    outcomes = expect(records, *shipped_model(), date(2026, 3, 3)).outcomes
    assert [outcome for place, outcome in outcomes.items() if not place.is_gone] == ["rating", "duplicate"]
