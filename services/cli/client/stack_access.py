"""Where a stack's client are and the key to them: all that the demonstration knows, near or far."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from services.cli.client.api_client import ApiClient


@dataclass(frozen=True, slots=True)
class StackAccess:
    """URLs and one network key with all scopes, which grants `practices`."""

    ingest_url: str
    results_url: str
    notifier_url: str
    practices: tuple[str, ...]
    key: str = field(repr=False)
    mail_url: str | None = None
    """Where the mail catcher shows what was sent; None where mail goes to real people."""

    @contextmanager
    def open_client(self) -> Iterator[ApiClient]:
        """The client while the block runs."""
        with ApiClient.open(self.ingest_url, self.results_url, self.notifier_url, self.key) as client:
            yield client
