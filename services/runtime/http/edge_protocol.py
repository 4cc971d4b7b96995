"""Bounds what a connection may cost before anybody is authenticated: its time, its bytes and its requests."""

import asyncio
import json
from typing import Any, cast

import httptools
from prometheus_client import Counter
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from services.runtime.http.problem import MEDIA_TYPE, Problem
from services.runtime.process.metrics import ConnectionEnd
from services.runtime.process.settings import HttpSettings

MAX_HEADERS = 100
"""A header costs thirty times its size in memory when it is short, so that bytes alone are no limit."""

MAX_WAITING_REQUESTS = 16
"""Requests that may wait on a connection for the response before; together as large as one head."""

LINGER_S = 2.0
"""How long a caller may take to read a response that came before it had sent its whole request."""

RESPONSE_STALLED_S = 60.0
"""A connection ends when its caller neither reads its response nor sends anything for so long."""

_PROBLEMS = {
    ConnectionEnd.MALFORMED: Problem(400, "Not HTTP"),
    ConnectionEnd.HEAD_TOO_LARGE: Problem(431, "Request header fields too large"),
    ConnectionEnd.HEAD_TOO_SLOW: Problem(408, "Too slow", "The head of the request did not arrive in time."),
    ConnectionEnd.BODY_WITHOUT_CONTENT: Problem(400, "Not HTTP"),
    ConnectionEnd.TOO_MANY_REQUESTS: Problem(429, "Too many requests", "Wait for a response."),
}


class _Refused(Exception):
    """Stops the parser: the connection is about to end."""


class _ResponseTransport:
    """What a response writes to; closing it leaves the caller time to read the response."""

    def __init__(self, protocol: "EdgeProtocol") -> None:
        self._protocol = protocol

    def write(self, data: bytes) -> None:
        self._protocol.transport.write(data)

    def is_closing(self) -> bool:
        return self._protocol.transport.is_closing()

    def close(self) -> None:
        self._protocol.close_after_response()


