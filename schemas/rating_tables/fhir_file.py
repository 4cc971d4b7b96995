"""Reads a file of FHIR resources, a bundle or one resource per line, into rows of ratings."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Raw

from schemas.fhir.bundle import READ, open_bundle
from schemas.fhir.references import Along
from schemas.fhir.resources import kind_of
from schemas.fhir.response_rating import decode_response, read_response
from schemas.instruments.catalogue import Catalogue
from schemas.rating_tables.table_errors import UnusableTable
from schemas.validation_errors import InvalidInput, Violation

_SAMPLE = 65_536
_MARK = '"resourceType"'


class FhirRow(NamedTuple):
    """One response: the number of its line, or of its entry in the bundle, and its rating or its faults."""

    number: int
    body: dict[str, object]
    faults: tuple[Violation, ...] = ()


class _Resource(NamedTuple):
    number: int
    address: str | None
    content: bytes
    faults: tuple[Violation, ...] = ()


def holds_resources(text: str) -> bool:
    """Return whether a text in JSON is FHIR: its first object, or that of its list, has a resourceType."""
    if _MARK not in text[:_SAMPLE]:
        return False
    beginning = text.lstrip().removeprefix("[").lstrip()
    try:
        first, _ = json.JSONDecoder().raw_decode(beginning)
    except (ValueError, RecursionError):
        return False
    return isinstance(first, dict) and "resourceType" in first


def read_resources(file: Path, text: str, catalogue: Catalogue) -> list[FhirRow]:
    """Return the responses of a file as ratings; other resources are read for what the responses refer to.

    Raises:
        UnusableTable: the text is no JSON, a bundle in it cannot be read, or it holds no response.
    """
    rows: list[FhirRow] = []
    resources = list(_resources(file, text))
    along = Along((each.address, Raw(each.content)) for each in resources if _comes_along(each))
    for number, _, content, faults in resources:
        if faults:
            rows.append(FhirRow(number, {}, faults))
        elif kind_of(content) == READ:
            try:
                rating = read_response(decode_response(content), catalogue, along)
                rows.append(FhirRow(number, rating.body))
            except InvalidInput as invalid:
                rows.append(FhirRow(number, {}, invalid.violations))
    if not rows:
        raise UnusableTable(f"{file} holds no QuestionnaireResponse, which is what is read as a rating.")
    return rows


def _comes_along(resource: _Resource) -> bool:
    return not resource.faults and kind_of(resource.content) not in {None, READ}


def _resources(file: Path, text: str) -> Iterator[_Resource]:
    try:
        values = _values(file, text)
        for number, value in values:
            if kind_of(value) != "Bundle":
                yield _Resource(number, None, value)
                continue
            opened = open_bundle(value, from_file=True)
            # A file is one bundle, or has one on each line; entries are numbered in the first case.
            single = len(values) == 1
            for entry in opened.entries:
                place = entry.number + 1 if single else number
                yield _Resource(place, entry.address, bytes(entry.resource), entry.violations)
    except InvalidInput as invalid:
        fault = invalid.violations[0]
        raise UnusableTable(f"{file}: {fault.field} {fault.message}. Expected: {fault.expected}.") from None


def _values(file: Path, text: str) -> list[tuple[int, bytes]]:
    """Return the values of a text: its only one, those of its list, or one for each line."""
    try:
        whole = msgspec.json.decode(text, type=Raw)
    except (msgspec.DecodeError, RecursionError):
        return list(_lines(file, text))
    if text.lstrip().startswith("["):
        listed = msgspec.json.decode(whole, type=list[Raw])
        return [(number, bytes(value)) for number, value in enumerate(listed, start=1)]
    return [(1, bytes(whole))]


def _lines(file: Path, text: str) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield number, bytes(msgspec.json.decode(line, type=Raw))
        except (msgspec.DecodeError, RecursionError):
            raise UnusableTable(f"{file}, line {number}: this is no JSON.") from None
