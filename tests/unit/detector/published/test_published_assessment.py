"""Components are published in the units of each session's own instrument."""

from math import isnan, nan

from hypothesis import given
from hypothesis import strategies as st

from schemas.components import Component
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.scoring import to_units
from services.detector.domain.assessment import ComponentFinding
from services.detector.published.events import components_in_units

CATALOGUE = Catalogue.load()
shares = st.one_of(st.just(nan), st.integers(0, 10**6).map(lambda number: number / 10**6))
findings = st.dictionaries(
    st.sampled_from(Component), st.builds(ComponentFinding, st.just(0.25), shares, shares), max_size=4
)


@given(st.lists(st.tuples(findings, st.sampled_from(["srs", "wai-sr", "wai-9"])), max_size=5))
def test_components_of_many_sessions_are_converted_as_one_by_one(
    rows: list[tuple[dict[Component, ComponentFinding], str]],
) -> None:
    converted = components_in_units([(one, CATALOGUE.get(name)) for one, name in rows])

    assert len(converted) == len(rows)
    for (given_, name), shown in zip(rows, converted, strict=True):
        assert list(shown) == list(given_)
        for component, (risk, score, usual, change) in shown.items():
            one = given_[component]
            expected = [
                None if isnan(share) else to_units(CATALOGUE.get(name), share)
                for share in (one.score, one.baseline)
            ]
            assert [risk, score, usual] == [0.25, *expected]
            assert change == (None if score is None or usual is None else round(score - usual, 6))
