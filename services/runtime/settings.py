"""Settings: environment variables in, frozen values out; secrets come from files named in them.

Each is read once, in a service's `__main__`, and handed on; nothing else looks at the environment.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.runtime.errors import Halt
from services.runtime.fuse import FuseLimits

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
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password_file: Path | None = None
    ssl_ca_file: Path | None = None
    embedded: bool = False
    """The in-process broker: topics have 4 partitions and come on first use, a new cluster id is adopted."""
    client_id: str = "rapport"
    group_instance_id: str | None = None
    """Static membership: a restart within the session timeout moves no partition. Unique per replica."""
    session_timeout_s: Seconds = 10
    publish_deadline_s: Seconds = 10
    """How long one batch of records may wait for its acknowledgements before it is tried again."""


class DatabaseSettings(BaseSettings):
    """How to reach PostgreSQL (`DATABASE_…`)."""

    model_config = SettingsConfigDict(env_prefix="DATABASE_", frozen=True, extra="ignore")

    url: SecretStr
    password_file: Path | None = None
    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] | None = None
    ssl_ca_file: Path | None = None
    connect_timeout_s: Annotated[int, Field(ge=1)] = 5
    pool_min_size: Annotated[int, Field(ge=0)] = 1
    pool_max_size: Annotated[int, Field(ge=1)] = 4


class HttpSettings(BaseSettings):
    """Where a service answers (`HTTP_…`); port 0 takes a free one, which the event `listening` names."""

    model_config = SettingsConfigDict(env_prefix="HTTP_", frozen=True, extra="ignore")

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    graceful_timeout_s: Seconds = 10


class LogSettings(BaseSettings):
    """What is logged and how (`LOG_…`)."""

    model_config = SettingsConfigDict(env_prefix="LOG_", frozen=True, extra="ignore")

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["json", "console"] = "json"


class FuseSettings(BaseSettings):
    """How many bad records stop a consumer (`RAPPORT_FUSE_…`)."""

    model_config = SettingsConfigDict(env_prefix="RAPPORT_FUSE_", frozen=True, extra="ignore")

    in_a_row: Annotated[int, Field(ge=1)] = 11
    of_last_1000: Annotated[int, Field(ge=1)] = 50

    @property
    def limits(self) -> FuseLimits:
        """The same, as the fuse takes it."""
        return FuseLimits(in_a_row=self.in_a_row, of_last_1000=self.of_last_1000)


class CredentialSettings(BaseSettings):
    """Which file holds the keys of those who may call (`RAPPORT_CREDENTIALS_FILE`)."""

    model_config = SettingsConfigDict(env_prefix="RAPPORT_", frozen=True, extra="ignore")

    credentials_file: Path
