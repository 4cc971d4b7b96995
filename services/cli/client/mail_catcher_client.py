"""Reads mails from the mail catcher's JSON interface."""

from collections.abc import Collection
from typing import Any

from services.cli.client.api_client import http_client


class MailCatcherClient:
    """A client of one mail catcher."""

    def __init__(self, url: str) -> None:
        self._url = url

    def count(self, recipients: Collection[str] | None = None) -> int:
        """Return how many mails the catcher has received for these recipients (None: for anybody)."""
        counted = None if recipients is None else frozenset(recipients)
        return sum(counted is None or not counted.isdisjoint(mail["recipients"]) for mail in self.list())

    def list(self) -> list[dict[str, Any]]:
        """Return all mails without their text."""
        with http_client(self._url) as client:
            mails: list[dict[str, Any]] = client.get("/mails").raise_for_status().json()
        return mails

    def read(self, number: int) -> dict[str, Any]:
        """Return one mail with its text."""
        with http_client(self._url) as client:
            mail: dict[str, Any] = client.get(f"/mails/{number}").raise_for_status().json()
        return mail
