"""Reads a QuestionnaireResponse as a rating, and says which element each of its fields comes from."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from msgspec import Raw

from schemas.events import Status
from schemas.fhir import names
from schemas.fhir.marks import Marks, read_marks
from schemas.fhir.references import NOTHING_ALONG, Along, encounter_id, id_of, practitioner_of, type_of
from schemas.fhir.resources import (
    Encounter,
    Extension,
    QuestionnaireResponse,
    ResourceReference,
    decoded,
    kind_of,
)
from schemas.instruments.catalogue import Catalogue, UnknownInstrument
from schemas.instruments.instrument import Instrument
from schemas.instruments.questionnaire_map import QuestionnaireMap
from schemas.validation_errors import InvalidInput, Violation

ROOT = "QuestionnaireResponse"
_ITEM = re.compile(r"item (\d+) ")
_CHANGED = frozenset({"amended", "entered-in-error"})
_STATUSES = frozenset({"completed", "stopped", *_CHANGED})

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class ResponseRating:
    """The body of a rating, and the element (FHIRPath) of each of its fields."""

    body: dict[str, object]
    places: Mapping[str, str]
    items: tuple[str, ...]
    """The elements of the instrument's items, in order."""

    def placed(self, field: str, message: str) -> tuple[str, str]:
        """Return the element that an error in a field of the rating is about, and the message about it."""
        item = _ITEM.match(message) if field == "items" else None
        if item and 0 < int(item[1]) <= len(self.items):
            return self.items[int(item[1]) - 1], message[item.end() :]
        return self.places.get(
            field, f"{ROOT}.item" if field.startswith(("items", "scores")) else ROOT
        ), message


def decode_response(sent: bytes | str | Raw) -> QuestionnaireResponse:
    """Return a response that was sent as JSON.

    Raises:
        InvalidInput: it is no JSON, another resource, or an element has another type than FHIR says.
    """
    if kind_of(sent) != ROOT:
        expected = f"{ROOT}; a Bundle is sent to /v1/fhir"
        raise InvalidInput([Violation(f"{ROOT}.resourceType", "is missing or another one", expected)])
    return decoded(sent, QuestionnaireResponse, ROOT)


def read_response(
    response: QuestionnaireResponse, catalogue: Catalogue, along: Along = NOTHING_ALONG
) -> ResponseRating:
    """Return the rating that a response means; `along` are the other resources of its bundle.

    The fields of the rating are not checked here, beyond what only the response shows.

    Raises:
        InvalidInput: with every violation; its fields are FHIRPath expressions.
    """
    return _Reader(response, catalogue, along.joined(response.contained)).read()


