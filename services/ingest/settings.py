"""Ingest's own settings: `INGEST_…`, and the file that holds the secret behind record keys."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.runtime.process.errors import Halt
from services.runtime.process.settings import read_secret

MIN_SECRET_BYTES = 32

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


class IngestSettings(BaseSettings):
    """The limits of one replica (`INGEST_…`); every one of them is a gauge in /metrics too."""

    model_config = SettingsConfigDict(env_prefix="INGEST_", frozen=True, extra="ignore")

    max_body_bytes: Count = 16 * 1024
    """One rating: the body of a single request, or one line of a batch."""
    max_batch_lines: Count = 10_000
    """Lines that one batch may have."""
    max_batch_bytes: Count = 16 * 1024 * 1024
    """Bytes that one batch may have."""
    max_streams_per_practice: Count = 8
    """Batches that one practice may have open at a time."""
    max_unacknowledged: Count = 20_000
    """Records handed to Kafka and not yet acknowledged; one practice may hold half of them."""
    ratings_per_second: Annotated[float, Field(gt=0)] = 2_000
    """For each practice; a second's worth may come at once."""
    ack_deadline_s: Seconds = 3
    """How long Kafka may take to acknowledge before the caller is told to send again."""
    read_timeout_s: Seconds = 30
    """How long a caller may send nothing in the middle of a body."""
    results_url: str = ""
    """Where `status_url` leads: empty for a path relative to the caller's own address of Rapport."""


class KeySettings(BaseSettings):
    """Which file holds the secret that hashes dyads into record keys (`RAPPORT_KEY_SECRET_FILE`)."""

    model_config = SettingsConfigDict(env_prefix="RAPPORT_", frozen=True, extra="ignore")

    key_secret_file: Path
    """At least 32 random bytes; dyads are hashed with it into the keys of records."""

    def secret(self) -> bytes:
        """The secret.

        Raises:
            Halt: the file cannot be read, or its secret is too short to keep the hashes from being guessed.
        """
        secret = read_secret(self.key_secret_file).get_secret_value().encode()
        if len(secret) < MIN_SECRET_BYTES:
            raise Halt(
                f"the secret in {self.key_secret_file} has fewer than {MIN_SECRET_BYTES} bytes; "
                "write a new one with `openssl rand -hex 32`"
            )
        return secret
