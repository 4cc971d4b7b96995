"""What ends a command from outside is a sentence; a fault of the program keeps its traceback."""

import psycopg
import pytest
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import OperationalError

from services.cli.error_text import error_text
from services.runtime.process.errors import Halt
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
