"""Many forms scored at once have the scores of each one alone, to the last digit."""

from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.instruments.batch_scoring import score_complete
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.definition import read_definition
from schemas.instruments.instrument import Instrument
from schemas.instruments.scoring import score
from tests.support.schemas.instruments import SMALL

SINGLE = SMALL.replace("items = 2", "items = 1").replace("goal = [2]", "").replace("total = 1", "total = 0")
INSTRUMENTS = [
    *Catalogue.load(),
    read_definition("small.toml", SMALL),
    read_definition("single.toml", SINGLE.replace("bond = [1], ", "bond = [1]")),
]


def forms(instrument: Instrument) -> st.SearchStrategy[list[list[float]]]:
    """Lists of complete forms with marks on steps."""
    marks = st.lists(st.sampled_from(instrument.steps), min_size=instrument.items, max_size=instrument.items)
    return st.lists(marks, min_size=1, max_size=20)


@pytest.mark.parametrize("instrument", INSTRUMENTS, ids=lambda instrument: instrument.id)
@given(data=st.data())
def test_the_scores_of_a_batch_are_those_of_its_forms_to_the_last_digit(
    instrument: Instrument, data: st.DataObject
) -> None:
    batch = data.draw(forms(instrument))
    scores = score_complete(instrument, np.array(batch))
    assert scores.on_step.all()
    for number, marks in enumerate(batch):
        alone = score(instrument, marks)
        for name in ("bond", "goal", "task", "overall", "total", "spread", "top"):
            expected = getattr(alone, name)
            found = float(getattr(scores, name)[number])
            assert (found == expected) or (isnan(found) and expected is None), name


def test_a_mark_between_two_steps_is_reported_for_its_form_alone() -> None:
    srs = Catalogue.load().get("srs")
    scores = score_complete(srs, np.array([[9.0, 9.0, 9.0, 9.0], [9.0, 9.05, 9.0, 9.0]]))
    assert scores.on_step.tolist() == [True, False]


def test_adding_does_not_depend_on_the_python_version() -> None:
    # From Python 3.12 on sum() compensates rounding errors: of ten times .1 it makes 1.0.
    changes = {"items = 2": "items = 10", "highest = 4": "highest = 10", "[1]": str(list(range(1, 10)))}
    text = SMALL
    for old, new in {**changes, "goal = [2]": "goal = [10]"}.items():
        text = text.replace(old, new)
    assert score(read_definition("ten.toml", text), [1.0] * 10).total == 0.09999999999999999
