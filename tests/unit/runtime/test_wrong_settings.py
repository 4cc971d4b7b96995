"""A wrong, missing or mistyped setting is explained: its variable, what is expected, never its value."""

import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsError

from schemas.instruments.settings import InstrumentSettings
from services.detector.settings import DetectorSettings
from services.ingest.settings import IngestSettings, KeySettings
from services.notifier.settings import (
    MailSettings,
    RetrySettings,
    WebhookSettings,
    WebSettings,
    WorkerSettings,
)
from services.runtime.postgres.connect import conninfo
from services.runtime.process.errors import Halt
from services.runtime.process.settings import (
    CredentialSettings,
    DatabaseSettings,
    FuseSettings,
    HttpSettings,
    KafkaSettings,
    LogSettings,
)
from services.runtime.process.wrong_settings import unknown_settings, wrong_settings

CANARY = "canary-in-the-wrong-place"
KNOWN = (InstrumentSettings, RetrySettings, WebhookSettings, WorkerSettings, FuseSettings)

WRONG: list[tuple[type[BaseSettings], str, str | None, str]] = [
    (
        KafkaSettings,
        "KAFKA_SECURITY_PROTOCOL",
        CANARY,
        "must be one of 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or",
    ),
    (
        KafkaSettings,
        "KAFKA_SASL_MECHANISM",
        CANARY,
        "must be one of 'PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512' or 'OAUTHBEARER'",
    ),
    (KafkaSettings, "KAFKA_EMBEDDED", CANARY, "must be true or false"),
    (KafkaSettings, "KAFKA_SESSION_TIMEOUT_S", CANARY, "must be a number"),
    (KafkaSettings, "KAFKA_SESSION_TIMEOUT_S", "0", "must be more than 0"),
    (KafkaSettings, "KAFKA_PUBLISH_DEADLINE_S", "-7.25", "must be more than 0"),
    (DatabaseSettings, "DATABASE_URL", None, "is not set"),
    (DatabaseSettings, "DATABASE_SSLMODE", CANARY, "must be one of 'disable', 'allow'"),
    (DatabaseSettings, "DATABASE_CONNECT_TIMEOUT_S", CANARY, "must be a whole number"),
    (DatabaseSettings, "DATABASE_CONNECT_TIMEOUT_S", "2.5", "must be a whole number"),
    (DatabaseSettings, "DATABASE_POOL_MIN_SIZE", "-93", "must be at least 0"),
    (DatabaseSettings, "DATABASE_CONNECT_TIMEOUT_S", "0", "must be at least 1"),
    (HttpSettings, "HTTP_PORT", CANARY, "must be a whole number"),
    (HttpSettings, "HTTP_PORT", "70123", "must be at most 65535"),
    (HttpSettings, "HTTP_MANAGEMENT_PORT", "-93", "must be at least 0"),
    (HttpSettings, "HTTP_GRACEFUL_TIMEOUT_S", "-93", "must be more than 0"),
    (HttpSettings, "HTTP_MAX_CONNECTIONS", "1", "must be at least 2"),
    (HttpSettings, "HTTP_MAX_HEAD_BYTES", "93", "must be at least 1024"),
    (LogSettings, "LOG_LEVEL", "TRACE", "must be one of 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
    (LogSettings, "LOG_FORMAT", CANARY, "must be one of 'json' or 'console'"),
    (FuseSettings, "RAPPORT_FUSE_IN_A_ROW", "0", "must be at least 1"),
    (FuseSettings, "RAPPORT_FUSE_OF_LAST_1000", CANARY, "must be a whole number"),
    (CredentialSettings, "RAPPORT_CREDENTIALS_FILE", None, "is not set"),
    (KeySettings, "RAPPORT_KEY_SECRET_FILE", None, "is not set"),
    (IngestSettings, "INGEST_MAX_BATCH_LINES", CANARY, "must be a whole number"),
    (IngestSettings, "INGEST_RATINGS_PER_SECOND", "0", "must be more than 0"),
    (DetectorSettings, "DETECTOR_OTHER_MODEL_DIRS", CANARY, "must be JSON"),
    (DetectorSettings, "DETECTOR_SWEEP_EVERY_S", "3600", "must be at most 60"),
    (DetectorSettings, "DETECTOR_MAX_RECORDS", "1e3", "must be a whole number"),
    (WebSettings, "NOTIFIER_PUBLIC_URL", None, "is not set"),
    (WebSettings, "NOTIFIER_PUBLIC_URL", CANARY, "cannot be used: expected an address such as https://"),
    (WebSettings, "NOTIFIER_ASKED_LINK_MINUTES", "4", "must be at least 5"),
    (MailSettings, "NOTIFIER_SMTP_TLS", CANARY, "must be one of 'none', 'starttls' or 'tls'"),
    (MailSettings, "NOTIFIER_SMTP_PORT", "0", "must be at least 1"),
]


@pytest.mark.parametrize(("settings", "variable", "value", "expected"), WRONG)
def test_a_wrong_setting_is_a_sentence_that_never_shows_its_value(
    monkeypatch: pytest.MonkeyPatch,
    settings: type[BaseSettings],
    variable: str,
    value: str | None,
    expected: str,
) -> None:
    monkeypatch.delenv(variable, raising=False)
    if value is not None:
        monkeypatch.setenv(variable, value)

    with pytest.raises((ValidationError, SettingsError)) as raised:
        settings()

    assert isinstance(raised.value, ValidationError | SettingsError)
    said = [line for line in wrong_settings(raised.value) if line.startswith(f"{variable} ")]
    assert len(said) == 1
    assert said[0].startswith(f"{variable} {expected}")
    meaning = settings.model_fields[
        variable.removeprefix(settings.model_config["env_prefix"]).lower()
    ].description
    assert meaning is not None
    assert " ".join(meaning.split()) in said[0]
    assert value is None or len(value) < 4 or value not in said[0]


@pytest.mark.parametrize(
    ("variable", "resembled"),
    [
        ("KAFKA_BOOTSTRAP_SERVER", "KAFKA_BOOTSTRAP_SERVERS"),
        ("DATABASE_PASWORD_FILE", "DATABASE_PASSWORD_FILE"),
        ("DETECTOR_MAX_RECORD", "DETECTOR_MAX_RECORDS"),
        ("RAPPORT_INSTRUMENT_DIR", "RAPPORT_INSTRUMENTS_DIR"),
        ("NOTIFIER_COLOUR_OF_PAGES", None),
    ],
)
def test_an_unknown_name_is_said_with_the_known_one_it_resembles(
    variable: str, resembled: str | None
) -> None:
    assert list(unknown_settings({variable: CANARY, "PATH": "/bin"})) == [(variable, resembled)]


@pytest.mark.parametrize(
    "variable",
    [
        "KAFKA_BOOTSTRAP_SERVERS",
        "KAFKA_HEAP_OPTS",
        "HTTP_PROXY",
        "DATABASE_BACKUP_BUCKET",
        "INGEST_SERVICE_HOST",
        "INGEST_PORT_8080_TCP_ADDR",
        "NOTIFIER_PORT",
    ],
)
def test_names_of_other_programs_and_of_platforms_are_left_alone(variable: str) -> None:
    assert list(unknown_settings({variable: CANARY})) == []


@pytest.mark.parametrize(
    "address",
    [
        "postgres+asyncpg://rapport:s3cret@db/rapport",
        "mysql://rapport:s3cret@db/rapport",
        "postgresql//rapport:s3cret@db/rapport",
        "postgresql://rapport:s3cret@[db/rapport",
        "postgresql://rapport:s3cret@db:port/rapport",
        "rapport:s3cret",
    ],
)
def test_an_address_that_cannot_be_read_never_shows_its_password(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", address)
    with pytest.raises(Halt) as raised:
        conninfo(DatabaseSettings.model_validate({}))
    assert "DATABASE_URL" in str(raised.value)
    assert "s3cret" not in str(raised.value)
