"""Calls the services and waits for each answer."""

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from types import TracebackType
from typing import Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from rapport_client import calls
from rapport_client.calls import Call, Service
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
TIMEOUT_S = 30.0
LINES = 500
"""Ratings in one request of a batch."""


class Rapport:
    """A client of one installation. It may be shared by threads."""

    def __init__(
        self,
        key: str,
        addresses: Addresses,
        *,
        practice: str | None = None,
        give_up_s: float = GIVE_UP_S,
        http: httpx.Client | None = None,
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
        self._http = http or httpx.Client(timeout=TIMEOUT_S)

    def send(self, rating: Rating, *, history: bool = False) -> Accepted:
        """Send one rating; when this returns, it is stored durably."""
        return self.call(calls.send_rating(rating, history=history))

    def check(self, rating: Rating) -> Valid:
        """Check and score one rating; nothing is stored."""
        return self.call(calls.check_rating(rating))

    def call(self, call: Call[Answer]) -> Answer:
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
                response = self._http.send(request)
                if response.status_code not in SEND_AGAIN:
                    return answer_of(call, response)
                asked_s = asked_pause_s(response)
            except httpx.TransportError:
                pass
            time.sleep(retries.pause_s(asked_s))

    def send_batch(
        self, ratings: Iterable[Rating], *, history: bool = False, dry_run: bool = False, lines: int = LINES
    ) -> Iterator[tuple[Rating, LineResult]]:
        """Send any number of ratings and yield each with its final result as it arrives.

        Ratings are taken from the iterable while results are yielded, `lines` at a time, so neither needs to
        fit into memory. What is not answered, or is to be sent again, is sent again before the next ones. A
        refused rating is yielded with what is wrong, and does not affect the others. A result's `line` counts
        within its request. Nothing is sent unless the results are read.

        Raises:
            Refused: the whole request is refused, for its key or practice.
            Unavailable: nothing was answered for `give_up_s`.
        """
        source = iter(ratings)
        while part := list(islice(source, lines)):
            unanswered = Unanswered(part)
            retries = Retries(self._give_up_s)
            while unanswered:
                yield from self._attempt(unanswered, history=history, dry_run=dry_run)
                if unanswered.end_attempt():
                    retries.progressed()
                if unanswered:
                    time.sleep(retries.pause_s(unanswered.asked_s))

    def _attempt(
        self, unanswered: Unanswered, *, history: bool, dry_run: bool
    ) -> Iterator[tuple[Rating, LineResult]]:
        try:
            with self._http.stream(
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
                    response.read()
                    raise refusal(response)
                for line in response.iter_lines():
                    try:
                        final = unanswered.read(line)
                    except ValidationError:
                        raise no_answer_of_rapport(response) from None
                    if final is not None:
                        yield final
        except httpx.TransportError:
            return

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
