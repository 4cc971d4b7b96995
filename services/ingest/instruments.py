"""Describes the instruments for `GET /v1/instruments`."""

from pydantic import BaseModel, Field

from schemas.components import Component
from schemas.instrument_kind import InstrumentKind
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.instrument import Instrument


class Missing(BaseModel):
    """How many items may be unanswered."""

    component: int = Field(description="A component with more unanswered items than this has no score.")
    total: int = Field(description="A form with more unanswered items than this is refused.")


class ShownQuestionnaire(BaseModel):
    """One FHIR questionnaire whose responses are forms of the instrument."""

    urls: list[str] = Field(
        description="Its canonical URLs.", examples=[["urn:rapport:fhir:questionnaire:srs"]]
    )
    link_ids: list[str] = Field(
        description="The link id of each item, in order; empty where scores are read.",
        examples=[["1", "2", "3", "4"]],
    )
    scores: dict[str, str] = Field(description="The link ids of calculated component scores.")
    ignored: list[str] = Field(description="Link ids whose answers are not read.")
    codes: dict[str, float] = Field(description="The marks of coded answers, by `code` or `system|code`.")


class ShownInstrument(BaseModel):
    """One instrument: how it is scored, without the wording of its items. Items are numbered from 1."""

    id: str = Field(examples=["srs"])
    kind: InstrumentKind = Field(
        description="What it measures. Only ratings of the kind `alliance` are scored; those of `outcome` and"
        " `therapist` (the therapist's own) are stored and drawn beside them.",
        examples=["alliance"],
    )
    title: str = Field(examples=["Session Rating Scale"])
    items: int = Field(description="Number of items, and so of marks in a form.", examples=[4])
    lowest: float = Field(description="The lowest mark.", examples=[0])
    highest: float = Field(description="The highest mark.", examples=[10])
    step: float = Field(description="The distance between two marks.", examples=[0.1])
    exact: bool = Field(description="True when marks between two steps are refused.", examples=[False])
    reversed_items: list[int] = Field(
        description="Items on which a high mark counts as a low one; send the mark as given."
    )
    components: dict[Component, list[int]] = Field(
        description="The items of each component of the alliance; none of the kind `outcome`.",
        examples=[{"bond": [1], "goal": [2], "task": [3], "overall": [4]}],
    )
    missing: Missing
    cutoff: float | None = Field(
        description="The published total below which, or from which where higher is worse, attention is due."
    )
    cutoff_source: str = Field(description="Where the cutoff was published, if not in `source`.")
    higher_is_better: bool = Field(description="False where a higher total means more distress.")
    lowest_total: float = Field(description="The lowest possible sum of all marks.", examples=[0])
    highest_total: float = Field(description="The highest possible sum of all marks.", examples=[40])
    risk_items: list[int] = Field(
        description="Items that ask about danger. Rapport looks at no single answer to them."
    )
    source: str
    licence: str
    questionnaires: list[ShownQuestionnaire]


class Instruments(BaseModel):
    """All instruments that a rating may name."""

    instruments: list[ShownInstrument]


def describe_instruments(catalogue: Catalogue) -> Instruments:
    """Return the description of every instrument in the catalogue."""
    return Instruments(instruments=[_describe(instrument) for instrument in catalogue])


def _describe(instrument: Instrument) -> ShownInstrument:
    return ShownInstrument(
        id=instrument.id,
        kind=instrument.kind,
        title=instrument.title,
        items=instrument.items,
        lowest=instrument.lowest,
        highest=instrument.highest,
        step=instrument.step,
        exact=instrument.exact,
        reversed_items=sorted(instrument.reversed_items),
        components={component: list(items) for component, items in instrument.components.items()},
        missing=Missing(component=instrument.missing_component, total=instrument.missing_total),
        cutoff=instrument.cutoff,
        cutoff_source=instrument.cutoff_source,
        higher_is_better=instrument.higher_is_better,
        lowest_total=instrument.lowest_total,
        highest_total=instrument.highest_total,
        risk_items=list(instrument.risk_items),
        source=instrument.source,
        licence=instrument.licence,
        questionnaires=[
            ShownQuestionnaire(
                urls=list(each.urls),
                link_ids=list(each.link_ids),
                scores=dict(each.scores),
                ignored=sorted(each.ignored),
                codes=dict(each.codes),
            )
            for each in instrument.questionnaires
        ],
    )
