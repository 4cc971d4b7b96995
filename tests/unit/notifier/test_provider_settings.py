"""The settings file of identity providers: taken whole, or the field at fault is named."""

from pathlib import Path

import pytest

from services.notifier.openid.provider import OpenIdProvider
from services.notifier.openid.provider_settings import MatchedField, is_trusted_url, read_providers
from services.runtime.process.clock import SystemClock
from services.runtime.process.errors import Halt

LEAST = """
[north]
name = "Praxis Nord"
issuer = "https://login.example.org/realms/north"
client_id = "rapport"
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "openid.toml"
    file.write_text(text)
    return file


def test_without_a_file_no_practice_has_a_provider() -> None:
    assert read_providers(None) == {}


def test_what_is_left_out_is_the_verified_mail_address_and_mailed_links_beside_it(tmp_path: Path) -> None:
    north = read_providers(written(tmp_path, LEAST))["north"]
    assert (north.claim, north.matches, north.scope) == ("email", MatchedField.ADDRESS, "openid email")
    assert (north.mailed_links, north.on_sign_in_page, north.client_secret_file) == (True, False, None)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (LEAST.replace("https", "http"), "north.issuer"),
        (LEAST.replace('client_id = "rapport"', ""), "north.client_id"),
        (LEAST + 'client_secret = "canary"', "unknown field"),
        (LEAST + 'scope = "email"', "north.scope"),
        (LEAST + 'matches = "canary"', "north.matches"),
        ("[north", "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_named_and_never_repeated(tmp_path: Path, text: str, names: str) -> None:
    with pytest.raises(Halt, match=names) as halt:
        read_providers(written(tmp_path, text))
    assert "canary" not in str(halt.value)


def test_a_missing_secret_stops_the_start_and_a_secret_is_never_shown(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    file = written(tmp_path, f'{LEAST}client_secret_file = "{secret}"')
    settings = read_providers(file)["north"]
    with pytest.raises(Halt, match="secret file"):
        OpenIdProvider(settings, "https://rapport.example.org/callback", SystemClock())
    secret.write_text("canary")
    provider = OpenIdProvider(settings, "https://rapport.example.org/callback", SystemClock())
    assert "canary" not in repr(settings) + repr(vars(provider))


@pytest.mark.parametrize(
    "url", ["https://login.example.org", "http://127.0.0.1:8000", "http://[::1]:8000", "http://localhost"]
)
def test_secrets_are_sent_over_tls_or_to_this_machine(url: str) -> None:
    assert is_trusted_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.org",
        "http://localhost.example.org",
        "https://",
        "https://[",
        "ftp://127.0.0.1",
        None,
    ],
)
def test_secrets_are_sent_nowhere_else(url: object) -> None:
    assert not is_trusted_url(url)
