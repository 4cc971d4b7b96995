"""A mailed token: ours or not, and nothing readable in it."""

import base64
from uuid import uuid4

import pytest

from services.notifier.sign_in import LinkSigner
from services.runtime.process.errors import Halt

SECRET = b"0123456789abcdef" * 2


def test_a_token_names_its_link() -> None:
    links, link = LinkSigner(SECRET, "https://rapport.example"), uuid4()
    assert links.read(links.token(link)) == link


def test_a_token_of_another_secret_or_one_that_was_touched_is_not_ours() -> None:
    links, other = LinkSigner(SECRET, ""), LinkSigner(SECRET[::-1], "")
    token = other.token(uuid4())
    mine = links.token(uuid4())
    assert [links.read(one) for one in (token, mine[:-1], "x" + mine, "", ".", "\x00")] == [None] * 6


def test_a_token_holds_an_id_and_nothing_else() -> None:
    link = uuid4()
    payload = LinkSigner(SECRET, "").token(link).partition(".")[0]
    assert base64.urlsafe_b64decode(payload + "==") == f'"{link.hex}"'.encode()


def test_a_short_secret_is_refused_at_the_start() -> None:
    with pytest.raises(Halt, match="32 bytes"):
        LinkSigner(b"short", "")


def test_the_secret_of_a_form_differs_by_session() -> None:
    links = LinkSigner(SECRET, "")
    assert links.csrf(b"a") != links.csrf(b"b")
