"""Holds a sign-in at a provider that has begun, signed, in the browser that began it."""

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from itsdangerous import BadSignature, URLSafeSerializer

LASTS = timedelta(minutes=10)
"""How long a therapist may take at the provider."""


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """The values that the provider's answer must fit."""

    practice_id: str
    item: str
    """The item that was asked for; empty for the list."""
    expires_at: float
    """Seconds since 1970."""
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    """PKCE's code verifier, whose hash the provider was given."""


def begin(practice_id: str, item: str, now: datetime) -> PendingSignIn:
    """Begin a sign-in with random values that nobody can guess."""
    return PendingSignIn(
        practice_id=practice_id,
        item=item,
        expires_at=(now + LASTS).timestamp(),
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(48),
    )


class PendingSigner:
    """Signs pending sign-ins, so that a browser can keep them and not make them."""

    def __init__(self, secrets: list[bytes]) -> None:
        """Sign with the last secret, and accept what any of them has signed."""
        self._signer = URLSafeSerializer(secrets, salt="openid-sign-in")

    def write(self, pending: PendingSignIn) -> str:
        """Return the pending sign-in as the text of a cookie."""
        return str(self._signer.dumps(asdict(pending)))

    def read(self, cookie: str | None, practice_id: str, now: datetime) -> PendingSignIn | None:
        """Return the pending sign-in of a cookie; None when there is none of this practice, or it expired."""
        try:
            values = self._signer.loads(cookie or "")
        except BadSignature:
            return None
        if not isinstance(values, Mapping):
            return None
        pending = PendingSignIn(**values)
        is_current = pending.practice_id == practice_id and pending.expires_at > now.timestamp()
        return pending if is_current else None
