"""Forms made many at once equal those made one by one, to the last bit."""

from math import isnan

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import SessionRated
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.instrument import Instrument
from services.detector.domain.form import Form, form_of, full_forms
from services.runtime.process.errors import Reject

CATALOGUE = Catalogue.load()


def rating(instrument: str, items: list[float | None], number: int) -> SessionRated:
    return SessionRated.model_validate(
        {
            "rating_id": f"r{number}",
            "practice_id": "p",
            "therapist_id": "t",
            "client_id": "c",
            "session_id": f"s{number}",
            "session_at": "2026-03-02T10:00:00+01:00",
            "instrument": instrument,
            "status": "rated",
            "accepted_at": "2026-03-02T11:00:00Z",
            "content_hash": "h",
            "items": items,
        }
    )


def marks(instrument: Instrument) -> st.SearchStrategy[float | None]:
    odd = st.sampled_from([None, instrument.highest + 1, instrument.lowest + instrument.step / 3])
    return st.one_of(st.sampled_from(instrument.steps), st.sampled_from(instrument.steps), odd)


@st.composite
def batches(draw: st.DrawFn) -> list[SessionRated]:
    made: list[SessionRated] = []
    for name in ("srs", "wai-sr", "wai-s", "wai-9"):
        instrument = CATALOGUE.get(name)
        whole = st.lists(
            st.sampled_from(instrument.steps), min_size=instrument.items, max_size=instrument.items
        )
        other = st.lists(marks(instrument), min_size=instrument.items - 1, max_size=instrument.items)
        forms = draw(st.lists(st.one_of(whole, whole, other), max_size=14))
        made += [rating(name, list(items), len(made) + number) for number, items in enumerate(forms)]
    return draw(st.permutations(made))


def alone(one: SessionRated) -> Form | None:
    try:
        return form_of(one, CATALOGUE.get(one.instrument))
    except Reject:
        return None


def comparable(form: Form) -> tuple[object, ...]:
    numbers = (form.bond, form.goal, form.task, form.overall, form.answered, form.spread, form.top, form.step)
    shown = tuple(None if isnan(number) else number for number in numbers)
    return (form.rating_id, form.order, form.status, *shown)


@given(batches())
def test_forms_made_at_once_equal_those_made_one_by_one(ratings: list[SessionRated]) -> None:
    for one, form in zip(ratings, full_forms(ratings, CATALOGUE), strict=True):
        if form is not None:
            expected = alone(one)
            assert expected is not None
            assert comparable(form) == comparable(expected)


def test_what_is_answered_in_full_is_made_at_once_and_nothing_else() -> None:
    full: list[float | None] = [9.0, 8.5, 7.9, 10.0]
    ratings = [rating("srs", full, number) for number in range(8)]
    others = [
        rating("srs", [9.0, None, 8.0, 9.0], 8),
        rating("srs", [9.0, 8.0, 8.0, 11.0], 9),
        rating("srs", [9.0, 8.0, 8.0], 10),
        rating("srs", [9.0, 8.05, 8.0, 9.0], 11),
        rating("nowhere", full, 12),
        rating("wai-9", [3.0] * 9, 13),
    ]

    made = full_forms([*ratings, *others], CATALOGUE)

    assert all(form is not None for form in made[:8])
    assert made[8:] == [None] * 6
