"""What ends a command from outside is a sentence; a fault of the program keeps its traceback."""

import errno
from pathlib import Path

import httpx
import psycopg
import pytest
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import OperationalError

import services
from services.cli.error_text import error_text
from services.runtime.process.errors import Halt, Retry
from services.runtime.process.settings import KafkaSettings


class _Event(BaseModel):
    number: int


def test_a_wrong_setting_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "TLS")
    with pytest.raises(ValidationError) as raised:
        KafkaSettings()
    assert (error_text(raised.value) or "").startswith("KAFKA_SECURITY_PROTOCOL must be one of 'PLAINTEXT'")


def test_a_database_that_refuses_is_said_in_its_words() -> None:
    refused = psycopg.OperationalError('password authentication failed for user "rapport"')
    for error in (refused, OperationalError("SELECT 1", {}, refused)):
        said = error_text(error) or ""
        assert "DATABASE_URL" in said
        assert 'password authentication failed for user "rapport"' in said
        assert "SELECT" not in said


def test_a_fault_of_ours_stays_one() -> None:
    with pytest.raises(ValidationError) as raised:
        _Event.model_validate({"number": "x"})
    assert error_text(raised.value) is None
    assert error_text(KeyError("x")) is None
    assert error_text(Halt("The topic is missing.")) == "The topic is missing."


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:9", "No service answers at http://127.0.0.1:9 ("),
        ("127.0.0.1:9", "The address of a service is wrong ("),
        ("ftp://x", "The address of a service is wrong ("),
    ],
)
def test_an_address_at_which_nothing_answers_is_named(url: str, said: str) -> None:
    with pytest.raises((httpx.TransportError, httpx.InvalidURL)) as raised:
        httpx.get(f"{url}/v1/instruments", trust_env=False)
    text = error_text(raised.value) or ""
    assert text.startswith(said)
    assert "RAPPORT_INGEST_URL" in text


def test_a_broker_that_is_away_is_named() -> None:
    said = error_text(KafkaConnectionError("Unable to bootstrap from 127.0.0.1:9")) or ""
    assert said.startswith("The broker could not be reached; check KAFKA_BOOTSTRAP_SERVERS")
    assert said.endswith("127.0.0.1:9")


def test_a_file_that_cannot_be_written_is_named_and_one_of_the_program_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as raised:
        (tmp_path / "none" / "page.html").write_text("")
    said = error_text(raised.value) or ""
    assert said.startswith(f"{tmp_path}/none/page.html cannot be used: No such file or directory.")
    with pytest.raises(OSError, match="No such file") as own:
        Path(services.__file__).with_name("none.toml").read_text()
    assert error_text(own.value) is None


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (psycopg.errors.UndefinedTable, "not those of this version"),
        (psycopg.errors.UndefinedColumn, "Run `rapport migrate`"),
        (psycopg.errors.InvalidSchemaName, "DATABASE_URL names the database of Rapport"),
        (psycopg.errors.LockNotAvailable, "in use, perhaps by a backup or a migration"),
        (psycopg.errors.InsufficientPrivilege, "The role in DATABASE_URL may not do this"),
        (psycopg.errors.ReadOnlySqlTransaction, "Point DATABASE_URL at the primary server"),
    ],
)
def test_what_the_database_refuses_is_said_with_what_helps(error: type[psycopg.Error], said: str) -> None:
    assert said in (error_text(error("refused")) or "")


def test_other_errors_of_statements_are_faults_of_the_program() -> None:
    assert error_text(psycopg.errors.UniqueViolation("x")) is None
    assert error_text(psycopg.errors.SyntaxError("x")) is None


def test_a_broker_that_refuses_and_a_service_that_is_away_are_named() -> None:
    assert "(KafkaTimeoutError). Check KAFKA_BOOTSTRAP_SERVERS" in (error_text(KafkaTimeoutError("x")) or "")
    assert error_text(Retry("Kafka is away")) == "Kafka is away. `rapport doctor` says what does not answer."


def test_a_disk_that_is_full_is_named() -> None:
    assert (error_text(OSError(errno.ENOSPC, "No space left on device")) or "").startswith(
        "Not everything could"
    )
    assert error_text(OSError(errno.EBADF, "Bad file descriptor")) is None
