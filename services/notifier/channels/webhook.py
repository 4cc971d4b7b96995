"""Webhook: an event's type and episode id, signed as Standard Webhooks says, to one URL of a therapist."""

import asyncio
import ipaddress
import json
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx
from standardwebhooks.webhooks import Webhook as Signer

from services.notifier.channels.channel import Answer, Message, NotWorthRetrying, Sent, WorthRetrying
from services.notifier.domain.delivery import Why
from services.notifier.settings import WebhookSettings

_TEMPORARY = frozenset({408, 425, 429})


class ForbiddenTargetError(Exception):
    """The URL points somewhere we must not knock."""


class Webhook:
    """The webhook channel; `client` follows no redirects and reads no proxy from the environment."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings

    async def send(self, message: Message) -> Answer:
        """Post one event; any answer of 200 to 299 counts as taken."""
        url, secret = message.therapist.webhook_url, message.therapist.webhook_secret
        if url is None or secret is None:
            return NotWorthRetrying(Why.NO_ADDRESS)
        payload = body(message)
        try:
            status = await self._post(url, payload, signed_headers(message, payload, secret))
        except ForbiddenTargetError:
            return NotWorthRetrying(Why.FORBIDDEN_TARGET)
        except (httpx.TimeoutException, TimeoutError):
            return WorthRetrying(Why.TIMED_OUT)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ssl.SSLError, UnicodeError):
            return WorthRetrying(Why.UNREACHABLE)
        return _answer(status)

    async def _post(self, url: str, payload: str, headers: Mapping[str, str]) -> int:
        parts = urlsplit(url)
        if parts.scheme not in self._settings.schemes or not parts.hostname or parts.username:
            raise ForbiddenTargetError
        async with asyncio.timeout(self._settings.webhook_timeout_s):
            # The name is resolved once and that address is used: a name that answers differently the
            # second time cannot lead past the check.
            address = await self._resolve(parts.hostname, parts.port or _PORTS[parts.scheme])
            target = httpx.URL(url).copy_with(host=address)
            async with (
                httpx.AsyncClient(
                    follow_redirects=False, trust_env=False, timeout=self._settings.webhook_timeout_s
                ) as client,
                client.stream(
                    "POST",
                    target,
                    content=payload.encode(),
                    headers={**headers, "Host": parts.netloc},
                    extensions={"sni_hostname": parts.hostname},
                ) as response,
            ):
                # The body is nobody's business here and could be endless: it is not read.
                return response.status_code

    async def _resolve(self, host: str, port: int) -> str:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        if not self._settings.allow_private_webhooks and not all(map(is_public, addresses)):
            raise ForbiddenTargetError
        return addresses[0]


_PORTS = {"https": 443, "http": 80}


def is_public(address: str) -> bool:
    """Whether an IP address lies outside of every private, local, reserved or multicast range."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        # An IPv4 address in IPv6 clothes is judged as what it is.
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is not None:
            return is_public(str(inner))
        if ip in ipaddress.ip_network("64:ff9b::/96"):
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def body(message: Message) -> str:
    """The JSON that is sent: what happened to which episode, nothing more. Equal at every attempt."""
    return json.dumps(
        {
            "type": f"episode.{message.change}",
            "timestamp": message.created_at.isoformat().replace("+00:00", "Z"),
            "data": {"episode_id": str(message.episode_id)},
        },
        separators=(",", ":"),
    )


def signed_headers(message: Message, payload: str, secret: str) -> dict[str, str]:
    """The headers of Standard Webhooks: a stable id, this attempt's time, the signature."""
    stable = f"msg_{message.delivery_id.hex}"
    return {
        "content-type": "application/json",
        "user-agent": "Rapport-Webhook/1",
        "webhook-id": stable,
        "webhook-timestamp": str(int(message.attempted_at.timestamp())),
        "webhook-signature": Signer(secret).sign(stable, message.attempted_at, payload),
    }


def _answer(status: int) -> Answer:
    if 200 <= status < 300:
        return Sent()
    if 300 <= status < 400:
        return NotWorthRetrying(Why.REDIRECTED)
    if status == 410:
        return NotWorthRetrying(Why.GONE)
    if status in _TEMPORARY or status >= 500:
        return WorthRetrying(Why.BUSY)
    return NotWorthRetrying(Why.REFUSED)
