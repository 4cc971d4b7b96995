"""Reads settings from environment variables into frozen values; secrets come from files that they name.

A service reads each once, in its `__main__`, and passes it on.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.runtime.process.errors import Halt

Seconds = Annotated[float, Field(gt=0)]
NameOrNone = Annotated[str | None, BeforeValidator(lambda name: name or None)]
"""An empty name is none, and not one that all replicas share."""
AuditDays = Annotated[int, Field(ge=366)]
AUDIT_DAYS = 1_096
"""Three years, the usual period of limitation."""
RejectionDays = Annotated[int, Field(ge=45)]
REJECTION_DAYS = 365
"""Longer than any topic keeps a record, so that nothing is rejected once more at a replay."""
_SHORTEST_SECRET_BYTES = 32


def read_secret(path: Path) -> SecretStr:
    """Return the secret in a file without its trailing line break.

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
    """How to connect to Kafka (`KAFKA_…`); the password is read from its file at every start."""

    model_config = SettingsConfigDict(
        env_prefix="KAFKA_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    bootstrap_servers: str = "127.0.0.1:9092"
    """Host and port of one or more brokers, separated by commas."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How the connection is protected."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = None
    """How to sign in when the protocol is a SASL one."""
    sasl_username: str | None = None
    """The user name to sign in with."""
    sasl_password_file: Path | None = None
    """A file that contains the password; it is read at every start."""
    ssl_ca_file: Path | None = None
    """A file with the certificates to trust; by default those of the system."""
    ssl_certificate_file: Path | None = None
    """A file with the client's own certificate (PEM) and those that lead to the brokers' authority."""
    ssl_key_file: Path | None = None
    """A file with the key of the client's certificate (PEM); by default it is in the certificate's file."""
    ssl_key_password_file: Path | None = None
    """A file that contains the password of the key, when it is encrypted."""
    oauth_token_file: Path | None = None
    """A file with the token for OAUTHBEARER; it is read for each new connection."""
    oauth_token_endpoint: str | None = None
    """The address that gives tokens for OAUTHBEARER to the client's own credentials."""
    oauth_client_id: str | None = None
    """The client's name at the token endpoint."""
    oauth_client_secret_file: Path | None = None
    """A file that contains the client's secret at the token endpoint; it is read for each new token."""
    oauth_scope: str | None = None
    """The scope to ask the token endpoint for."""
    oauth_ca_file: Path | None = None
    """A file with the certificates to trust at the token endpoint; by default those of the system."""
    embedded: bool = False
    """Whether the broker is the embedded one: 4 partitions per topic, and a new cluster id is adopted."""
    client_id: str = "rapport"
    """The name of this client in the brokers' logs and quotas."""
    group_instance_id: NameOrNone = None
    """Static membership: a restart within the session timeout moves no partition. Unique for each replica."""
    session_timeout_s: Seconds = 10
    """How long a member may be silent before its partitions are assigned to others."""
    publish_deadline_s: Seconds = 10
    """How long one batch of records may wait for its acknowledgements before it is tried again."""


class DatabaseSettings(BaseSettings):
    """How to connect to PostgreSQL (`DATABASE_…`)."""

    model_config = SettingsConfigDict(
        env_prefix="DATABASE_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    url: SecretStr
    """`postgresql://user@host/database`; the password may come from a file instead."""
    password_file: Path | None = None
    """A file that contains the password; it is read for each new connection."""
    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] | None = None
    """libpq's `sslmode`, needed for one on another machine; `verify-full` checks certificate and name."""
    ssl_ca_file: Path | None = None
    """A file with the certificates to trust; `verify-ca` and `verify-full` need it."""
    connect_timeout_s: Annotated[int, Field(ge=1)] = 5
    """How long one attempt to connect may take."""
    pool_min_size: Annotated[int, Field(ge=0)] = 1
    """Connections that are kept open for HTTP requests."""


class HttpSettings(BaseSettings):
    """Where a service listens (`HTTP_…`); port 0 picks a free one, which the log event `listening` names."""

    model_config = SettingsConfigDict(
        env_prefix="HTTP_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    host: str = "127.0.0.1"
    """The address to listen on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    """The port to listen on."""
    management_host: str = "127.0.0.1"
    """The address of the management port: metrics, reasons of /readyz, the OpenAPI document and its page."""
    management_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """The management port, for operators and Prometheus; no proxy may lead to it."""
    graceful_timeout_s: Seconds = 10
    """How long requests in progress may take to finish after SIGTERM."""
    max_connections: Annotated[int, Field(ge=2)] = 512
    """The most connections. For one more, the one that has waited longest for a request is closed."""
    max_head_bytes: Annotated[int, Field(ge=1024)] = 32 * 1024
    """Largest head of a request: its first line and headers, of which there may be 100."""
    head_timeout_s: Seconds = 10
    """How long the head of a request may take to arrive."""
    max_body_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024
    """Largest body that the detector and the notifier read; ingest has limits of its own."""
    body_timeout_s: Seconds = 30
    """How long the detector and the notifier wait for a body in all; ingest has limits of its own."""
    keep_alive_s: Annotated[int, Field(ge=1)] = 75
    """How long a connection waits for its next request: longer than a proxy, which closes it after 60 s."""


class LogSettings(BaseSettings):
    """What is logged and how (`LOG_…`)."""

    model_config = SettingsConfigDict(
        env_prefix="LOG_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The lowest level that is logged."""
    format: Literal["json", "console"] = "json"
    """One JSON object per line, or lines for people to read."""


class TraceSettings(BaseSettings):
    """Where traces are sent to (`TRACES_…`); `OTEL_EXPORTER_OTLP_HEADERS` adds headers, such as a key."""

    model_config = SettingsConfigDict(
        env_prefix="TRACES_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    url: str | None = None
    """A collector of OTLP over HTTP, such as http://collector:4318/v1/traces; without one, none are made."""
    sample_ratio: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The share of requests that are traced; what follows from one is traced with it."""


class FuseSettings(BaseSettings):
    """How many bad records stop a consumer (`RAPPORT_FUSE_…`)."""

    model_config = SettingsConfigDict(
        env_prefix="RAPPORT_FUSE_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    in_a_row: Annotated[int, Field(ge=1)] = 11
    """This many undecodable or unprocessable records in a row stop the consumer."""
    of_last_1000: Annotated[int, Field(ge=1)] = 50
    """This many among the last 1,000 records stop the consumer."""


class CredentialSettings(BaseSettings):
    """The file with the API keys (`RAPPORT_CREDENTIALS_FILE`)."""

    model_config = SettingsConfigDict(
        env_prefix="RAPPORT_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    credentials_file: Path
    """The file of API keys and their grants; it is read again when it changes."""


class ErasureSettings(BaseSettings):
    """The file with the secret that erased clients are hashed with (`RAPPORT_ERASURE_SECRET_FILE`)."""

    model_config = SettingsConfigDict(env_prefix="RAPPORT_", frozen=True, extra="ignore")

    erasure_secret_file: Path | None = None
    """File with at least 32 random bytes, the same for detector, notifier and `rapport`; it never changes."""

    def secret(self) -> bytes | None:
        """Return the secret; None when no file is named.

        Raises:
            Halt: the file cannot be read, or the secret is too short.
        """
        if self.erasure_secret_file is None:
            return None
        secret = read_secret(self.erasure_secret_file).get_secret_value().encode()
        if len(secret) < _SHORTEST_SECRET_BYTES:
            raise Halt(
                f"the secret in {self.erasure_secret_file} must have at least {_SHORTEST_SECRET_BYTES} bytes;"
                " make one with `head -c 48 /dev/urandom | base64 > FILE`"
            )
        return secret
