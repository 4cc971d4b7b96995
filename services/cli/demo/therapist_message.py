"""Shows one message as its therapist reads it: the mail, and the page behind its sign-in link."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
from jinja2.filters import do_striptags

from services.cli.client.mail_catcher_client import MailCatcherClient

_LINK = re.compile(r"https?://\S+")
_MAIN = re.compile(r"<main\b[^>]*>(.*)</main>", re.DOTALL)
_NOT_READ = re.compile(r"<(nav|svg)\b.*?</\1>", re.DOTALL)
_VISIBLE_MARKUP = (
    (re.compile(r"</(th|td)>(?=<t)"), " | "),
    (re.compile(r"<li\b[^>]*>"), "- "),
    (re.compile(r"<button\b[^>]*>"), "[ "),
    (re.compile(r"</button>"), " ]"),
    (re.compile(r"</(p|li)>"), "\n"),
)


@dataclass(frozen=True, slots=True)
class TherapistMessage:
    """One mail and the page that its link opens."""

    to: str
    subject: str
    mail: str
    page: str
    """The words of the page, one element per line."""
    url: str
    cookies: dict[str, str] = field(repr=False)
    """The session in which the page was read."""


def address_of(practice: str, therapist: str) -> str:
    """Return a therapist's address in the demonstration; the domain `example` is reserved."""
    return f"{therapist}@{practice}.example"


def link_in(mail: str) -> str:
    """Return the first link in a mail's text.

    Raises:
        ValueError: the text contains no link.

    >>> link_in("See http://127.0.0.1:1/sign-in?token=a.b-c.")
    'http://127.0.0.1:1/sign-in?token=a.b-c'
    """
    found = _LINK.search(mail)
    if found is None:
        raise ValueError("the mail contains no link")
    return found.group().rstrip(".,)>")


def page_text(html: str) -> str:
    """Return the words of a notifier page's main part, one line for each element.

    >>> page_text("<main><h1>To review</h1>\\n<ul><li>A bad day</li></ul></main>")
    'To review\\n- A bad day'
    """
    main = _MAIN.search(html)
    text = _NOT_READ.sub("", main.group(1) if main else html)
    for markup, visible in _VISIBLE_MARKUP:
        text = markup.sub(visible, text)
    lines = (do_striptags(line) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def sign_in(link: str) -> tuple[str, str, dict[str, str]]:
    """Use a mailed sign-in link, as its page's button does; return the page behind it, its URL, the cookies.

    Raises:
        httpx.HTTPStatusError: the link is used up or unknown.
        KeyError: the link has no token.
    """
    url = httpx.URL(link)
    with httpx.Client(follow_redirects=True, timeout=10, trust_env=False) as browser:
        answer = browser.post(url.copy_with(query=None), data={"token": url.params["token"]})
        answer.raise_for_status()
        return page_text(answer.text), str(answer.url), dict(browser.cookies)


def read_message(
    mails: MailCatcherClient, episodes: Sequence[dict[str, Any]], notifier_url: str
) -> tuple[TherapistMessage, dict[str, Any]] | None:
    """Return the message about the first of these episodes that a mail leads to, and that episode.

    The page is read at `notifier_url`: from a container the notifier's public address is not reachable.
    """
    received = mails.list()
    for episode in episodes:
        address = address_of(episode["practice"], episode["therapist_id"])
        for entry in received:
            if address not in entry["recipients"]:
                continue
            mail = mails.read(entry["number"])
            try:
                link = link_in(mail["text"])
                page, url, cookies = sign_in(_at_host_of(notifier_url, link))
            except (httpx.HTTPError, ValueError, KeyError):
                continue
            if str(episode["episode_id"]) in url:
                public_url = _at_host_of(link, url)
                message = TherapistMessage(address, mail["subject"], mail["text"], page, public_url, cookies)
                return message, episode
    return None


def _at_host_of(base: str, url: str) -> str:
    target = urlsplit(base)
    return urlunsplit(urlsplit(url)._replace(scheme=target.scheme, netloc=target.netloc))
