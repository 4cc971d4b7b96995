"""A mailed token: ours or not, and nothing readable in it."""

import base64
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from services.notifier.openid.pending_sign_in import PendingSigner, begin
from services.notifier.sign_in import LinkSigner, SignInSession
from services.notifier.signing_secrets import SigningSecrets
from services.runtime.process.errors import Halt

SECRET = b"0123456789abcdef" * 2
NEW_SECRET = b"fedcba9876543210" * 2


def test_a_token_names_its_link() -> None:
    links, link = LinkSigner(SigningSecrets(SECRET), "https://rapport.example"), uuid4()
    assert links.read(links.token(link)) == link


def test_a_token_of_another_secret_or_one_that_was_touched_is_not_ours() -> None:
    links, other = LinkSigner(SigningSecrets(SECRET), ""), LinkSigner(SigningSecrets(SECRET[::-1]), "")
    token = other.token(uuid4())
    mine = links.token(uuid4())
    assert [links.read(one) for one in (token, mine[:-1], "x" + mine, "", ".", "\x00")] == [None] * 6


def test_a_token_holds_an_id_and_nothing_else() -> None:
    link = uuid4()
    payload = LinkSigner(SigningSecrets(SECRET), "").token(link).partition(".")[0]
    assert base64.urlsafe_b64decode(payload + "==") == f'"{link.hex}"'.encode()


def test_a_short_secret_is_refused_at_the_start() -> None:
    with pytest.raises(Halt, match="32 bytes"):
        LinkSigner(SigningSecrets(b"short"), "")


def test_a_short_former_secret_is_refused_by_its_name() -> None:
    with pytest.raises(Halt, match="NOTIFIER_FORMER_SIGNING_SECRET_FILE"):
        LinkSigner(SigningSecrets(SECRET, b"short"), "")


def test_what_a_former_secret_signed_is_ours_and_what_is_signed_now_needs_it_not() -> None:
    before, link = LinkSigner(SigningSecrets(SECRET), ""), uuid4()
    during = LinkSigner(SigningSecrets(NEW_SECRET, SECRET), "")
    after = LinkSigner(SigningSecrets(NEW_SECRET), "")
    shared = before.share_url(link).partition("token=")[2]

    assert (during.read(before.token(link)), during.read_share(shared)) == (link, link)
    assert (after.read(before.token(link)), after.read_share(shared)) == (None, None)
    assert after.read(during.token(link)) == link
    assert during.former_csrf(b"a") == before.csrf(b"a")
    assert after.former_csrf(b"a") is None


def test_a_form_that_was_shown_before_a_change_is_accepted_while_both_secrets_are_valid() -> None:
    shown = LinkSigner(SigningSecrets(SECRET), "").csrf(b"hash")

    def session(secrets: SigningSecrets) -> SignInSession:
        links = LinkSigner(secrets, "")
        return SignInSession("p", "t", uuid4(), b"hash", links.csrf(b"hash"), links.former_csrf(b"hash"))

    assert session(SigningSecrets(NEW_SECRET, SECRET)).accepts(shown)
    assert not session(SigningSecrets(NEW_SECRET)).accepts(shown)
    assert not session(SigningSecrets(NEW_SECRET, SECRET)).accepts("")


def test_a_sign_in_at_a_provider_that_began_before_a_change_goes_on() -> None:
    now = datetime.now(UTC)
    begun = begin("north", "", now)
    cookie = PendingSigner([SECRET]).write(begun)

    assert PendingSigner([SECRET, NEW_SECRET]).read(cookie, "north", now) == begun
    assert PendingSigner([NEW_SECRET]).read(cookie, "north", now) is None


def test_the_secret_of_a_form_differs_by_session() -> None:
    links = LinkSigner(SigningSecrets(SECRET), "")
    assert links.csrf(b"a") != links.csrf(b"b")
