"""Holds the secrets that sign links and forms: the present one, and one before it during a change."""

from typing import NamedTuple

from services.runtime.process.errors import Halt

SHORTEST_SECRET_BYTES = 32


class SigningSecrets(NamedTuple):
    """The secret that signs, and one that signed before and still verifies."""

    current: bytes
    former: bytes | None = None

    @property
    def oldest_first(self) -> list[bytes]:
        """The secrets as itsdangerous takes them: the last one signs, all verify."""
        return [self.current] if self.former is None else [self.former, self.current]


def checked_secrets(secrets: SigningSecrets) -> SigningSecrets:
    """Return the secrets.

    Raises:
        Halt: one is too short.
    """
    for secret, setting in zip(secrets, ("SIGNING_SECRET", "FORMER_SIGNING_SECRET"), strict=True):
        if secret is not None and len(secret) < SHORTEST_SECRET_BYTES:
            raise Halt(
                f"the signing secret must be at least {SHORTEST_SECRET_BYTES} bytes; make one with"
                f" `head -c 48 /dev/urandom | base64 > FILE` and name it in NOTIFIER_{setting}_FILE"
            )
    return secrets
