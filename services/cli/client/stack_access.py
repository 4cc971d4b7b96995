"""Holds what a client needs to reach a running stack: its URLs, a key and the practices of the key."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from services.cli.client.api_client import ApiClient


@dataclass(frozen=True, slots=True)
class StackAccess:
    """URLs, and one network key with all scopes that grants `practices`."""

    ingest_url: str
    results_url: str
    notifier_url: str
    practices: tuple[str, ...]
    key: str = field(repr=False)
    mail_url: str | None = None
    """URL of the mail catcher; None where mail goes to real people."""

    @contextmanager
    def open_client(self) -> Iterator[ApiClient]:
        """Yield a client of the stack for the duration of the block."""
        with ApiClient.open(self.ingest_url, self.results_url, self.notifier_url, self.key) as client:
            yield client
