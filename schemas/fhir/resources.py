"""The parts of FHIR R4 resources that are read; every other element is passed over.

An element that could change what the others mean (`modifierExtension`, `implicitRules`) is among them, so
that it can be refused.
"""

from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from schemas.validation_errors import InvalidInput, Violation

NOT_SENT = Raw()
"""Stands for an element that was not sent, where its content is not decoded."""

Resource = TypeVar("Resource", bound=Struct)


class Identifier(Struct, frozen=True):
    """A business identifier."""

    value: str | None = None
    use: str | None = None


class ResourceReference(Struct, frozen=True):
    """A reference to another resource, by address or by identifier."""

    reference: str | None = None
    type: str | None = None
    identifier: Identifier | None = None


class Extension(Struct, frozen=True):
    """One extension with the values that are read."""

    url: str
    valueDecimal: float | None = None  # noqa: N815 - FHIR's name
    valueInteger: int | None = None  # noqa: N815 - the same
    valueDateTime: str | None = None  # noqa: N815 - the same
    valueIdentifier: Identifier | None = None  # noqa: N815 - the same
    valueReference: ResourceReference | None = None  # noqa: N815 - the same


class Coding(Struct, frozen=True):
    """One code."""

    system: str | None = None
    code: str | None = None
    extension: tuple[Extension, ...] = ()


class ResponseAnswer(Struct, frozen=True):
    """One answer. The values that are no mark are kept unread, to tell that they are there."""

    valueDecimal: float | None = None  # noqa: N815 - FHIR's name
    valueInteger: int | None = None  # noqa: N815 - the same
    valueCoding: Coding | None = None  # noqa: N815 - the same
    valueBoolean: Raw = NOT_SENT  # noqa: N815 - the same
    valueDate: Raw = NOT_SENT  # noqa: N815 - the same
    valueDateTime: Raw = NOT_SENT  # noqa: N815 - the same
    valueTime: Raw = NOT_SENT  # noqa: N815 - the same
    valueString: Raw = NOT_SENT  # noqa: N815 - the same
    valueUri: Raw = NOT_SENT  # noqa: N815 - the same
    valueAttachment: Raw = NOT_SENT  # noqa: N815 - the same
    valueQuantity: Raw = NOT_SENT  # noqa: N815 - the same
    valueReference: Raw = NOT_SENT  # noqa: N815 - the same
    item: "tuple[Item, ...]" = ()
    extension: tuple[Extension, ...] = ()
    modifierExtension: tuple[Raw, ...] = ()  # noqa: N815 - the same


class Item(Struct, frozen=True):
    """One question or group with what was answered."""

    linkId: str  # noqa: N815 - FHIR's name
    answer: tuple[ResponseAnswer, ...] = ()
    item: "tuple[Item, ...]" = ()
    modifierExtension: tuple[Raw, ...] = ()  # noqa: N815 - the same


class Meta(Struct, frozen=True):
    """What a server says about a resource."""

    lastUpdated: str | None = None  # noqa: N815 - FHIR's name


class QuestionnaireResponse(Struct, frozen=True):
    """One filled-in questionnaire."""

    status: str | None = None
    questionnaire: str | None = None
    id: str | None = None
    meta: Meta | None = None
    identifier: Identifier | None = None
    subject: ResourceReference | None = None
    encounter: ResourceReference | None = None
    authored: str | None = None
    author: ResourceReference | None = None
    source: ResourceReference | None = None
    item: tuple[Item, ...] = ()
    contained: tuple[Raw, ...] = ()
    extension: tuple[Extension, ...] = ()
    modifierExtension: tuple[Raw, ...] = ()  # noqa: N815 - FHIR's name
    implicitRules: str | None = None  # noqa: N815 - the same


class AnswerOption(Struct, frozen=True):
    """One answer that a questionnaire offers."""

    valueCoding: Coding | None = None  # noqa: N815 - FHIR's name
    extension: tuple[Extension, ...] = ()


class Question(Struct, frozen=True):
    """One item of a questionnaire."""

    linkId: str  # noqa: N815 - FHIR's name
    answerOption: tuple[AnswerOption, ...] = ()  # noqa: N815 - the same
    item: "tuple[Question, ...]" = ()


class QuestionnaireDefinition(Struct, frozen=True):
    """A questionnaire that came along with a response, for the numbers of its answers."""

    id: str | None = None
    url: str | None = None
    item: tuple[Question, ...] = ()


class ReferencedResource(Struct, frozen=True):
    """A resource that a response refers to, for its identifier."""

    resourceType: str  # noqa: N815 - FHIR's name
    id: str | None = None
    identifier: tuple[Identifier, ...] = ()
    practitioner: ResourceReference | None = None


class Period(Struct, frozen=True):
    """A stretch of time."""

    start: str | None = None


class Participant(Struct, frozen=True):
    """Somebody who took part in an encounter."""

    individual: ResourceReference | None = None


class Encounter(Struct, frozen=True):
    """The session that a response is about."""

    id: str | None = None
    status: str | None = None
    identifier: tuple[Identifier, ...] = ()
    period: Period | None = None
    participant: tuple[Participant, ...] = ()
    episodeOfCare: tuple[ResourceReference, ...] = ()  # noqa: N815 - FHIR's name


class Request(Struct, frozen=True):
    """What an entry of a bundle asks for."""

    method: str | None = None


class Entry(Struct, frozen=True):
    """One entry of a bundle."""

    fullUrl: str | None = None  # noqa: N815 - FHIR's name
    resource: Raw = NOT_SENT
    request: Request | None = None


class Bundle(Struct, frozen=True):
    """Several resources."""

    type: str | None = None
    entry: tuple[Entry, ...] = ()


class _Kind(Struct, frozen=True):
    resourceType: Any = None  # noqa: N815 - FHIR's name


def kind_of(sent: bytes | str | Raw) -> str | None:
    """Return the type of a resource; None where the text is no object that names one.

    Raises:
        InvalidInput: the text is no JSON.
    """
    kind = decoded(sent, _Kind, "").resourceType
    return kind if isinstance(kind, str) else None


def decoded(sent: bytes | str | Raw, type_: type[Resource], place: str) -> Resource:
    """Return a resource; `place` is its own path in errors.

    Raises:
        InvalidInput: it is no JSON, or an element has another type than FHIR says.
    """
    try:
        return msgspec.json.decode(sent, type=type_)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        message = "has another type than in FHIR R4" if where else "is not an object"
        expected = (
            what.replace("`", "").removeprefix("Expected ").partition(", got")[0].replace(" | null", "")
        )
        raise InvalidInput([Violation(_path(place, where), message, expected)]) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise InvalidInput([Violation("body", "is not JSON", "one resource in JSON, in UTF-8")]) from None


def _path(place: str, where: str) -> str:
    path = where.rstrip("`").replace("[...]", "")
    return (place + path).lstrip(".") or "body"
