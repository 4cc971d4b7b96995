"""Sends an event's type and episode id to a therapist's URL, signed as Standard Webhooks prescribes."""

import asyncio
import ipaddress
import json
import socket
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit
from uuid import UUID

import httpx
from standardwebhooks.webhooks import Webhook as Signer

from services.notifier.channels.channel import (
    ChannelDefinition,
    DeliveryReason,
    Message,
    NotWorthRetrying,
    SendResult,
    Sent,
    WorthRetrying,
    is_tls_failure,
)
from services.notifier.channels.webhook_contact import WebhookContact, contact_errors
from services.notifier.settings import WebhookSettings
from services.notifier.wording import Wordings

_TEMPORARY = frozenset({408, 425, 429})


FAILURES_TO_OPEN = 3
"""Attempts in a row without an answer after which a host is left alone."""

OPEN_S = 60.0
"""How long a host is left alone before the next attempt."""

TEST_TYPE = "webhook.test"
"""The type of a sample, which is about no episode."""


class HostBreaker:
    """Notices hosts that do not answer, so that messages to them stop taking a slot for a while.

    After `FAILURES_TO_OPEN` attempts in a row without an answer, messages to a host fail at once for
    `OPEN_S` seconds. Then one is attempted: when it is answered, the rest go out as before.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._failures: dict[str, tuple[int, float]] = {}

    def allows(self, host: str) -> bool:
        """Return whether a message to this host may be attempted now."""
        failures, since = self._failures.get(host, (0, 0.0))
        if failures < FAILURES_TO_OPEN:
            return True
        if self._monotonic() - since < OPEN_S:
            return False
        # Whoever asks next waits for the result of this attempt.
        self._failures[host] = (failures, self._monotonic())
        return True

    def note(self, host: str, *, answered: bool) -> None:
        """Note whether the host answered an attempt, with whatever status."""
        if answered:
            self._failures.pop(host, None)
        else:
            self._failures[host] = (self._failures.get(host, (0, 0.0))[0] + 1, self._monotonic())


class ForbiddenTargetError(Exception):
    """The URL leads to an address that webhooks must not be sent to."""


class Webhook:
    """Sends webhooks; it follows no redirects and reads no proxy from the environment."""

    def __init__(self, settings: WebhookSettings, _wordings: Wordings | None = None) -> None:
        self._settings = settings
        self._breaker = HostBreaker()
        # Read once: for each webhook anew, the certificates of the system would hold up everything else.
        self._tls = httpx.create_ssl_context(trust_env=False)

    async def send(self, message: Message) -> SendResult:
        """Post one event; any status from 200 to 299 means that it was accepted."""
        contact = message.recipient.contact
        if not isinstance(contact, WebhookContact):
            return NotWorthRetrying(DeliveryReason.NO_ADDRESS)
        return await self.post(contact, message.delivery_id, webhook_body(message), message.attempted_at)

    async def post(
        self, contact: WebhookContact, message_id: UUID, payload: str, now: datetime
    ) -> SendResult:
        """Post a body under an id that stays the same at every attempt, signed with the time of this one."""
        host = urlsplit(contact.url).netloc
        if not self._breaker.allows(host):
            return WorthRetrying(DeliveryReason.UNREACHABLE)
        headers = signed_headers(message_id, payload, contact.secret, now)
        try:
            status, retry_after = await self._request(contact.url, payload, headers)
        except ForbiddenTargetError:
            return NotWorthRetrying(DeliveryReason.FORBIDDEN_TARGET)
        except (httpx.TimeoutException, TimeoutError):
            self._breaker.note(host, answered=False)
            return WorthRetrying(DeliveryReason.TIMED_OUT)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            self._breaker.note(host, answered=False)
            trusted = not is_tls_failure(error)
            return WorthRetrying(DeliveryReason.UNREACHABLE if trusted else DeliveryReason.NOT_TRUSTED)
        self._breaker.note(host, answered=True)
        return result_of(status, asked_pause_s(retry_after, now))

    async def _request(self, url: str, payload: str, headers: Mapping[str, str]) -> tuple[int, str | None]:
        parts = urlsplit(url)
        if parts.scheme not in self._settings.schemes or not parts.hostname or parts.username:
            raise ForbiddenTargetError
        async with asyncio.timeout(self._settings.webhook_timeout_s):
            # The name is resolved once and that address is used: a name that resolves differently the
            # second time cannot evade the check.
            address = await self._resolve(parts.hostname, parts.port or _PORTS[parts.scheme])
            named = httpx.URL(url)
            async with (
                httpx.AsyncClient(
                    verify=self._tls,
                    follow_redirects=False,
                    trust_env=False,
                    timeout=self._settings.webhook_timeout_s,
                ) as client,
                client.stream(
                    "POST",
                    named.copy_with(host=address),
                    content=payload.encode(),
                    # As the name is written on the wire, where it has letters beyond ASCII.
                    headers={**headers, "Host": named.netloc.decode("ascii")},
                    extensions={"sni_hostname": named.raw_host.decode("ascii")},
                ) as response,
            ):
                # The response's body is not needed and could be endless: it is not read.
                return response.status_code, response.headers.get("retry-after")

    async def _resolve(self, host: str, port: int) -> str:
        resolved = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in resolved]
        if not self._settings.allow_private_webhooks and not all(map(is_public, addresses)):
            raise ForbiddenTargetError
        return addresses[0]


_PORTS = {"https": 443, "http": 80}


def is_public(address: str) -> bool:
    """Return whether an IP address is outside every private, local, reserved and multicast range."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        # An IPv4 address that is embedded in an IPv6 address is judged by itself.
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is not None:
            return is_public(str(inner))
        if ip in ipaddress.ip_network("64:ff9b::/96"):
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        if ip.is_site_local:
            # The private range before fc00::/7; `is_global` is true for it.
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def webhook_body(message: Message) -> str:
    """Return the JSON body: the kind of change, the episode's id, and of made-up data that it is a sandbox's.

    It is the same at every attempt.
    """
    return json.dumps(
        {
            "type": f"episode.{message.change}",
            "timestamp": _written(message.created_at),
            "data": {
                "episode_id": str(message.episode_id),
                **({"sandbox": True} if message.is_sandbox else {}),
            },
        },
        separators=(",", ":"),
    )