class EdgeProtocol(HttpToolsProtocol):
    """One connection: uvicorn's protocol with limits that uvicorn does not have.

    uvicorn keeps a head of any length, waits for it for ever, keeps every trailer, answers any number of
    requests that were sent at once, and lets any number of connections wait. Bodies are bounded where they
    are read, in `request_body.py`.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        http: HttpSettings,
        ends: Counter,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._http = http
        self._ends = ends
        self._in_head = True
        self._head_bytes = 0
        self._piece_bytes = 0
        self._bytes_without_content = self._waiting_bytes = 0
        self._refused_because = ConnectionEnd.MALFORMED
        self._ending = False
        self.has_responded = False
        """Whether a request on this connection was answered."""
        self.waiting_since: float | None = None
        """Since when no request is being answered, on the loop's clock."""
        self._heard_at = 0.0
        self._head_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a head; make room when there are too many connections."""
        super().connection_made(transport)
        self.waiting_since = self.loop.time()
        self._arm_head_timer()
        if len(self.connections) > self._http.max_connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers."""
        self._cancel_head_timer()
        self._cancel_stall_timer()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, in pieces of which none can hold more of a head than is allowed."""
        self._heard_at = self.loop.time()
        self._unset_keepalive_if_required()
        while data and not self._ending and not self.transport.is_closing():
            room = self._http.max_head_bytes + 1 - max(0, self._head_bytes) if self._in_head else len(data)
            piece, data = (data, b"") if len(data) <= room else (data[:room], data[room:])
            self._parse(piece)

    def _parse(self, piece: bytes) -> None:
        self._piece_bytes = len(piece)
        buffered = self._buffered_bytes()
        was_in_head = self._in_head
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            # It is answered like any other request, and then there is nothing more to say in HTTP.
            self.cycle.keep_alive = False
            self._ending = True
            return
        except httptools.HttpParserError:
            self._refuse(self._refused_because)
            return
        if self._in_head:
            self._head_bytes += len(piece)
            if self._head_bytes > self._http.max_head_bytes:
                self._refuse(ConnectionEnd.HEAD_TOO_LARGE)
            elif self._head_bytes > 0 and self._head_timer is None:
                self._arm_head_timer()
        elif was_in_head or self._buffered_bytes() > buffered:
            self._bytes_without_content = 0
        else:
            self._bytes_without_content += len(piece)
            if self._bytes_without_content > self._http.max_head_bytes:
                self._refuse(ConnectionEnd.BODY_WITHOUT_CONTENT)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; a trailer, which comes after the body, is not used and so not kept."""
        if not self._in_head:
            return
        if len(self.headers) >= MAX_HEADERS:
            self._refused_because = ConnectionEnd.HEAD_TOO_LARGE
            raise _Refused
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start to respond, or let the request wait for the responses before it."""
        if self._is_responding():
            self._waiting_bytes += len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if len(self.pipeline) >= MAX_WAITING_REQUESTS or self._waiting_bytes > self._http.max_head_bytes:
            self._refused_because = ConnectionEnd.TOO_MANY_REQUESTS
            raise _Refused
        super().on_headers_complete()
        self.cycle.transport = _ResponseTransport(self)  # type: ignore[assignment]
        self._in_head = False
        self.waiting_since = None
        self._cancel_head_timer()

    def on_message_complete(self) -> None:
        """Expect the next head; the piece in which a request ends counts for no head."""
        super().on_message_complete()
        self._in_head = True
        self._head_bytes = -self._piece_bytes

    def on_response_complete(self) -> None:
        """Wait for the next request; end the connection when this one was not sent whole."""
        is_unread = self._is_unread
        super().on_response_complete()
        self.has_responded = True
        if self.pipeline or not self.cycle.response_complete:
            return
        # A connection that waits keeps nothing of the request before.
        self.cycle.scope = {}  # type: ignore[typeddict-item]
        self.waiting_since, self._waiting_bytes = self.loop.time(), 0
        if is_unread:
            self._linger()

    @property
    def _is_unread(self) -> bool:
        return not self.pipeline and self.cycle.more_body

    def close_after_response(self) -> None:
        """Close the connection once the response is sent."""
        if self._is_unread:
            self._linger()
        else:
            self._close()

    def pause_writing(self) -> None:
        """Note that the caller does not read fast enough."""
        super().pause_writing()
        self._cancel_stall_timer()
        self._stall_timer = self.loop.call_later(RESPONSE_STALLED_S, self._end_stalled)

    def resume_writing(self) -> None:
        """Note that the caller has read."""
        self._cancel_stall_timer()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection on which no request came for too long."""
        self._close()

    def _end_stalled(self) -> None:
        # Most callers of a batch read nothing until they have sent their whole body.
        quiet_s = self.loop.time() - self._heard_at
        if quiet_s < RESPONSE_STALLED_S:
            self._stall_timer = self.loop.call_later(RESPONSE_STALLED_S - quiet_s, self._end_stalled)
            return
        self.end_at_once(ConnectionEnd.RESPONSE_NOT_READ)

    def _make_room(self) -> None:
        waiting = [
            each
            for each in self.connections
            if isinstance(each, EdgeProtocol) and each is not self and each.waiting_since is not None
        ]
        # First those that have never sent a request, which a caller that is at work would have by now.
        longest = min(waiting, key=lambda each: (each.has_responded, each.waiting_since or 0.0), default=self)
        longest.end_at_once(ConnectionEnd.TOO_MANY_CONNECTIONS)

    def _arm_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(self._http.head_timeout_s, self._end_slow_head)

    def _end_slow_head(self) -> None:
        self._head_timer = None
        if self._is_responding():
            # The head that is late belongs to a request after the one that is being answered.
            self._arm_head_timer()
        elif self._head_bytes or self.has_responded:
            self._refuse(ConnectionEnd.HEAD_TOO_SLOW)
        else:
            self.end_at_once(ConnectionEnd.HEAD_TOO_SLOW)

    def _refuse(self, reason: ConnectionEnd) -> None:
        """Say why, unless a response is under way, and end the connection."""
        if self._ending or self.transport.is_closing():
            return
        self._ends.labels(reason.value).inc()
        if not self._is_responding():
            problem = _PROBLEMS[reason]
            body = json.dumps(problem.body()).encode()
            head = f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[problem.status] + head.encode() + body)
            self._linger()
        else:
            self._close()

    def end_at_once(self, reason: ConnectionEnd) -> None:
        """End the connection without a word."""
        self._ending = True
        self._ends.labels(reason.value).inc()
        self.connections.discard(self)
        self.transport.abort()

    def _is_responding(self) -> bool:
        # uvicorn's annotation hides that there is no cycle before the first request.
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and not cycle.response_complete

    def _buffered_bytes(self) -> int:
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return 0 if cycle is None else len(cycle.body)

    def _linger(self) -> None:
        """End the response, and discard what the caller still sends until it has read that.

        A connection that is closed with unread data is reset, and its caller may never see the response.
        """
        self._ending = True
        self._cancel_head_timer()
        self._unset_keepalive_if_required()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.abort)

    def _close(self) -> None:
        # A transport waits until all is sent, however long the caller takes to read it.
        self._ending = True
        self.transport.close()
        self.loop.call_later(LINGER_S, self.transport.abort)

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _cancel_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
