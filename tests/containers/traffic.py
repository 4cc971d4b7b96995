"""Sends one practice's ratings to a stack and checks that each of them is assessed."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from services.cli.client.send_ratings import DeliveryReport, RatingToSend, send_ratings
from services.cli.client.stack_access import StackAccess
from services.cli.demo.balance import NetworkBalance, read_balance
from services.cli.demo.wait_settled import wait_until_settled
from tests.containers.compose_project import wait_until

CLIENTS = 50


class Traffic:
    """One practice that sends; every rating is new and valid, so each must be assessed."""

    def __init__(self, practice: str, stack: Callable[[], StackAccess]) -> None:
        self._practice = practice
        self._stack = stack
        self.accepted = 0
        self.sent_again = 0
        self._unverified: list[tuple[str | None, str]] = []

    def send(self, count: int, *, rate: float, midway: Callable[[], object] = lambda: None) -> None:
        """Send `count` ratings; `midway` happens beside it once half of them are answered."""
        fault = threading.Thread(target=midway)
        report = DeliveryReport(accepted_ids=[])

        def watch(now: DeliveryReport) -> None:
            if now.done >= count / 2 and not fault.ident:
                fault.start()

        items = [
            RatingToSend(line, self._practice, json.dumps(self._rating(self.accepted + line)).encode())
            for line in range(count)
        ]
        with self._stack().open_client() as client:
            send_ratings(client, items, report, rate=rate, progress=watch)
        fault.join()
        self.accepted += report.accepted
        self.sent_again += report.sent_again
        # What was delivered twice counts in the balance from then on, whenever that was: a later sum is
        # complete too early by as much.
        self._unverified = list(report.accepted_ids or []) if self.sent_again else []
        assert (report.accepted, report.refused_lines) == (count, [])

    def settled(self) -> NetworkBalance:
        """The practice's numbers, once everything that was accepted has its last outcome.

        Ratings of clients with long histories wait for their turn where these have to be assessed again.
        """
        stack = self._stack()
        with stack.open_client() as client:
            found = wait_until_settled(stack, client, self.accepted, lambda _done: None, self._unverified)
            assert found.unfinished is None, found.unfinished
            wait_until(
                lambda: not read_balance(client, stack.practices).deliveries["blocked"],
                "no rating waits for its turn",
                deadline_s=120,
            )
            return read_balance(client, stack.practices)

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
