"""Stores API keys in a file and authenticates requests with them.

A key is 256 random bits and is shown once; the file stores its SHA-256. (A slow hash protects guessable
secrets; 256 random bits cannot be guessed.) Every change replaces the whole file under a lock; running
services read it again.
"""

import fcntl
import hashlib
import hmac
import json
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from stat import S_IMODE

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from services.runtime.http.health import STARTING, Health
from services.runtime.http.problem import Problem
from services.runtime.process.clock import Clock, SystemClock
from services.runtime.process.errors import Halt
from services.runtime.process.log import get_logger
from services.runtime.process.sandbox import is_sandbox

PREFIX = "rpt_"
SANDBOX_PREFIX = f"{PREFIX}sandbox_"
"""Begins the keys of sandboxes, so that whoever reads one sees what it is for."""
CHECK = "credentials"


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
class Grant:
    """An authenticated caller: the tenant it acts for, and its key."""

    tenant: str
    key_id: str


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key with its secret, which cannot be shown again."""

    key_id: str
    secret: str


@dataclass(frozen=True, slots=True)
class _LoadedKeys:
    stamp: tuple[int, int, int] | None = None
    by_hash: dict[str, ApiKey] | None = None


class CredentialStore:
    """The current keys in one file; messages name `added_by`, the command that adds a key.

    While the file cannot be read, the keys read last stay valid, and `health` has a bad check.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock | None = None,
        health: Health | None = None,
        *,
        added_by: str = "the command line",
    ) -> None:
        self._path = path
        self._added_by = added_by
        self._clock = clock or SystemClock()
        self._loaded = _LoadedKeys()
        self._health = health
        self._fault: str | None = None
        if health is not None:
            health.set_bad(CHECK, STARTING)
            health.add_probe(self.check)

    def check(self) -> None:
        """Read the file if it changed, and say in the check whether it could be read."""
        try:
            self._current()
        except Problem:
            # The check says why.
            return

    def authenticate(self, authorization: str | None, tenant_header: str | None, scope: str) -> Grant:
        """Return the caller and its tenant.

        Raises:
            Problem: 401 without a known, valid key; 403 when the key lacks `scope`; 400 for a network key
                without its header; 404 when the tenant is not among the key's grants, existing or not;
                503 when the credentials file cannot be read, and has not been read before.
        """
        key = self._find(authorization)
        if key is None or (key.not_after is not None and key.not_after <= self._clock.now()):
            raise Problem(
                401,
                "Not authenticated",
                "Send `Authorization: Bearer <key>` with a key that is valid now.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if scope not in key.scopes:
            raise Problem(403, "Not allowed", f"This key lacks the scope {scope}.")
        tenant = (tenant_header or "").strip()
        if not tenant:
            if key.network:
                raise Problem(
                    400, "Header missing", "A network key needs the header that names whom it acts for."
                )
            tenant = key.grants[0]
        if tenant not in key.grants:
            raise Problem(404, "Not found")
        return Grant(tenant, key.key_id)

    def _find(self, authorization: str | None) -> ApiKey | None:
        kind, _, secret = (authorization or "").partition(" ")
        if kind.lower() != "bearer" or not secret.strip():
            return None
        digest = _sha256(secret.strip())
        key = self._current().get(digest)
        # The look-up compares hashes, whose bits a caller cannot choose; this comparison takes constant time.
        return key if key is not None and hmac.compare_digest(key.sha256, digest) else None

    def _current(self) -> dict[str, ApiKey]:
        try:
            stat = self._path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if stamp != self._loaded.stamp:
                # When the file cannot be read, the keys read last stay valid; the next request tries again.
                self._loaded = _LoadedKeys(stamp, {key.sha256: key for key in read_keys(self._path)})
        except OSError as error:
            self._report(f"cannot read {self._path} ({type(error).__name__}): check its rights, or add a key")
        except Halt as halt:
            self._report(f"{halt}: restore it from a backup, or add a key")
        else:
            self._report(None)
        if self._loaded.by_hash is None:
            raise Problem(
                503, "Not ready", "The keys cannot be read. Send again later.", headers={"Retry-After": "5"}
            )
        return self._loaded.by_hash

    def _report(self, fault: str | None) -> None:
        if fault is not None:
            fault = f"{fault} with {self._added_by}"
        if self._health is not None and fault is None:
            self._health.set_good(CHECK)
            self._health.metrics.credentials_last_read.set(self._clock.now().timestamp())
        elif self._health is not None and fault is not None:
            self._health.set_bad(CHECK, fault)
        if fault is not None and fault != self._fault:
            get_logger().error("credentials-unreadable", why=fault)
        self._fault = fault


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
        sha256=_sha256(secret),
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


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _write(path: Path, keys: Sequence[ApiKey]) -> None:
    text = json.dumps(_CredentialsFile(keys=tuple(keys)).model_dump(mode="json"), indent=2)
    # Keep the rights that the file was created with: several services may share it through a group.
    rights = S_IMODE(path.stat().st_mode) if path.exists() else 0o600
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, rights)
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
