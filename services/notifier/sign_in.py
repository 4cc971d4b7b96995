"""Signs therapists in: opening a mailed link changes nothing, the button behind it uses the link once.

A link is bound to the address that it was mailed to: it opens nothing once the therapist has another one.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid5

from itsdangerous import BadSignature, URLSafeSerializer

from services.notifier.directory.store import Connection
from services.notifier.domain.delivery import Delivery
from services.notifier.signing_secrets import SigningSecrets, checked_secrets
from services.runtime.outbox.erasures import pass_gate
from services.runtime.postgres.tenant_guard import act_for_holder


class LinkState(StrEnum):
    """Whether a link can be used."""

    GOOD = "good"
    USED = "used"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class SignInLink:
    """A link that was mailed."""

    link_id: UUID
    practice_id: str
    therapist_id: str
    episode_id: UUID | None
    state: LinkState


@dataclass(frozen=True, slots=True)
class SignInSession:
    """A signed-in therapist. Every form must send `csrf` back."""

    practice_id: str
    therapist_id: str
    session_id: UUID
    """Names the session where it is listed; nobody can sign in with it."""
    session_hash: bytes = field(repr=False)
    csrf: str = field(repr=False)
    former_csrf: str | None = field(default=None, repr=False)
    """What forms send back that were shown before the signing secret was changed."""

    def accepts(self, csrf: str) -> bool:
        """Return whether a form sent back what it was shown with."""
        shown = (one for one in (self.csrf, self.former_csrf) if one is not None)
        return any(hmac.compare_digest(one.encode(), csrf.encode()) for one in shown)


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long a session lasts: in all, and without a request."""

    lasts: timedelta
    idle: timedelta


@dataclass(frozen=True, slots=True)
class ListedSession:
    """A running session, as its therapist sees it."""

    session_id: UUID
    started_at: datetime
    used_at: datetime


class LinkSigner:
    """Signs links and forms. A token contains only the link's random id."""

    def __init__(self, secrets: SigningSecrets, public_url: str) -> None:
        keys = checked_secrets(secrets).oldest_first
        self._public_url = public_url
        self._signer = URLSafeSerializer(keys, salt="sign-in-link")
        self._share_signer = URLSafeSerializer(keys, salt="share-link")
        self._csrf_key = _csrf_key(secrets.current)
        self._former_csrf_key = None if secrets.former is None else _csrf_key(secrets.former)

    def url(self, link_id: UUID) -> str:
        """Return the address of a link, as it is mailed."""
        return f"{self._public_url}/sign-in?token={self.token(link_id)}"

    def item_url(self, episode: UUID) -> str:
        """Return the address of an item, which its therapist reads after signing in."""
        return f"{self._public_url}/items/{episode}"

    @property
    def settings_url(self) -> str:
        """Return the address of the page of settings, as it is mailed."""
        return f"{self._public_url}/settings"

    def token(self, link_id: UUID) -> str:
        """Return the signed token of a link."""
        return str(self._signer.dumps(link_id.hex))

    def read(self, token: str) -> UUID | None:
        """Return the id of the link that a token names; None when its signature is not ours."""
        return _signed_id(self._signer, token)

    def share_url(self, share_id: UUID) -> str:
        """Return the address of a shared item, which its therapist passes on."""
        return f"{self._public_url}/shared?token={self._share_signer.dumps(share_id.hex)}"

    def read_share(self, token: str) -> UUID | None:
        """Return the id of the share that a token names; None when its signature is not ours."""
        return _signed_id(self._share_signer, token)

    def csrf(self, session_hash: bytes) -> str:
        """Return the value that forms of this session must send back."""
        return hmac.new(self._csrf_key, session_hash, hashlib.sha256).hexdigest()

    def former_csrf(self, session_hash: bytes) -> str | None:
        """Return what forms of this session were shown with before the secret was changed."""
        if self._former_csrf_key is None:
            return None
        return hmac.new(self._former_csrf_key, session_hash, hashlib.sha256).hexdigest()


def _csrf_key(secret: bytes) -> bytes:
    return hashlib.sha256(b"csrf" + secret).digest()


LONGEST_LINK = timedelta(days=14)
"""The longest time for which the link in a message works."""


def link_expiry(now: datetime, at_least: timedelta, sessions: Iterable[datetime]) -> datetime:
    """Return until when the link in a message works that goes out now: until the last of these sessions.

    It works for `at_least` as long, and for `LONGEST_LINK` at most.
    """
    return max(now + at_least, min(max(sessions, default=now), now + LONGEST_LINK))


def link_id(delivery_id: UUID, address: str) -> UUID:
    """Return the id of the link in a delivery to this address: every attempt there mails the same link."""
    return uuid5(delivery_id, address.lower())


async def ensure_link(
    conn: Connection, delivery: Delivery, address: str, expires_at: datetime, *, to_list: bool = False
) -> UUID:
    """Make the delivery's link, to the item or to the list, valid until `expires_at` unless it was used.

    Returns:
        The link's id; it differs by address, so that a later attempt elsewhere revives no link.
    """
    link = link_id(delivery.delivery_id, address)
    await pass_gate(conn)
    await conn.execute(
        "INSERT INTO notifier.sign_in_link (link_id, delivery_id, practice_id, therapist_id, episode_id,"
        " address, expires_at) VALUES (%s, %s, %s, %s,"
        " (SELECT episode_id FROM notifier.item WHERE practice_id = %s AND episode_id = %s), %s, %s)"
        " ON CONFLICT (link_id, practice_id) DO UPDATE"
        " SET expires_at = excluded.expires_at, episode_id = excluded.episode_id"
        " WHERE sign_in_link.used_at IS NULL",
        (
            link,
            delivery.delivery_id,
            delivery.practice_id,
            delivery.therapist_id,
            delivery.practice_id,
            None if to_list else delivery.episode_id,
            address,
            expires_at,
        ),
    )
    return link