def sample_body(now: datetime) -> str:
    """Return the JSON body of a sample: its type and its data say that it is a test."""
    sample = {"type": TEST_TYPE, "timestamp": _written(now), "data": {"test": True}}
    return json.dumps(sample, separators=(",", ":"))


def _written(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def signed_headers(message_id: UUID, payload: str, secret: str, now: datetime) -> dict[str, str]:
    """Return the headers of Standard Webhooks: a stable id, the time of this attempt, and the signatures.

    There is one signature for each secret, in the same order; a receiver accepts any that it can verify.
    """
    stable = f"msg_{message_id.hex}"
    return {
        "content-type": "application/json",
        "user-agent": "Rapport-Webhook/1",
        "webhook-id": stable,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Signer(one).sign(stable, now, payload) for one in secret.split(" ")),
    }


def result_of(status: int, pause_s: float = 0.0) -> SendResult:
    """Return whether a response's status means accepted, worth a retry, or refused for good.

    `pause_s` is how long the receiver asks to be left alone.
    """
    if 200 <= status < 300:
        return Sent()
    if 300 <= status < 400:
        return NotWorthRetrying(DeliveryReason.REDIRECTED)
    if status == 410:
        return NotWorthRetrying(DeliveryReason.GONE)
    if status in _TEMPORARY or status >= 500:
        return WorthRetrying(DeliveryReason.BUSY, pause_s)
    return NotWorthRetrying(DeliveryReason.REFUSED)


def asked_pause_s(retry_after: str | None, now: datetime) -> float:
    """Return the seconds that the header `Retry-After` asks for: a number, or a date (RFC 9110, 10.2.3).

    0 where it is missing, in the past or means nothing.
    """
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())


CHANNEL = ChannelDefinition(
    settings=WebhookSettings, build=Webhook, contact=WebhookContact, contact_errors=contact_errors
)
