"""Says how the answers to one FHIR questionnaire are the marks of an instrument."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class QuestionnaireMap:
    """How a response to a questionnaire is read."""

    urls: tuple[str, ...]
    """The questionnaire's canonical URLs; one without `|version` stands for every version."""
    link_ids: tuple[str, ...] = ()
    """The link id of each item, in the order of the instrument's items; none where scores are read."""
    scores: Mapping[str, str] = field(default_factory=dict)
    """Instead of items: the link ids of calculated component scores, by component."""
    ignored: frozenset[str] = frozenset()
    """Link ids whose answers are not read, such as a total or a remark."""
    codes: Mapping[str, float] = field(default_factory=dict)
    """The marks of answers that are codes, by `code` or `system|code`."""
    ordinal_of_lowest: float | None = None
    """The number that the questionnaire gives the answer with the lowest mark (`ordinalValue`, `itemWeight`);
    None: such numbers are read only where the questionnaire came along and they fit."""
