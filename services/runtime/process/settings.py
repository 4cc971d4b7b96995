"""Settings: environment variables in, frozen values out; secrets come from files named in them.

Each is read once, in a service's `__main__`, and handed on; nothing else looks at the environment.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.runtime.process.errors import Halt

Seconds = Annotated[float, Field(gt=0)]


def read_secret(path: Path) -> SecretStr:
    """The secret in a file, without the line break at its end.

    Raises:
        Halt: the file cannot be read or is empty; the message names the file and never its content.
    """
    try:
        secret = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Halt(
            f"cannot read the secret file {path} ({type(error).__name__}); check path and rights"
        ) from None
    if not secret:
        raise Halt(f"the secret file {path} is empty")
    return SecretStr(secret)


class KafkaSettings(BaseSettings):
    """How to reach Kafka (`KAFKA_…`); the password is read from its file at every start."""

    model_config = SettingsConfigDict(env_prefix="KAFKA_", frozen=True, extra="ignore")

    bootstrap_servers: str = "127.0.0.1:9092"
    """Host and port of one or more brokers, separated by commas."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How the connection is protected."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    """How to sign in, with a SASL protocol."""
    sasl_username: str | None = None
    """Who signs in."""
    sasl_password_file: Path | None = None
    """A file that holds the password; read at every start."""
    ssl_ca_file: Path | None = None
    """A file with the certificates to trust; left out: those of the system."""
    embedded: bool = False
    """The in-process broker: topics have 4 partitions and come on first use, a new cluster id is adopted."""
    client_id: str = "rapport"
    """How the brokers call this client in their logs and quotas."""
    group_instance_id: str | None = None
    """Static membership: a restart within the session timeout moves no partition. Unique per replica."""
    session_timeout_s: Seconds = 10
    """So long a member may be silent before its partitions go to others."""
    publish_deadline_s: Seconds = 10
    """How long one batch of records may wait for its acknowledgements before it is tried again."""


class DatabaseSettings(BaseSettings):
    """How to reach PostgreSQL (`DATABASE_…`)."""

    model_config = SettingsConfigDict(env_prefix="DATABASE_", frozen=True, extra="ignore")

    url: SecretStr
    """`postgresql://user@host/database`; the password may come from a file instead."""
    password_file: Path | None = None
    """A file that holds the password."""
    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] | None = None
    """As libpq has it; `verify-full` checks certificate and name."""
    ssl_ca_file: Path | None = None
    """A file with the certificates to trust; left out: those of the system."""
    connect_timeout_s: Annotated[int, Field(ge=1)] = 5
    """How long one attempt to connect may take."""
    pool_min_size: Annotated[int, Field(ge=0)] = 1
    """Connections kept open for pages and doors."""
    pool_max_size: Annotated[int, Field(ge=1)] = 4
    """Connections at most for pages and doors; the consumer has one of its own."""


class HttpSettings(BaseSettings):
    """Where a service answers (`HTTP_…`); port 0 takes a free one, which the event `listening` names."""

    model_config = SettingsConfigDict(env_prefix="HTTP_", frozen=True, extra="ignore")

    host: str = "127.0.0.1"
    """The address to answer on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    """The port to answer on."""
    graceful_timeout_s: Seconds = 10
    """How long requests under way may take to finish after SIGTERM."""


class LogSettings(BaseSettings):
    """What is logged and how (`LOG_…`)."""

    model_config = SettingsConfigDict(env_prefix="LOG_", frozen=True, extra="ignore")

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least level that is logged."""
    format: Literal["json", "console"] = "json"
    """One JSON object a line, or lines for people."""


class FuseSettings(BaseSettings):
    """How many bad records stop a consumer (`RAPPORT_FUSE_…`)."""

    model_config = SettingsConfigDict(env_prefix="RAPPORT_FUSE_", frozen=True, extra="ignore")

    in_a_row: Annotated[int, Field(ge=1)] = 11
    """So many undecodable or unprocessable records in a row stop the consumer."""
    of_last_1000: Annotated[int, Field(ge=1)] = 50
    """So many among the last 1,000 stop the consumer."""


class CredentialSettings(BaseSettings):
    """Which file holds the keys of those who may call (`RAPPORT_CREDENTIALS_FILE`)."""

    model_config = SettingsConfigDict(env_prefix="RAPPORT_", frozen=True, extra="ignore")

    credentials_file: Path
    """The file of keys and what they grant; read again when it changes."""
