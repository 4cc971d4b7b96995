"""Calls the services from asynchronous programs."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from types import TracebackType
from typing import Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from rapport_client import calls
from rapport_client.calls import Call, Service
from rapport_client.client import LINES, TIMEOUT_S
from rapport_client.models.ingest import Accepted, LineResult, Rating, Valid
from rapport_client.requests import (
    SEND_AGAIN,
    Addresses,
    Unanswered,
    answer_of,
    asked_pause_s,
    headers,
    no_answer_of_rapport,
    refusal,
    request_of,
)
from rapport_client.retries import GIVE_UP_S, Retries

Answer = TypeVar("Answer", bound=BaseModel | None)


class AsyncRapport:
    """A client of one installation. It belongs to one event loop."""

    def __init__(
        self,
        key: str,
        addresses: Addresses,
        *,
        practice: str | None = None,
        give_up_s: float = GIVE_UP_S,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        """Prepare a client.

        Args:
            key: The practice's or the network's key.
            addresses: Where the services answer.
            practice: For whom a network's key is used; None with a practice's own key.
            give_up_s: How long a call is tried again without an answer, in seconds.
            http: For proxies, certificates and limits of your own; it is closed with this client.
        """
        self._addresses = addresses
        self._headers = headers(key, practice)
        self._give_up_s = give_up_s
        self._http = http or httpx.AsyncClient(timeout=TIMEOUT_S)

    async def send(self, rating: Rating, *, history: bool = False) -> Accepted:
        """Send one rating; when this returns, it is stored durably."""
        return await self.call(calls.send_rating(rating, history=history))

    async def check(self, rating: Rating) -> Valid:
        """Check and score one rating; nothing is stored."""
        return await self.call(calls.check_rating(rating))

    async def call(self, call: Call[Answer]) -> Answer:
        """Carry out a call; repeat it while the service asks for that or does not answer.

        Raises:
            Refused: the service says what is wrong.
            Unavailable: no final answer arrived within `give_up_s`.
        """
        retries = Retries(self._give_up_s)
        json = {"Content-Type": "application/json"} if call.body is not None else {}
        while True:
            asked_s = None
            try:
                request = self._http.build_request(
                    **request_of(call, self._addresses), headers=self._headers | json
                )
                response = await self._http.send(request)
                if response.status_code not in SEND_AGAIN:
                    return answer_of(call, response)
                asked_s = asked_pause_s(response)
            except httpx.TransportError:
                pass
            await asyncio.sleep(retries.pause_s(asked_s))

    async def send_batch(
        self,
        ratings: Iterable[Rating] | AsyncIterable[Rating],
        *,
        history: bool = False,
        dry_run: bool = False,
        lines: int = LINES,
    ) -> AsyncIterator[tuple[Rating, LineResult]]:
        """Send any number of ratings and yield each with its final result as it arrives.

        Ratings are taken from the iterable while results are yielded, `lines` at a time, so neither needs to
        fit into memory. What is not answered, or is to be sent again, is sent again before the next ones. A
        refused rating is yielded with what is wrong, and does not affect the others. A result's `line` counts
        within its request. Nothing is sent unless the results are read.

        Raises:
            Refused: the whole request is refused, for its key or practice.
            Unavailable: nothing was answered for `give_up_s`.
        """
        async for part in _parts(ratings, lines):
            unanswered = Unanswered(part)
            retries = Retries(self._give_up_s)
            while unanswered:
                async for final in self._attempt(unanswered, history=history, dry_run=dry_run):
                    yield final
                if unanswered.end_attempt():
                    retries.progressed()
                if unanswered:
                    await asyncio.sleep(retries.pause_s(unanswered.asked_s))

    async def _attempt(
        self, unanswered: Unanswered, *, history: bool, dry_run: bool
    ) -> AsyncIterator[tuple[Rating, LineResult]]:
        try:
            async with self._http.stream(
                "POST",
                self._addresses.of(Service.INGEST) + "/v1/ratings/batch",
                params={"history": history, "dry_run": dry_run},
                content=unanswered.next_attempt(),
                headers={**self._headers, "Content-Type": "application/x-ndjson"},
            ) as response:
                if response.status_code in SEND_AGAIN:
                    unanswered.asked_s = asked_pause_s(response)
                    return
                if not response.is_success:
                    await response.aread()
                    raise refusal(response)
                async for line in response.aiter_lines():
                    try:
                        final = unanswered.read(line)
                    except ValidationError:
                        raise no_answer_of_rapport(response) from None
                    if final is not None:
                        yield final
        except httpx.TransportError:
            return

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


async def _parts(
    ratings: Iterable[Rating] | AsyncIterable[Rating], lines: int
) -> AsyncIterator[list[Rating]]:
    part: list[Rating] = []
    async for rating in _asynchronous(ratings):
        part.append(rating)
        if len(part) == lines:
            yield part
            part = []
    if part:
        yield part


async def _asynchronous(ratings: Iterable[Rating] | AsyncIterable[Rating]) -> AsyncIterator[Rating]:
    if isinstance(ratings, AsyncIterable):
        async for rating in ratings:
            yield rating
    else:
        for rating in ratings:
            yield rating
