"""Finds the services, Kafka and PostgreSQL: from the environment, or else from what `rapport up` runs."""

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import typer
from pydantic import SecretStr

from services.cli.home import Home, RunningStack, default_home
from services.runtime.process.settings import DatabaseSettings, ErasureSettings, KafkaSettings

RUN_UP = "start everything on this machine with `rapport up`"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """How to reach each part; asking for an unknown one ends the command and says how to set it."""

    home: Home
    running: RunningStack | None

    @property
    def database(self) -> DatabaseSettings:
        """How to reach PostgreSQL (`DATABASE_URL`)."""
        if "DATABASE_URL" in os.environ:
            return DatabaseSettings()
        if self.running is None:
            raise _missing(f"No database is configured: set DATABASE_URL, or {RUN_UP}.")
        return DatabaseSettings(url=SecretStr(self.running.database_url))

    @property
    def kafka(self) -> KafkaSettings:
        """How to reach Kafka (`KAFKA_…`)."""
        if "KAFKA_BOOTSTRAP_SERVERS" in os.environ:
            return KafkaSettings()
        if self.running is None:
            raise _missing(f"No broker is configured: set KAFKA_BOOTSTRAP_SERVERS, or {RUN_UP}.")
        settings = {name.removeprefix("KAFKA_").lower(): value for name, value in self.running.kafka.items()}
        return KafkaSettings.model_validate(settings)

    @property
    def credentials(self) -> Path:
        """The file with the hashes of keys (`RAPPORT_CREDENTIALS_FILE`)."""
        file = os.environ.get("RAPPORT_CREDENTIALS_FILE")
        return Path(file) if file else self.home.credentials

    @property
    def erasure_secret(self) -> bytes:
        """The secret that erased clients are hashed with (`RAPPORT_ERASURE_SECRET_FILE`).

        Raises:
            Halt: the file cannot be used.
        """
        settings = ErasureSettings()
        if settings.erasure_secret_file is None and self.running is not None:
            settings = ErasureSettings(erasure_secret_file=self.home.secret("erasure"))
        secret = settings.secret()
        if secret is None:
            raise _missing(
                "No secret is configured: set RAPPORT_ERASURE_SECRET_FILE to the file that the detector"
                " and the notifier read, too."
            )
        return secret

    def url(self, service: str) -> str:
        """Return the base URL of `ingest`, `results` or `notifier` (`RAPPORT_INGEST_URL`, …)."""
        variable = f"RAPPORT_{service.upper()}_URL"
        url = os.environ.get(variable)
        if url:
            return _checked(variable, url)
        if self.running is None:
            raise _missing(f"The address of {service} is not configured: set {variable}, or {RUN_UP}.")
        urls = {
            "ingest": self.running.ingest_url,
            "results": self.running.results_url,
            "notifier": self.running.notifier_url,
        }
        return urls[service]

    def known_url(self, service: str) -> str | None:
        """Return a base URL at which a service says whether it is healthy; None where none is configured."""
        if self.running is None and not os.environ.get(f"RAPPORT_{service.upper()}_URL"):
            return self.management_url(service)
        return self.management_url(service) or self.url(service)

    def management_url(self, service: str) -> str | None:
        """Return the base URL of a management port (`RAPPORT_INGEST_MANAGEMENT_URL`, …); None if unknown."""
        url = os.environ.get(f"RAPPORT_{service.upper()}_MANAGEMENT_URL")
        if url:
            return url.rstrip("/")
        if self.running is None or f"RAPPORT_{service.upper()}_URL" in os.environ:
            return None
        return self.running.management_urls[service]


def find_endpoints() -> Endpoints:
    """Read the home folder once and return the endpoints."""
    home = Home(default_home())
    return Endpoints(home, home.running())


def _checked(variable: str, url: str) -> str:
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or any(map(str.isspace, url)):
        raise _missing(
            f"{variable} is no address of a service: expected http:// or https:// with host and port, such as"
            " http://127.0.0.1:8080."
        )
    return url.rstrip("/")


def share_running_database() -> None:
    """Set DATABASE_URL, where it is not set, to the database of the running stack.

    The commands of services read settings alone, and know nothing of what runs here.
    """
    running = find_endpoints().running
    if running is not None:
        os.environ.setdefault("DATABASE_URL", running.database_url)


def _missing(sentence: str) -> typer.Exit:
    typer.secho(sentence, err=True, fg="red")
    return typer.Exit(2)
