"""Stores API keys in a file: adds, changes and reads them.

A key is 256 random bits and is shown once; the file stores its SHA-256. (A slow hash protects guessable
secrets; 256 random bits cannot be guessed.) Every change replaces the whole file under a lock; running
services read it again.
"""

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from services.runtime.process.errors import Halt
from services.runtime.process.sandbox import is_sandbox
from services.runtime.process.whole_file import OWNER_ONLY, whole_file

PREFIX = "rpt_"
SANDBOX_PREFIX = f"{PREFIX}sandbox_"
"""Begins the keys of sandboxes, so that whoever reads one sees what it is for."""


class ApiKey(BaseModel):
    """One key as the file stores it: its hash and its grants."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key_id: str
    sha256: str = Field(repr=False, pattern="^[0-9a-f]{64}$")
    grants: tuple[str, ...] = Field(min_length=1)
    """The tenants that the key may act for: either sandboxes, or none."""
    network: bool = False
    """Whether each request must name one of the grants."""
    scopes: frozenset[str]
    not_after: AwareDatetime | None = None
    label: str = ""


class _CredentialsFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[ApiKey, ...] = ()


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key with its secret, which cannot be shown again."""

    key_id: str
    secret: str


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """Return the keys in a file; none when the file does not exist.

    Raises:
        Halt: it is not a credentials file.
    """
    if not path.exists():
        return ()
    try:
        return _CredentialsFile.model_validate_json(path.read_bytes()).keys
    except (ValidationError, OSError) as error:
        raise Halt(f"{path} is not a credentials file ({type(error).__name__})") from None


@contextmanager
def changing_keys(path: Path) -> Iterator[list[ApiKey]]:
    """Yield the keys of a file to change; they are written once, at the end, and others wait until then.

    Raises:
        Halt: it is not a credentials file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The file itself is replaced, so the lock is on its folder; closing it ends the lock.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        keys = list(read_keys(path))
        yield keys
        _write(path, keys)
    finally:
        os.close(folder)


def new_key(
    grants: Sequence[str],
    scopes: Iterable[str],
    *,
    network: bool = False,
    not_after: datetime | None = None,
    label: str = "",
) -> tuple[ApiKey, IssuedKey]:
    """Return a new key as the file stores it, and as it is shown once; it raises what `add_key` raises."""
    _check_grants(grants, network=network)
    prefix = SANDBOX_PREFIX if is_sandbox(grants[0]) else PREFIX
    secret, key_id = prefix + secrets.token_urlsafe(32), secrets.token_hex(4)
    key = ApiKey(
        key_id=key_id,
        sha256=hashlib.sha256(secret.encode()).hexdigest(),
        grants=tuple(grants),
        network=network,
        scopes=frozenset(scopes),
        not_after=not_after,
        label=label,
    )
    return key, IssuedKey(key_id, secret)


def add_key(
    path: Path,
    *,
    grants: Sequence[str],
    scopes: Sequence[str],
    network: bool = False,
    not_after: datetime | None = None,
    label: str = "",
) -> IssuedKey:
    """Add a key and return it with its secret, which cannot be shown again.

    Raises:
        ValueError: there is no grant, several for a key that is not a network key, or sandboxes among others.
    """
    key, issued = new_key(grants, scopes, network=network, not_after=not_after, label=label)
    with changing_keys(path) as keys:
        keys.append(key)
    return issued


def rotate_key(path: Path, key_id: str, *, overlap: timedelta, now: datetime) -> IssuedKey:
    """Add a key with the same grants; the old one expires after `overlap`, unless it expires earlier.

    Raises:
        KeyError: there is no such key.
    """
    with changing_keys(path) as keys:
        index = index_of(keys, key_id)
        old = keys[index]
        ends = now + overlap if old.not_after is None else min(old.not_after, now + overlap)
        keys[index] = old.model_copy(update={"not_after": ends})
        key, issued = new_key(old.grants, old.scopes, network=old.network, label=old.label)
        keys.append(key)
    return issued


def _check_grants(grants: Sequence[str], *, network: bool) -> None:
    if not grants or (len(grants) > 1 and not network):
        raise ValueError("a key grants one tenant; several need a network key")
    if len({is_sandbox(grant) for grant in grants}) > 1:
        raise ValueError("a key is for sandboxes or for practices, never for both")


def index_of(keys: Sequence[ApiKey], key_id: str) -> int:
    """Return where a key is in the list; raises KeyError."""
    return {key.key_id: index for index, key in enumerate(keys)}[key_id]


def _write(path: Path, keys: Sequence[ApiKey]) -> None:
    text = json.dumps(_CredentialsFile(keys=tuple(keys)).model_dump(mode="json"), indent=2)
    # Keep the rights that the file was created with: several services may share it through a group.
    with whole_file(path, None if path.exists() else OWNER_ONLY) as file:
        file.write(f"{text}\n".encode())
