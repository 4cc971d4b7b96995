"""Finds out whom and what a reference means: the practice's own id of a client, therapist or session."""

import re
from collections.abc import Iterable, Sequence

from msgspec import Raw

from schemas.fhir.resources import (
    Encounter,
    Identifier,
    QuestionnaireDefinition,
    ReferencedResource,
    Resource,
    ResourceReference,
    decoded,
    kind_of,
)
from schemas.validation_errors import InvalidInput, Violation

_ADDRESS = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})(?:/_history/.*)?")
_OFFICIAL = "official"
_WHOSE = "an identifier with a value, or a reference such as {kind}/7f3a91"


class Along:
    """The other resources of a bundle, and those that a response contains."""

    def __init__(self, resources: Iterable[tuple[str | None, Raw]] = ()) -> None:
        """Take resources with their `fullUrl`, or `#id` for contained ones."""
        self._by_address: dict[str, Raw] = {}
        self._questionnaires: dict[str, Raw] = {}
        for address, raw in resources:
            kind = kind_of(raw)
            if address:
                self._by_address[address] = raw
            if kind in {"Encounter", "Patient", "Practitioner", "PractitionerRole"}:
                found = decoded(raw, ReferencedResource, kind)
                if found.id:
                    self._by_address[f"{kind}/{found.id}"] = raw
            elif kind == "Questionnaire":
                url = decoded(raw, QuestionnaireDefinition, kind).url
                if url:
                    self._questionnaires[url] = raw

    def find(self, reference: str | None, kind: type[Resource], place: str) -> Resource | None:
        """Return the resource that a reference means, if it came along.

        Raises:
            InvalidInput: it cannot be read.
        """
        raw = self._raw(reference)
        return None if raw is None else decoded(raw, kind, place)

    def kind(self, reference: str | None) -> str | None:
        """Return the type of the resource that a reference means, as far as it is known."""
        raw = self._raw(reference)
        if raw is not None:
            return kind_of(raw)
        address = _ADDRESS.fullmatch(reference or "")
        return address[1] if address else None

    def questionnaire(self, canonical: str) -> QuestionnaireDefinition | None:
        """Return the questionnaire with this canonical URL, if it came along."""
        raw = self._by_address.get(canonical) if canonical.startswith("#") else None
        raw = (
            raw
            or self._questionnaires.get(canonical)
            or self._questionnaires.get(canonical.partition("|")[0])
        )
        return None if raw is None else decoded(raw, QuestionnaireDefinition, "Questionnaire")

    def _raw(self, reference: str | None) -> Raw | None:
        if reference is None:
            return None
        address = _ADDRESS.fullmatch(reference)
        return self._by_address.get(reference) or (
            self._by_address.get(f"{address[1]}/{address[2]}") if address else None
        )

    def joined(self, contained: Sequence[Raw]) -> "Along":
        """Return these resources with those that a response contains."""
        if not contained:
            return self
        both = Along((f"#{decoded(raw, ReferencedResource, 'contained').id}", raw) for raw in contained)
        both._by_address = self._by_address | both._by_address
        both._questionnaires = self._questionnaires | both._questionnaires
        return both


NOTHING_ALONG = Along()


def type_of(reference: ResourceReference, along: Along) -> str | None:
    """Return the type of what a reference means, where it says so."""
    return reference.type or along.kind(reference.reference)


def id_of(reference: ResourceReference, kind: str, place: str, along: Along) -> str:
    """Return the practice's own id of what a reference to a resource of this kind means.

    The value of its identifier; else the last part of its address; else, where the address holds only within
    the bundle (`urn:uuid:…`, `#…`), the identifier or the id of the resource that came along.

    Raises:
        InvalidInput: it is another kind of resource, or it gives no id.
    """
    meant = type_of(reference, along)
    if meant is not None and meant != kind:
        raise InvalidInput(
            [Violation(place, "refers to another kind of resource", f"a reference to a {kind}")]
        )
    if reference.identifier is not None and reference.identifier.value:
        return reference.identifier.value
    address = _ADDRESS.fullmatch(reference.reference or "")
    if address:
        return address[2]
    found = along.find(reference.reference, ReferencedResource, kind)
    if found is None:
        expected = _WHOSE.format(kind=kind)
        raise InvalidInput([Violation(place, "refers to nothing that was sent along", expected)])
    return _own_id(found.identifier, found.id, kind, place)


def encounter_id(reference: ResourceReference, place: str, along: Along) -> tuple[str, Encounter | None]:
    """Return the practice's own id of a session, and the encounter itself where it came along.

    Raises:
        InvalidInput: see `id_of`.
    """
    return (
        id_of(reference, "Encounter", place, along),
        along.find(reference.reference, Encounter, "Encounter"),
    )


def practitioner_of(reference: ResourceReference, place: str, along: Along) -> str | None:
    """Return the id of the practitioner that a reference means; None where it means somebody else.

    Raises:
        InvalidInput: the role of a practitioner is named, and not whose it is.
    """
    kind = type_of(reference, along)
    if kind == "Practitioner":
        return id_of(reference, kind, place, along)
    if kind != "PractitionerRole":
        return None
    role = along.find(reference.reference, ReferencedResource, kind)
    if role is None or role.practitioner is None:
        expected = "a reference to the Practitioner, or send the PractitionerRole along in the bundle"
        raise InvalidInput([Violation(place, "names a role and not whose it is", expected)])
    return id_of(role.practitioner, "Practitioner", place, along)


def _own_id(identifiers: Sequence[Identifier], logical: str | None, kind: str, place: str) -> str:
    values = [each.value for each in identifiers if each.value]
    official = [each.value for each in identifiers if each.value and each.use == _OFFICIAL]
    chosen = official if len(official) == 1 else values
    if len(chosen) > 1:
        expected = f"one identifier with `use: official`, or refer to the {kind} by the identifier meant"
        raise InvalidInput([Violation(place, "refers to a resource with several identifiers", expected)])
    found = chosen[0] if chosen else logical
    if not found:
        raise InvalidInput([Violation(place, "refers to a resource without an id", _WHOSE.format(kind=kind))])
    return found
