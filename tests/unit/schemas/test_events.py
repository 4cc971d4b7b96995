"""Every payload version ever published still decodes, fits its schema, and is written again as it was."""

import json
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

import schemas.golden
from schemas import events
from schemas.envelope import EVENTS, decode, encode, error_summary
from schemas.export import documents

GOLDEN = Path(schemas.golden.__file__).parent
FILES = sorted(GOLDEN.rglob("*.json"))
PUBLISHED = documents()


def named(file: Path) -> str:
    """A golden file's name in a test report."""
    return file.relative_to(GOLDEN).as_posix()


def kind_of(file: Path) -> str:
    """The type of the event in a golden file."""
    return f"alliance.{file.parent.name}"


@pytest.mark.parametrize("file", FILES, ids=named)
def test_a_golden_event_is_written_again_as_it_was(file: Path) -> None:
    golden = file.read_bytes().rstrip(b"\n")
    assert golden == encode(decode(golden))


@pytest.mark.parametrize("file", FILES, ids=named)
def test_a_golden_event_lies_in_the_folder_of_its_type(file: Path) -> None:
    assert kind_of(file) == decode(file.read_bytes()).type


@pytest.mark.parametrize("file", FILES, ids=named)
def test_a_golden_event_fits_its_published_schema(file: Path) -> None:
    schema = PUBLISHED[f"events/{kind_of(file)}.json"]
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert [error.message for error in validator.iter_errors(json.loads(file.read_bytes()))] == []


@pytest.mark.parametrize("kind", EVENTS)
def test_every_field_of_an_event_stands_in_a_golden_file(kind: str) -> None:
    data = EVENTS[kind].model_fields["data"].annotation
    assert isinstance(data, type)
    assert issubclass(data, BaseModel)
    written: set[str] = set()
    for file in FILES:
        if kind_of(file) == kind:
            written |= set(json.loads(file.read_bytes())["data"])
    assert set(data.model_fields) == written


@pytest.mark.parametrize("model", events.Event.__subclasses__(), ids=lambda model: model.__name__)
def test_what_may_be_none_may_be_absent_because_none_is_not_written(model: type[BaseModel]) -> None:
    assert [
        name
        for name, field in model.model_fields.items()
        if NoneType in get_args(field.annotation) and field.is_required()
    ] == []


@pytest.mark.parametrize("file", FILES, ids=named)
def test_a_field_that_a_newer_producer_adds_is_ignored(file: Path) -> None:
    golden = json.loads(file.read_bytes())
    newer = {**golden, "extension": "new", "data": {**golden["data"], "added_later": [1, 2]}}
    assert decode(file.read_bytes()) == decode(json.dumps(newer).encode())


def faults(changes: dict[str, Any]) -> str:
    """The summary of what is wrong with a rating's event after `changes` of its data."""
    golden = json.loads((GOLDEN / "session-rated.v1" / "items.json").read_bytes())
    with pytest.raises(ValidationError) as caught:
        decode(json.dumps({**golden, "data": {**golden["data"], **changes}}).encode())
    return error_summary(caught.value)


def test_a_summary_names_places_and_kinds() -> None:
    expected = "event.alliance.session-rated.v1.data.items.1: float_parsing"
    assert expected == faults({"items": [1, "Jo Doe"]})


def test_a_summary_shows_no_name_that_came_with_the_data() -> None:
    golden = json.loads((GOLDEN / "assessed.v1" / "rated.json").read_bytes())
    golden["data"]["components"] = {"Jo Doe": {"risk": 0.5}}
    with pytest.raises(ValidationError) as caught:
        decode(json.dumps(golden).encode())
    expected = "event.alliance.assessed.v1.data.components.?.?: enum"
    assert expected == error_summary(caught.value)


def test_a_summary_stops_after_a_few_faults() -> None:
    summary = faults({"items": ["x"] * 7})
    assert summary.endswith("items.4: float_parsing; and 2 more")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(b"{", "event: json_invalid"), (b'{"type": "Jo Doe"}', "event: union_tag_invalid")],
)
def test_what_is_no_event_is_summed_up_without_it(value: bytes, expected: str) -> None:
    with pytest.raises(ValidationError) as caught:
        decode(value)
    assert expected == error_summary(caught.value)
