"""Takes a bundle apart: its responses, and the other resources that they refer to."""

from dataclasses import dataclass
from typing import NamedTuple

from msgspec import Raw

from schemas.fhir.references import Along
from schemas.fhir.resources import NOT_SENT, Bundle, Entry, decoded, kind_of
from schemas.validation_errors import InvalidInput, Violation

READ = "QuestionnaireResponse"
_ASKING = frozenset({"transaction", "batch"})
_FROM_SENDER = _ASKING | {"collection"}
_FROM_SERVER = frozenset({"searchset", "history"})
"""What a server gave when it was asked; files hold such bundles."""


class BundleEntry(NamedTuple):
    """One entry: its resource, not decoded yet, or why it is refused."""

    number: int
    """Its place in the bundle, from 0."""
    resource: Raw = NOT_SENT
    violations: tuple[Violation, ...] = ()
    is_response: bool = False
    address: str | None = None
    """Its `fullUrl`."""


@dataclass(frozen=True, slots=True)
class OpenedBundle:
    """The entries of a bundle in order, and the resources that came along."""

    type: str
    entries: tuple[BundleEntry, ...]
    along: Along


def open_bundle(sent: bytes | str | Raw, *, from_file: bool = False) -> OpenedBundle:
    """Return the entries of a bundle; a file may also be what a server gave when it was searched.

    Raises:
        InvalidInput: it is no bundle that is read.
    """
    bundle = decoded(sent, Bundle, "Bundle")
    taken = _FROM_SENDER | _FROM_SERVER if from_file else _FROM_SENDER
    if bundle.type not in taken:
        expected = f"one of {', '.join(sorted(taken))}"
        raise InvalidInput([Violation("Bundle.type", "is not a type of bundle that Rapport reads", expected)])
    entries: list[BundleEntry] = []
    others: list[tuple[str | None, Raw]] = []
    for number, entry in enumerate(bundle.entry):
        fault = _fault(entry, f"Bundle.entry[{number}]", asks=bundle.type in _ASKING)
        kind = None if entry.resource == NOT_SENT else kind_of(entry.resource)
        if fault is not None:
            entries.append(BundleEntry(number, violations=(fault,)))
        elif kind == READ:
            entries.append(BundleEntry(number, entry.resource, is_response=True))
        else:
            entries.append(BundleEntry(number, entry.resource, address=entry.fullUrl))
            others.append((entry.fullUrl, entry.resource))
    return OpenedBundle(bundle.type, tuple(entries), Along(others))


def _fault(entry: Entry, place: str, *, asks: bool) -> Violation | None:
    method = entry.request.method if entry.request is not None else None
    if asks and method not in {"POST", "PUT"}:
        expected = "POST or PUT; send a response as entered-in-error to withdraw it"
        return Violation(f"{place}.request.method", "is missing or not one that is served", expected)
    if entry.resource == NOT_SENT:
        return Violation(f"{place}.resource", "is missing", "a resource")
    return None
