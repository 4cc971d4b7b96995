"""Defines ingest's settings: its limits, and the file with the secret that record keys are hashed with."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.runtime.http.request_body import BodyLimits
from services.runtime.process.errors import Halt
from services.runtime.process.settings import read_secret

MIN_SECRET_BYTES = 32

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


class IngestSettings(BaseSettings):
    """The limits of one replica (`INGEST_…`); each is also a gauge in /metrics."""

    model_config = SettingsConfigDict(
        env_prefix="INGEST_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    max_body_bytes: Count = 16 * 1024
    """Largest rating: the body of a single request, or one line of a batch."""
    max_batch_lines: Count = 10_000
    """Largest number of lines in one batch."""
    max_batch_bytes: Count = 16 * 1024 * 1024
    """Largest size of one batch."""
    max_bundle_bytes: Count = 1024 * 1024
    """Largest FHIR resource: a QuestionnaireResponse, or a Bundle of at most as many entries as a batch has
    lines."""
    max_streams_per_practice: Count = 8
    """Largest number of batches and bundles that one practice may have open at a time."""
    max_unacknowledged: Count = 20_000
    """Largest number of records that Kafka has not acknowledged yet; one practice may hold half of them."""
    ratings_per_second: Annotated[float, Field(gt=0)] = 2_000
    """Ratings per second and practice; one second's worth may be sent at once."""
    ack_deadline_s: Seconds = 3
    """How long Kafka may take to acknowledge; after that the caller is asked to send again."""
    read_timeout_s: Seconds = 30
    """How long a caller may take to send a single rating, and may pause in the middle of a batch."""
    batch_wait_s: Seconds = 600
    """How long ingest waits for a batch in all, without the time in which it stores what has come."""
    results_url: str = ""
    """Address that `status_url` starts with; empty for a path relative to the caller's address of Rapport."""

    @property
    def single_limits(self) -> BodyLimits:
        """The limits of the body of a single rating."""
        return BodyLimits(self.max_body_bytes, self.read_timeout_s)

    @property
    def batch_limits(self) -> BodyLimits:
        """The limits of the body of a batch."""
        return BodyLimits(self.max_batch_bytes, self.batch_wait_s)

    @property
    def bundle_limits(self) -> BodyLimits:
        """The limits of the body of a FHIR resource."""
        return BodyLimits(self.max_bundle_bytes, self.read_timeout_s)


class KeySettings(BaseSettings):
    """The file with the secret that record keys are hashed with (`RAPPORT_KEY_SECRET_FILE`)."""

    model_config = SettingsConfigDict(
        env_prefix="RAPPORT_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    key_secret_file: Path
    """A file with at least 32 random bytes; record keys are hashes of dyads keyed with it."""

    def secret(self) -> bytes:
        """Read the secret.

        Raises:
            Halt: the file cannot be read, or the secret is so short that hashes could be guessed.
        """
        secret = read_secret(self.key_secret_file).get_secret_value().encode()
        if len(secret) < MIN_SECRET_BYTES:
            raise Halt(
                f"the secret in {self.key_secret_file} has fewer than {MIN_SECRET_BYTES} bytes; "
                "write a new one with `openssl rand -hex 32`"
            )
        return secret