_BOUND_LINK = (
    "notifier.sign_in_link link JOIN notifier.therapist USING (practice_id, therapist_id)"
    " WHERE lower(link.address) = lower(therapist.address)"
)


async def find_link(conn: Connection, link_id: UUID, now: datetime) -> SignInLink | None:
    """Return a link in its current state; None when it does not exist, or went to an earlier address."""
    row = await (
        await conn.execute(
            "SELECT practice_id, therapist_id, link.episode_id, link.used_at, link.expires_at"
            f" FROM {_BOUND_LINK} AND link.link_id = %s",
            (link_id,),
        )
    ).fetchone()
    if row is None:
        return None
    state = LinkState.USED if row[3] else LinkState.EXPIRED if row[4] <= now else LinkState.GOOD
    return SignInLink(link_id, row[0], row[1], row[2], state)


async def use_link(conn: Connection, link_id: UUID, now: datetime) -> bool:
    """Use a link up; return False when it was used before, has expired, or went to an earlier address.

    The directory's entry is locked until the transaction ends: whoever replaces it then sees the new session.
    """
    bound = await conn.execute(
        f"SELECT FROM {_BOUND_LINK} AND link.link_id = %s FOR SHARE OF therapist", (link_id,)
    )
    if bound.rowcount != 1:
        return False
    cursor = await conn.execute(
        "UPDATE notifier.sign_in_link SET used_at = %s WHERE link_id = %s AND used_at IS NULL"
        " AND expires_at > %s",
        (now, link_id, now),
    )
    return cursor.rowcount == 1


async def start_session(
    conn: Connection, practice_id: str, therapist_id: str, now: datetime, limits: SessionLimits
) -> str:
    """Start a session and return its cookie: 256 random bits, of which only the hash is stored.

    The practice's sessions that are over are deleted.
    """
    cookie = secrets.token_urlsafe(32)
    await conn.execute(
        "DELETE FROM notifier.session WHERE session_hash IN (SELECT session_hash FROM notifier.session"
        " WHERE expires_at <= %s OR used_at <= %s FOR UPDATE SKIP LOCKED)",
        (now, now - limits.idle),
    )
    await conn.execute(
        "INSERT INTO notifier.session (session_hash, practice_id, therapist_id, started_at, used_at,"
        " expires_at) VALUES (%s, %s, %s, %s, %s, %s)",
        (_hash(cookie), practice_id, therapist_id, now, now, now + limits.lasts),
    )
    return cookie


async def find_session(
    conn: Connection, cookie: str | None, links: LinkSigner, now: datetime, limits: SessionLimits
) -> SignInSession | None:
    """Return the session of a cookie, and note that it was used; bind the open transaction to its practice.

    None when there is none, when it has lasted too long, or when it was idle for too long.
    """
    if not cookie:
        return None
    hashed = _hash(cookie)
    if not await act_for_holder(conn, "notifier.practice_of_session", hashed):
        return None
    row = await (
        await conn.execute(
            "UPDATE notifier.session SET used_at = %s WHERE session_hash = %s AND expires_at > %s"
            " AND used_at > %s RETURNING practice_id, therapist_id, session_id",
            (now, hashed, now, now - limits.idle),
        )
    ).fetchone()
    if row is None:
        return None
    return SignInSession(row[0], row[1], row[2], hashed, links.csrf(hashed), links.former_csrf(hashed))


async def list_sessions(
    conn: Connection, session: SignInSession, now: datetime, limits: SessionLimits
) -> list[ListedSession]:
    """Return the running sessions of the therapist, the newest first."""
    rows = await conn.execute(
        "SELECT session_id, started_at, used_at FROM notifier.session WHERE practice_id = %s"
        " AND therapist_id = %s AND expires_at > %s AND used_at > %s ORDER BY started_at DESC, session_id",
        (session.practice_id, session.therapist_id, now, now - limits.idle),
    )
    return [ListedSession(*row) for row in await rows.fetchall()]


async def end_own_session(conn: Connection, session: SignInSession, session_id: UUID) -> bool:
    """End a session of the same therapist; return False when they have no such session."""
    cursor = await conn.execute(
        "DELETE FROM notifier.session WHERE session_id = %s AND practice_id = %s AND therapist_id = %s",
        (session_id, session.practice_id, session.therapist_id),
    )
    return cursor.rowcount == 1


async def end_session(conn: Connection, session: SignInSession) -> None:
    """End a session."""
    await conn.execute("DELETE FROM notifier.session WHERE session_hash = %s", (session.session_hash,))


def _signed_id(signer: URLSafeSerializer, token: str) -> UUID | None:
    try:
        return UUID(hex=str(signer.loads(token)))
    except (BadSignature, ValueError):
        return None


def _hash(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()
