"""Log lines are JSON objects with static events, and exceptions are logged without their messages."""

import asyncio
import json
import logging

import psycopg
import pytest
from pydantic import BaseModel, ValidationError

from services.runtime.process.errors import Halt
from services.runtime.process.log import LIBRARY, configure, describe, get_logger
from services.runtime.process.settings import LogSettings

SECRET = "maria.muster@example.org"

pytestmark = pytest.mark.usefixtures("logging_as_before")


def line(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    """Return the only line that was written."""
    (text,) = capsys.readouterr().out.splitlines()
    found: dict[str, object] = json.loads(text)
    return found


def test_a_line_is_json_with_event_level_service_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(), "sample")
    get_logger().info("batch-done", records=3)

    found = line(capsys)

    assert {
        "event": "batch-done",
        "level": "info",
        "service": "sample",
        "records": 3,
    }.items() <= found.items()
    assert str(found["timestamp"]).endswith("Z")


def test_an_exception_shows_types_and_stack_frames_but_not_its_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Model(BaseModel):
        number: int

    configure(LogSettings(), "sample")
    try:
        Model.model_validate({"number": SECRET})
    except ValidationError as error:
        get_logger().error("failed", exc_info=error)

    text = json.dumps(line(capsys))

    assert SECRET not in text
    assert "ValidationError" in text
    assert "test_log.py:" in text


def test_the_cause_is_shown_without_its_message_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(), "sample")
    halt = Halt("run the migrations")
    halt.__cause__ = KeyError(SECRET)
    get_logger().error("halted", exc_info=halt)

    text = json.dumps(line(capsys))

    assert SECRET not in text
    assert "Halt: run the migrations" in text
    assert "KeyError" in text


def test_log_lines_of_libraries_are_treated_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(), "sample")
    logging.getLogger("library").error("it failed\nwith %s", SECRET, exc_info=ValueError(SECRET))

    found = line(capsys)

    assert (found["event"], found["logger"]) == (LIBRARY, "library")
    assert (found["template"], found["message"]) == ("it failed", "it failed")
    assert SECRET not in json.dumps(found)


async def test_a_task_that_nobody_waited_for_does_not_log_its_exceptions_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure(LogSettings(), "sample")
    asyncio.get_running_loop().call_exception_handler(
        {"message": "Task exception was never retrieved", "exception": ValueError(SECRET)}
    )

    found = line(capsys)

    assert (found["event"], found["message"]) == (LIBRARY, "Task exception was never retrieved")
    assert SECRET not in json.dumps(found)


def test_an_object_in_a_field_is_named_by_its_type(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(), "sample")
    get_logger().info("odd", value=object())

    assert line(capsys)["value"] == "<object>"


def test_a_database_error_is_described_by_its_state() -> None:
    error = psycopg.errors.UniqueViolation(f"Key (id)=({SECRET}) already exists")

    assert describe(error) == "UniqueViolation (SQL state 23505)"


def test_debug_lines_are_not_written_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(), "sample")
    get_logger().debug("detail")

    assert capsys.readouterr().out == ""


def test_a_repeated_message_of_the_kafka_client_is_logged_once_a_minute(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure(LogSettings(), "sample")
    for number in range(50):
        logging.getLogger("aiokafka.client").error("no connection to node %s", number)
    logging.getLogger("aiokafka.client").error("something else")

    lines = [json.loads(text) for text in capsys.readouterr().out.splitlines()]

    assert [one["message"] for one in lines] == ["no connection to node 0", "something else"]
    assert [one["template"] for one in lines] == ["no connection to node %s", "something else"]
