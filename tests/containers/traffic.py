"""A practice's key and a number in, that many ratings through the published doors of a stack out, counted."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from services.cli.client.send_ratings import Item, Tally, deliver
from services.cli.demo.balance import Book, read_book
from services.cli.demo.target import Stack
from services.cli.demo.wait_settled import settle

CLIENTS = 50


class Traffic:
    """One practice that sends; every rating is new and valid, so each must be assessed."""

    def __init__(self, practice: str, stack: Callable[[], Stack]) -> None:
        self._practice = practice
        self._stack = stack
        self.accepted = 0
        self.sent_again = 0
        self._doubtful: list[tuple[str | None, str]] = []

    def send(self, count: int, *, rate: float, midway: Callable[[], object] = lambda: None) -> None:
        """Send `count` ratings; `midway` happens beside it once half of them are answered."""
        fault = threading.Thread(target=midway)
        tally = Tally(taken=[])

        def watch(now: Tally) -> None:
            if now.done >= count / 2 and not fault.ident:
                fault.start()

        items = [
            Item(line, self._practice, json.dumps(self._rating(self.accepted + line)).encode())
            for line in range(count)
        ]
        with self._stack().doors() as doors:
            deliver(doors, items, tally, rate=rate, progress=watch)
        fault.join()
        self.accepted += tally.accepted
        self.sent_again += tally.sent_again
        self._doubtful = tally.doubtful
        assert (tally.accepted, tally.refused_lines) == (count, [])

    def settled(self) -> Book:
        """The practice's numbers, once everything that was accepted has an outcome."""
        stack = self._stack()
        with stack.doors() as doors:
            found = settle(stack, doors, self.accepted, lambda _done: None, self._doubtful)
            assert found.unfinished is None, found.unfinished
            return read_book(doors, stack.practices)

    def assert_balanced(self) -> None:
        """Everything accepted is assessed; what was sent again for want of an answer may be a duplicate."""
        deliveries = self.settled().deliveries
        twice = deliveries.pop("duplicate", 0)
        assert {name: count for name, count in deliveries.items() if count} == {"assessed": self.accepted}
        assert twice <= self.sent_again

    def _rating(self, number: int) -> dict[str, object]:
        session, client = divmod(number, CLIENTS)
        at = datetime(2026, 1, 5, 10, tzinfo=UTC) + timedelta(days=session)
        # A steady client with a small swing, and every tenth one with a fall near the end.
        level = 4.0 if client % 10 == 0 and session % 20 > 15 else 8.5 + (number % 3) / 4
        return {
            "client_id": f"client-{client}",
            "therapist_id": f"therapist-{client % 5}",
            "session_id": f"session-{client}-{session}",
            "session_at": at.isoformat(),
            "instrument": "srs",
            "items": [level, level, level, level],
        }
