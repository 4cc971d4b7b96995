"""Reads the identity providers of practices from a settings file, which names the files with secrets."""

import ssl
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from services.runtime.http.problem import field_errors
from services.runtime.process.errors import Halt

Text = Annotated[str, Field(min_length=1, max_length=500)]


class MatchedField(StrEnum):
    """The field of the directory that the provider's claim must equal."""

    ADDRESS = "address"
    """The mail address; letter case does not count, as everywhere in the directory."""
    THERAPIST_ID = "therapist_id"


class ProviderSettings(BaseModel):
    """How one practice signs in: a table of the settings file, named by the practice's id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=80)]
    """What therapists call the provider; it stands on the button."""
    issuer: Text
    """The provider's address, exactly as it names itself; only this machine may be named without TLS."""
    client_id: Text
    client_secret_file: Path | None = None
    """None for a public client, which PKCE alone protects."""
    ca_file: Path | None = None
    """Certificates to trust; None for those of the system."""
    scope: Text = "openid email"
    claim: Text = "email"
    """The claim that says who signed in. `email` counts only with `email_verified`."""
    matches: MatchedField = MatchedField.ADDRESS
    mailed_links: bool = True
    """False when therapists sign in only here: the link in a mail then leads here as well."""
    on_sign_in_page: bool = False
    """Whether the public sign-in page shows the button, and with it the practice's choice of provider."""

    @field_validator("issuer")
    @classmethod
    def _is_issuer(cls, value: str) -> str:
        if not is_trusted_url(value):
            raise ValueError("expected an https address")
        return value


def is_trusted_url(value: object) -> bool:
    """Return whether this is an address that secrets may be sent to: over TLS, or to this machine."""
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(host)))


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_PROVIDERS: TypeAdapter[dict[str, ProviderSettings]] = TypeAdapter(dict[str, ProviderSettings])


def read_providers(file: Path | None) -> Mapping[str, ProviderSettings]:
    """Return the providers by practice id; none without a file.

    Raises:
        Halt: the file cannot be read or used; the message names the fields.
    """
    if file is None:
        return {}
    try:
        found = _PROVIDERS.validate_python(tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Halt(f"NOTIFIER_OPENID_FILE: {file} cannot be read ({type(error).__name__})") from None
    except ValidationError as error:
        wrong = "; ".join(f"{one.field}: {one.message}" for one in field_errors(error))
        raise Halt(f"NOTIFIER_OPENID_FILE: {wrong}") from None
    for practice, provider in found.items():
        if "openid" not in provider.scope.split():
            raise Halt(f"NOTIFIER_OPENID_FILE: {practice}.scope: expected openid among the scopes")
    return found


def certificates(settings: ProviderSettings) -> ssl.SSLContext:
    """Return what a connection to the provider trusts.

    Raises:
        Halt: the file with certificates cannot be used.
    """
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise Halt(
            f"NOTIFIER_OPENID_FILE: {settings.ca_file} holds no certificates ({type(error).__name__})"
        ) from None
