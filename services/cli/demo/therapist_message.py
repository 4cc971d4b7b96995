"""A mail catcher in, one message as its therapist reads it out: the mail, and the page behind its button."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

import httpx

from services.cli.client.api_client import client
from services.cli.demo.html_text import Page

_LINK = re.compile(r"https?://\S+")


@dataclass(frozen=True, slots=True)
class TherapistMessage:
    """What left the house, and what stands behind the sign-in."""

    to: str
    subject: str
    mail: str
    page: str
    url: str
    cookies: dict[str, str] = field(repr=False)
    """The session in which the page was read."""


class MailCatcherClient:
    """The mail catcher's pages."""

    def __init__(self, url: str) -> None:
        self._url = url

    def count(self) -> int:
        """How many mails came in so far."""
        return len(self.list())

    def list(self) -> list[dict[str, Any]]:
        """All mails, without their text."""
        with client(self._url) as door:
            mails: list[dict[str, Any]] = door.get("/mails").raise_for_status().json()
        return mails

    def read(self, number: int) -> dict[str, Any]:
        """One mail."""
        with client(self._url) as door:
            mail: dict[str, Any] = door.get(f"/mails/{number}").raise_for_status().json()
        return mail


def address_of(practice: str, therapist: str) -> str:
    """The address that the demonstration gives a therapist; `example` exists nowhere."""
    return f"{therapist}@{practice}.example"


def link_in(mail: str) -> str:
    """The link in a mail's text.

    Raises:
        ValueError: there is none.
    """
    found = _LINK.search(mail)
    if found is None:
        raise ValueError("the mail holds no link")
    return found.group().rstrip(".,)>")


def through(link: str, door: str) -> str:
    """The same page by another door: therapists reach the pages elsewhere than those inside do."""
    there = urlsplit(door)
    return urlunsplit(urlsplit(link)._replace(scheme=there.scheme, netloc=there.netloc))


def open_link(url: str) -> tuple[Page, str, dict[str, str]]:
    """Open a mailed link and press the button behind it, like a browser: page, address, cookies.

    Raises:
        httpx.HTTPStatusError: a page answered with an error.
        ValueError: there is no button to press.
    """
    with httpx.Client(follow_redirects=True, timeout=10, trust_env=False) as browser:
        first = browser.get(url).raise_for_status()
        forms = [form for form in Page(first.text).forms if form.method == "post"]
        if not forms:
            raise ValueError("the page behind the mail's link has no button")
        # A browser says where a form was pressed; pages that guard against forgery look at it.
        head = {"Origin": str(first.url.copy_with(raw_path=b"/")).rstrip("/"), "Referer": str(first.url)}
        there = urljoin(str(first.url), forms[0].action)
        second = browser.post(there, data=forms[0].fields, headers=head).raise_for_status()
        return Page(second.text), str(second.url), dict(browser.cookies)


def read_message(
    mails: MailCatcherClient, told: Sequence[dict[str, Any]], door: str
) -> tuple[TherapistMessage, dict[str, Any]] | None:
    """The message of the first of these episodes that a mail leads to, read through the notifier's `door`."""
    listed = mails.list()
    for episode in told:
        address = address_of(episode["practice"], episode["therapist_id"])
        for entry in (one for one in listed if address in one["recipients"]):
            mail = mails.read(entry["number"])
            try:
                link = link_in(mail["text"])
                page, url, cookies = open_link(through(link, door))
            except (httpx.HTTPError, ValueError):
                continue
            if str(episode["episode_id"]) in url:
                shown = through(url, link)
                return TherapistMessage(
                    address, mail["subject"], mail["text"], page.text, shown, cookies
                ), episode
    return None
