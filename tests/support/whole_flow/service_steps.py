"""The steps of the services and of time: batches, mails, sweeps, restarts, models, and a clock that moves."""

from datetime import UTC, date, datetime, time, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from schemas.events import Answer
from tests.support.whole_flow.deployment import OTHER_MODEL
from tests.support.whole_flow.history_machine import (
    DAY,
    HIGH,
    HOUR,
    LOW,
    WEEK,
    HistoryMachine,
    any_one,
    practices,
    services,
)


class ServiceSteps(HistoryMachine):
    """What services and therapists do while at most the mail server is away."""

    @precondition(lambda self: self.is_up)
    @rule()
    def deliver(self) -> None:
        """Attempt the mails that are due."""
        self.run(self.world.deliver())

    @precondition(lambda self: self.rests == 0)
    @rule()
    def settle(self) -> None:
        """Let everything come to rest, and compare it with the oracle: once, as it is the longest step."""
        self.rests += 1
        self.run(self.world.settle())
        self.run(self.checks.at_rest())

    @rule(by=st.sampled_from((timedelta(minutes=6), 5 * HOUR, DAY, 6 * DAY, 50 * DAY)))
    def pass_time(self, by: timedelta) -> None:
        """Advance the clock."""
        self.world.made.clock.at += by

    @precondition(lambda self: self.is_up and self.clock_changes == 0)
    @rule(practice=practices)
    def pass_a_clock_change(self, practice: str) -> None:
        """Open an episode in the night of a clock change, and attempt its mail around 7:00 after it.

        The next session is at 6:00 of the day after the change, so that the mail, due 24 hours before it,
        waits for the end of the quiet hours on the day of the change.
        """
        self.clock_changes += 1
        change = next_clock_change(self.world.now + 8 * HOUR)
        offset = HOUR * (2 if change.month == 3 else 1)
        morning = datetime.combine(change.date(), time(), UTC) - offset
        self.world.made.clock.at = change - 6 * HOUR
        self.run(self.world.swap_model(practice, None))
        client = "c3"
        for week, form in enumerate((*HIGH, *HIGH, *LOW)):
            at = self.world.now - HOUR - WEEK * (5 - week)
            self.send(practice, client, form, session_at=at, next_session_at=morning + DAY + 6 * HOUR)
        self.run(self._attempt_around(morning + 7 * HOUR, practice, client))

    async def _attempt_around(self, due: datetime, practice: str, client: str) -> None:
        await self.world.settle()
        waiting = await self.world.waiting_mails(practice, client)
        assert waiting or await self.world.halted(), "no mail waits for the morning"
        for at, left in ((due - HOUR / 4, waiting), (due + HOUR / 4, set())):
            self.world.made.clock.at = at
            await self.world.deliver()
            assert await self.world.waiting_mails(practice, client) == left, (
                f"attempted at {at}, due at {due}"
            )

    @precondition(lambda self: self.is_up)
    @rule()
    def sweep(self) -> None:
        """Have the detector look at the day."""
        self.run(self.world.run_sweep())

    @precondition(lambda self: self.is_up)
    @rule(practice=practices, version=st.sampled_from((None, OTHER_MODEL, "absent-1")))
    def swap_model(self, practice: str, version: str | None) -> None:
        """Map a practice to another model, which is perhaps not loaded."""
        self.run(self.world.swap_model(practice, version))

    @precondition(lambda self: self.is_up)
    @rule(number=any_one, answer=st.sampled_from(tuple(Answer)))
    def answer(self, number: int, answer: Answer) -> None:
        """Have a therapist answer."""
        rows = self.run(self.world.items())
        if rows:
            self.run(self.world.answer(*rows[number % len(rows)], answer))

    @rule(service=services)
    def restart(self, service: str) -> None:
        """Stop a service, and start it again."""
        self.run(self.world.restart(service))

    @rule()
    def toggle_mail_server(self) -> None:
        """Take the mail server away, or bring it back."""
        self.world.made.mail.away = not self.world.made.mail.away


def next_clock_change(after: datetime) -> datetime:
    """Return when the clocks of Europe change next: at 1:00 UTC of the last Sunday of March and October."""
    changes = (
        datetime.combine(last - timedelta(days=last.isoweekday() % 7), time(1), UTC)
        for year in (after.year, after.year + 1)
        for last in (date(year, 3, 31), date(year, 10, 31))
    )
    return next(change for change in changes if change > after)