class _Reader:
    def __init__(self, response: QuestionnaireResponse, catalogue: Catalogue, along: Along) -> None:
        self._response = response
        self._catalogue = catalogue
        self._along = along
        self._violations: list[Violation] = []
        self._body: dict[str, object] = {}
        self._places: dict[str, str] = {}

    def read(self) -> ResponseRating:
        self._check_meaning()
        self._attempt(self._read_id)
        self._attempt(self._read_client)
        encounter = self._attempt(self._read_session)
        self._attempt(lambda: self._read_therapist(encounter))
        self._attempt(lambda: self._read_case(encounter))
        self._read_times(encounter)
        found = self._attempt(self._questionnaire)
        items = self._read_form(*found) if found is not None else ()
        if self._violations:
            raise InvalidInput(self._violations)
        return ResponseRating(self._body, self._places, items)

    def _attempt(self, read: Callable[[], Read]) -> Read | None:
        try:
            return read()
        except InvalidInput as invalid:
            self._violations += invalid.violations
            return None

    def _put(self, field: str, value: object, place: str) -> None:
        self._body[field] = value
        self._places[field] = place

    def _fault(self, element: str, message: str, expected: str) -> None:
        self._violations.append(Violation(f"{ROOT}.{element}", message, expected))

    def _check_meaning(self) -> None:
        response = self._response
        if response.modifierExtension:
            self._fault("modifierExtension", "is not known to Rapport and may change what is meant", "none")
        if response.implicitRules is not None:
            self._fault("implicitRules", "is not known to Rapport and may change what is meant", "none")
        if response.status == "in-progress":
            self._fault("status", "is in-progress", "send the response again once it is completed or stopped")
        elif response.status not in _STATUSES:
            expected = "completed, amended, stopped (no form, or one broken off) or entered-in-error"
            self._fault("status", "is missing or not one that Rapport reads", expected)
        if response.status in _CHANGED and (response.meta is None or response.meta.lastUpdated is None):
            expected = "when the response was last changed: a version takes effect when it is newer"
            self._fault("meta.lastUpdated", "is missing, and the response changes an earlier one", expected)

    def _read_id(self) -> None:
        identifier, logical = self._response.identifier, self._response.id
        if identifier is not None and identifier.value:
            self._put("id", identifier.value, f"{ROOT}.identifier.value")
        elif logical:
            self._put("id", logical, f"{ROOT}.id")

    def _read_client(self) -> None:
        place = f"{ROOT}.subject"
        subject, source = self._response.subject, self._response.source
        if subject is None:
            expected = "the client: a reference to a Patient, or its identifier"
            raise InvalidInput([Violation(place, "is missing", expected)])
        self._put("client_id", id_of(subject, "Patient", place, self._along), place)
        if source is not None and not self._is_client(source, subject):
            expected = "the client as in subject, or none: Rapport reads clients' own ratings only"
            self._fault("source", "is somebody else than the client", expected)

    def _is_client(self, source: ResourceReference, subject: ResourceReference) -> bool:
        if type_of(source, self._along) not in {None, "Patient"}:
            return False
        if source.reference is not None and subject.reference is not None:
            return source.reference == subject.reference
        one, other = source.identifier, subject.identifier
        return one is None or other is None or one.value == other.value

    def _read_session(self) -> Encounter | None:
        place = f"{ROOT}.encounter"
        if self._response.encounter is None:
            expected = "the session: a reference to its Encounter, or its identifier"
            raise InvalidInput([Violation(place, "is missing", expected)])
        session, encounter = encounter_id(self._response.encounter, place, self._along)
        self._put("session_id", session, place)
        return encounter

    def _read_therapist(self, encounter: Encounter | None) -> None:
        given = self._extension(names.THERAPIST_EXTENSION)
        place = f"{ROOT}.extension.where(url='{names.THERAPIST_EXTENSION}')"
        if given is not None:
            self._put("therapist_id", self._id_in(given, "Practitioner", place), place)
            return
        place = "Encounter.participant.individual"
        among = [each.individual for each in (encounter.participant if encounter else ()) if each.individual]
        present = {practitioner_of(each, place, self._along) for each in among} - {None}
        if len(present) > 1:
            expected = f"one practitioner, or the therapist in the extension {names.THERAPIST_EXTENSION}"
            raise InvalidInput([Violation(place, "names several practitioners", expected)])
        if present:
            self._put("therapist_id", present.pop(), place)
            return
        place = f"{ROOT}.author"
        author = self._response.author
        therapist = None if author is None else practitioner_of(author, place, self._along)
        if therapist is None:
            expected = (
                "a Practitioner as author, as the only practitioner of the Encounter in the same bundle, or"
                f" in the extension {names.THERAPIST_EXTENSION}"
            )
            raise InvalidInput([Violation(place, "names no therapist", expected)])
        self._put("therapist_id", therapist, place)

    def _read_case(self, encounter: Encounter | None) -> None:
        given = self._extension(names.CASE_EXTENSION)
        if given is not None:
            place = f"{ROOT}.extension.where(url='{names.CASE_EXTENSION}')"
            self._put("case_id", self._id_in(given, "EpisodeOfCare", place), place)
        elif encounter is not None and encounter.episodeOfCare:
            place = "Encounter.episodeOfCare"
            if len(encounter.episodeOfCare) > 1:
                expected = f"one, or the case in the extension {names.CASE_EXTENSION}"
                raise InvalidInput([Violation(place, "names several courses of therapy", expected)])
            case = id_of(encounter.episodeOfCare[0], "EpisodeOfCare", place, self._along)
            self._put("case_id", case, place)

    def _read_times(self, encounter: Encounter | None) -> None:
        response = self._response
        session = self._extension(names.SESSION_AT_EXTENSION)
        if session is not None:
            place = f"{ROOT}.extension.where(url='{names.SESSION_AT_EXTENSION}')"
            self._put("session_at", session.valueDateTime, place)
        elif encounter is not None and encounter.period is not None and encounter.period.start is not None:
            self._put("session_at", encounter.period.start, "Encounter.period.start")
        elif response.authored is not None:
            self._put("session_at", response.authored, f"{ROOT}.authored")
        else:
            expected = (
                "when the session was, with time and time zone; or Encounter.period.start in the bundle"
            )
            self._fault("authored", "is missing", expected)
        if response.meta is not None and response.meta.lastUpdated is not None:
            self._put("recorded_at", response.meta.lastUpdated, f"{ROOT}.meta.lastUpdated")
        elif response.authored is not None and "T" in response.authored:  # a day alone is no moment
            self._put("recorded_at", response.authored, f"{ROOT}.authored")
        following = self._extension(names.NEXT_SESSION_EXTENSION)
        if following is not None:
            place = f"{ROOT}.extension.where(url='{names.NEXT_SESSION_EXTENSION}')"
            self._put("next_session_at", following.valueDateTime, place)

    def _questionnaire(self) -> tuple[Instrument, QuestionnaireMap]:
        place = f"{ROOT}.questionnaire"
        canonical = self._response.questionnaire
        if canonical is None:
            expected = (
                "the canonical URL of the questionnaire; GET /v1/instruments lists those that are known"
            )
            raise InvalidInput([Violation(place, "is missing", expected)])
        if canonical.startswith("#"):
            contained = self._along.questionnaire(canonical)
            canonical = (contained.url if contained else None) or canonical
        try:
            instrument, found = self._catalogue.by_questionnaire(canonical)
        except UnknownInstrument:
            expected = "one that GET /v1/instruments lists; your operator adds others in a [[fhir]] table"
            raise InvalidInput([Violation(place, "is not a questionnaire we know", expected)]) from None
        self._put("instrument", str(instrument.id), place)
        return instrument, found

    def _read_form(self, instrument: Instrument, found: QuestionnaireMap) -> tuple[str, ...]:
        response = self._response
        if response.status == "entered-in-error":
            self._put("status", Status.WITHDRAWN.value, f"{ROOT}.status")
            return ()
        along = self._along.questionnaire(response.questionnaire or "")
        marks = read_marks(response.item, instrument, found, along)
        self._violations += marks.violations
        if not marks.by_link and not marks.violations:
            if response.status == "stopped":
                self._put("status", Status.DECLINED.value, f"{ROOT}.status")
            else:
                self._fault("item", "has no answer", "marks; or status stopped when the client gave no form")
        elif found.scores:
            self._put_scores(marks, found)
        else:
            self._put("items", [marks.by_link.get(link) for link in found.link_ids], f"{ROOT}.item")
        return tuple(marks.places.get(link, f"{ROOT}.item") for link in found.link_ids)

    def _put_scores(self, marks: Marks, found: QuestionnaireMap) -> None:
        scores = {component: marks.by_link.get(link) for component, link in found.scores.items()}
        if None in scores.values():
            self._fault("item", "lacks a calculated score", "the scores of bond, goal and task")
        self._put("scores", scores, f"{ROOT}.item")
        for component, link in found.scores.items():
            self._places[f"scores.{component}"] = marks.places.get(link, f"{ROOT}.item")

    def _extension(self, url: str) -> Extension | None:
        return next((each for each in self._response.extension if each.url == url), None)

    def _id_in(self, extension: Extension, kind: str, place: str) -> str:
        if extension.valueIdentifier is not None and extension.valueIdentifier.value:
            return extension.valueIdentifier.value
        if extension.valueReference is not None:
            return id_of(extension.valueReference, kind, place, self._along)
        expected = "valueIdentifier with a value, or valueReference"
        raise InvalidInput([Violation(place, "has no value that is read", expected)])
