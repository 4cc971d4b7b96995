"""Authenticates requests with the keys of a file, which is read again whenever it changes."""

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

from services.runtime.http.health import STARTING, Health
from services.runtime.http.key_file import ApiKey, read_keys
from services.runtime.http.problem import Problem
from services.runtime.process.clock import Clock, SystemClock
from services.runtime.process.errors import Halt
from services.runtime.process.log import get_logger

CHECK = "credentials"


@dataclass(frozen=True, slots=True)
class Grant:
    """An authenticated caller: the tenant it acts for, and its key."""

    tenant: str
    key_id: str


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
        digest = hashlib.sha256(secret.strip().encode()).hexdigest()
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
