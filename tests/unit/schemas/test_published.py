"""The published documents are what the code says, refer only into themselves, and show every drift."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from schemas import topics
from schemas.export import PUBLISHED, check, documents, export, read_folder
from tests.support.schemas.ratings import LEFT_OUT, sent

OPENAPI = {"ingest": {"openapi": "3.1.0"}}


def test_the_published_documents_are_what_the_code_says() -> None:
    assert check(PUBLISHED) == []


def test_what_was_exported_has_no_drift(tmp_path: Path) -> None:
    export(tmp_path, OPENAPI)
    assert check(tmp_path, OPENAPI) == []


def test_documents_of_services_are_written_beside_our_own(tmp_path: Path) -> None:
    export(tmp_path, OPENAPI)
    assert OPENAPI["ingest"] == read_folder(tmp_path)["openapi-ingest.json"]


def test_a_changed_document_is_a_drift(tmp_path: Path) -> None:
    export(tmp_path)
    file = tmp_path / "rating.v1.json"
    file.write_text(file.read_text().replace("128", "64"))
    assert check(tmp_path) == [
        "rating.v1.json differs from the code: run `rapport schemas export` and review the change"
    ]


def test_a_missing_document_is_a_drift(tmp_path: Path) -> None:
    export(tmp_path)
    (tmp_path / "asyncapi.json").unlink()
    assert check(tmp_path) == ["asyncapi.json is missing: run `rapport schemas export`"]


def test_a_document_that_nothing_says_any_more_is_a_drift_until_the_next_export(tmp_path: Path) -> None:
    export(tmp_path)
    (tmp_path / "events" / "old.json").write_text("{}")
    expected = "events/old.json is published, but no longer defined in the code: run `rapport schemas export`"
    assert [expected] == check(tmp_path)
    export(tmp_path)
    assert check(tmp_path) == []


def test_documents_of_services_stay_when_they_are_not_given(tmp_path: Path) -> None:
    export(tmp_path, OPENAPI)
    export(tmp_path)
    assert check(tmp_path) == []
    assert (tmp_path / "openapi-ingest.json").is_file()


def test_two_exports_are_equal_to_the_byte(tmp_path: Path) -> None:
    contents = [
        {file.relative_to(folder): file.read_bytes() for file in export(folder)}
        for folder in (tmp_path / "a", tmp_path / "b")
    ]
    assert contents[0] == contents[1]


@pytest.mark.parametrize("name", [name for name in documents() if name != "asyncapi.json"])
def test_every_schema_is_a_json_schema(name: str) -> None:
    Draft202012Validator.check_schema(documents()[name])


def rating_faults(body: bytes) -> list[str]:
    """What the published schema of a rating says of a body: the fields at fault."""
    validator = Draft202012Validator(documents()["rating.v1.json"])
    return [".".join(map(str, error.path)) for error in validator.iter_errors(json.loads(body))]


def test_a_good_rating_fits_the_published_schema() -> None:
    assert rating_faults(sent(id="r-1", case_id="case-1", recorded_at="2026-11-20T12:00:00Z")) == []


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"client_id": "jo@example.org"}, ["client_id"]),
        ({"client_id": "jo doe"}, ["client_id"]),
        ({"client_id": "x" * 129}, ["client_id"]),
        ({"id": "a/b"}, ["id"]),
        ({"session_at": 17}, ["session_at"]),
        ({"status": "lost"}, ["status"]),
        ({"surname": "x"}, [""]),
        ({"session_id": LEFT_OUT}, [""]),
    ],
)
def test_the_published_schema_of_a_rating_refuses_too(changes: dict[str, object], fields: list[str]) -> None:
    assert fields == rating_faults(sent(**changes))


def references(node: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """Every `$ref` below a node."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_reference_of_the_asyncapi_document_points_into_it() -> None:
    document = documents()["asyncapi.json"]
    for reference in set(references(document)):
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            assert part in target, reference
            target = target[part]


def test_the_asyncapi_document_names_every_topic_with_its_partitions_and_retention() -> None:
    channels = documents()["asyncapi.json"]["channels"]
    assert {topic.name: (topic.partitions, topic.retention_ms) for topic in topics.ALL} == {
        name: (kafka["partitions"], kafka["topicConfiguration"]["retention.ms"])
        for name, channel in channels.items()
        for kafka in [channel["bindings"]["kafka"]]
    }


def test_the_asyncapi_document_names_who_writes_and_who_reads() -> None:
    expected = {f"{service}.send.{topic.name}" for topic in topics.ALL for service in topic.written_by}
    expected |= {f"{service}.receive.{topic.name}" for topic in topics.ALL for service in topic.read_by}
    assert expected == set(documents()["asyncapi.json"]["operations"])
