"""Ratings become forms on one scale, whatever the instrument and whichever items are missing."""

from math import isnan

import pytest

from schemas.events import SessionRated, Status
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.instrument import Instrument
from services.detector.domain.form import Form, form_matrix, form_of
from services.detector.domain.outcomes import RejectionReason
from services.runtime.process.errors import Reject

CATALOGUE = Catalogue.load()


def _rating(instrument: str, **fields: object) -> SessionRated:
    return SessionRated.model_validate(
        {
            "rating_id": "r1",
            "practice_id": "p",
            "therapist_id": "t",
            "client_id": "c",
            "session_id": "s1",
            "session_at": "2026-03-02T10:00:00+01:00",
            "instrument": instrument,
            "status": "rated",
            "accepted_at": "2026-03-02T11:00:00Z",
            "content_hash": "h",
            **fields,
        }
    )


def _form(instrument: str, **fields: object) -> Form:
    return form_of(_rating(instrument, **fields), CATALOGUE.get(instrument))


def test_marks_are_read_on_the_common_scale() -> None:
    form = _form("srs", items=[9.0, 8.0, 7.0, 10.0])
    expected = pytest.approx((0.9, 0.8, 0.7, 1.0))
    assert expected == (form.bond, form.goal, form.task, form.overall)


def test_sessions_are_ordered_in_utc() -> None:
    assert _form("srs", items=[9, 9, 9, 9]).order.session_at.isoformat() == "2026-03-02T09:00:00+00:00"


def test_the_best_marks_are_the_best_whether_items_are_reversed_or_not() -> None:
    items = [7.0] * 12
    items[3] = items[9] = 1.0
    form = _form("wai-s", items=items)
    assert {1.0} == {form.bond, form.goal, form.task, form.top}


def test_a_missing_item_is_left_out_of_its_component() -> None:
    form = _form("srs", items=[9.0, None, 7.0, 8.0])
    assert isnan(form.goal)
    assert form.answered == 3


def test_component_scores_give_no_spread_of_items() -> None:
    form = _form("wai-sr", scores={"bond": 5.0, "goal": 3.0, "task": 4.0})
    expected = 1.0, 0.5, 0.75, 3
    assert expected == (form.bond, form.goal, form.task, form.answered)
    assert isnan(form.spread)


def test_a_declined_rating_is_a_form_without_marks() -> None:
    form = _form("srs", status="declined")
    assert form.status is Status.DECLINED
    expected = 0, True, True
    assert expected == (form.answered, isnan(form.bond), isnan(form.top))


@pytest.mark.parametrize(
    "fields",
    [
        {"items": [9, 9, 9]},
        {"items": [9, 9, 9, 11]},
        {"items": [9, None, None, None]},
        {"status": "withdrawn"},
    ],
    ids=["too few", "out of range", "too many missing", "withdrawn"],
)
def test_marks_that_cannot_be_scored_are_rejected_with_the_reason(fields: dict[str, object]) -> None:
    with pytest.raises(Reject) as caught:
        _form("srs", **fields)
    assert caught.value.reason == RejectionReason.INVALID_MARKS


@pytest.mark.parametrize("instrument", list(CATALOGUE.of_alliance), ids=lambda one: str(one.id))
def test_every_instrument_gives_forms_within_the_scale(instrument: Instrument) -> None:
    for share in (0.0, 0.5, 1.0):
        steps = round(share * (instrument.highest - instrument.lowest) / instrument.step)
        mark = instrument.lowest + steps * instrument.step
        form = _form(instrument.id, items=[mark] * instrument.items)
        marks = form_matrix([form])[0, :3]
        assert ((marks >= 0) & (marks <= 1)).all()
