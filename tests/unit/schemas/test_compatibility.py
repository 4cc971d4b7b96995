"""Each kind of change to a contract: which ones break somebody, and which do not."""

from copy import deepcopy
from typing import Any

import pytest

from schemas.compatibility import SchemaUse, breaking_changes, schema_changes
from schemas.export import documents

BEFORE: dict[str, Any] = {
    "$defs": {"Kind": {"enum": ["a", "b"], "type": "string"}},
    "type": "object",
    "properties": {
        "id": {"type": "string", "maxLength": 10, "pattern": "^x"},
        "count": {"type": "integer", "minimum": 0},
        "share": {"anyOf": [{"type": "number", "maximum": 1}, {"type": "null"}]},
        "kind": {"$ref": "#/$defs/Kind"},
        "marks": {"type": "array", "items": {"type": "number"}, "maxItems": 5},
        "parts": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Part"}},
        "type": {"const": "v1"},
        "note": {"type": "string"},
    },
    "required": ["id", "count"],
}
BEFORE["$defs"]["Part"] = {"type": "object", "properties": {"risk": {"type": "number"}}, "required": ["risk"]}

LEFT_OUT = object()


def changed(path: str, value: object) -> dict[str, Any]:
    """The schema with another value at a path; `LEFT_OUT` takes what is there away."""
    schema = deepcopy(BEFORE)
    *parents, last = path.split("/")
    node = schema
    for part in parents:
        node = node[part]
    if value is LEFT_OUT:
        del node[last]
    else:
        node[last] = value
    return schema


BREAKS_BOTH = [
    ("required", ["id", "count", "note"], "note is required now: what was written before has none"),
    ("properties/note", LEFT_OUT, "note is gone"),
    ("properties/note", {"type": "integer"}, "note may no longer be string"),
    ("properties/share", {"type": "number", "maximum": 1}, "share may no longer be null"),
    ("$defs/Kind/enum", ["a"], "kind may no longer be 'b'"),
    ("properties/note/enum", ["a"], "note takes only a list of values, was free"),
    ("properties/type/const", "v2", "type has another const"),
    ("properties/id/maxLength", 9, "id has maxLength 9, was 10"),
    ("properties/note/maxLength", 9, "note has maxLength 9, was not bounded"),
    ("properties/count/minimum", 1, "count has minimum 1, was 0"),
    ("properties/id/pattern", "^y", "id has another pattern"),
    ("properties/note/format", "date", "note has another format"),
    ("properties/marks/maxItems", 4, "marks has maxItems 4, was 5"),
    ("properties/marks/items/type", "string", "marks[] may no longer be number"),
    ("$defs/Part/required", ["risk", "new"], "parts{}.new is required now: what was written before has none"),
    ("properties/parts/additionalProperties", False, "parts no longer takes fields it does not know"),
    ("properties/parts/propertyNames", {"enum": ["a"]}, "parts{name} may no longer be anything"),
    ("additionalProperties", False, "the document no longer takes fields it does not know"),
]


@pytest.mark.parametrize("use", SchemaUse)
@pytest.mark.parametrize(("path", "value", "message"), BREAKS_BOTH)
def test_a_change_that_breaks_whoever_relies_on_it(
    path: str, value: object, message: str, use: SchemaUse
) -> None:
    assert message in schema_changes(BEFORE, changed(path, value), use)


BREAKS_READERS = [
    ("required", ["id"], "count may now be absent: who reads today relies on it"),
    (
        "properties/note",
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "note may now be null: who reads today does not expect it",
    ),
    ("properties/count", {"type": "number"}, "count may now be number: who reads today does not expect it"),
]


@pytest.mark.parametrize(("path", "value", "message"), BREAKS_READERS)
def test_a_change_that_breaks_only_readers_is_fine_for_what_we_receive(
    path: str, value: object, message: str
) -> None:
    now = changed(path, value)
    assert message in schema_changes(BEFORE, now, SchemaUse.PUBLISHED)
    assert schema_changes(BEFORE, now, SchemaUse.RECEIVED) == []


@pytest.mark.parametrize("use", SchemaUse)
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("properties/new", {"type": "string"}),
        ("properties/note/description", "what it is for"),
        ("$defs/Kind/enum", ["a", "b", "c"]),
        ("properties/kind", {"enum": ["b", "a"], "type": "string"}),
        ("properties/id/maxLength", 20),
        ("properties/id/pattern", LEFT_OUT),
        ("properties/count/minimum", -1),
        ("properties/share", {"anyOf": [{"type": "number", "maximum": 2}, {"type": "null"}]}),
        ("$defs/Part/properties/new", {"type": "string"}),
    ],
)
def test_a_change_that_breaks_nobody(path: str, value: object, use: SchemaUse) -> None:
    assert schema_changes(BEFORE, changed(path, value), use) == []


@pytest.mark.parametrize("name", documents())
def test_a_document_that_is_gone_breaks_its_readers(name: str) -> None:
    current = documents()
    del current[name]
    expected = f"{name}: is no longer published; keep it, and add a new version beside it"
    assert [expected] == breaking_changes(documents(), current)


def test_a_new_document_breaks_nobody() -> None:
    before = documents()
    del before["events/alliance.assessed.v1.json"]
    assert breaking_changes(before, documents()) == []


TOPIC = "alliance.assessed.v1"


def with_channel(**changes: object) -> dict[str, Any]:
    """Our documents with one topic changed."""
    current = deepcopy(documents())
    channel = current["asyncapi.json"]["channels"][TOPIC]
    channel["bindings"]["kafka"] |= {key: value for key, value in changes.items() if key == "partitions"}
    channel["messages"] = changes.get("messages", channel["messages"])
    return current


def test_another_number_of_partitions_breaks_the_order_of_keys() -> None:
    expected = f"asyncapi.json: topic {TOPIC} has 48 partitions, was 24: keys would move"
    assert [expected] == breaking_changes(documents(), with_channel(partitions=48))


def test_an_event_that_leaves_its_topic_breaks_its_readers() -> None:
    left: dict[str, object] = {"alliance.measure-stored.v1": {}}
    expected = f"asyncapi.json: topic {TOPIC} no longer carries alliance.assessed.v1"
    assert [expected] == breaking_changes(documents(), with_channel(messages=left))


def test_a_topic_that_is_gone_breaks_its_readers() -> None:
    current = deepcopy(documents())
    del current["asyncapi.json"]["channels"][TOPIC]
    expected = f"asyncapi.json: topic {TOPIC} is gone; keep it until nobody reads it"
    assert [expected] == breaking_changes(documents(), current)


def test_a_change_deep_in_an_event_is_found_with_its_place() -> None:
    current = deepcopy(documents())
    event = current["events/alliance.episode-changed.v1.json"]
    event["$defs"]["Change"]["enum"].remove("repaired")
    expected = "events/alliance.episode-changed.v1.json: data.change may no longer be 'repaired'"
    assert [expected] == breaking_changes(documents(), current)
