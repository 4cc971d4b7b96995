"""The steps in which practices send ratings: in order, late, twice, corrected, moved and taken back."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from schemas import topics
from services.runtime.kafka.record import Outgoing
from tests.support.whole_flow.history_machine import (
    DAY,
    HIGH,
    HOUR,
    LOW,
    HistoryMachine,
    Marks,
    any_one,
    clients,
    practices,
    status,
)
from tests.support.whole_flow.world import SentRating

marks = st.sampled_from((*HIGH, *LOW, (0.5, 0.4, 0.8, 0.6), None))


class PracticeSteps(HistoryMachine):
    """Whatever practices send."""

    def pick(self, number: int) -> SentRating | None:
        """Return one of the deliveries so far."""
        return self.world.sent[number % len(self.world.sent)] if self.world.sent else None

    @rule(
        practice=practices, client=clients, given=marks, ago=st.sampled_from((0, 3, 10)),
        following=st.sampled_from((None, 1, 7)), delayed=st.booleans(),
    )  # fmt: skip
    def rate(
        self, practice: str, client: str, given: Marks, ago: int, following: int | None, *, delayed: bool
    ) -> None:
        """Send a session of today or a late one; it may reach the log later than others."""
        now = self.world.now
        more = {} if following is None else {"next_session_at": now + DAY * following}
        self.send(practice, client, given, session_at=now - DAY * ago, delayed=delayed, **more)

    @rule(number=any_one)
    def arrive(self, number: int) -> None:
        """Let a delayed rating reach the log."""
        waiting = [one for one in self.world.sent if one.record is None]
        if waiting:
            self.world.arrive(waiting[number % len(waiting)])

    @rule(number=any_one)
    def send_again(self, number: int) -> None:
        """Send a rating a second time."""
        if (sent := self.pick(number)) is not None:
            self.world.accept(sent.practice, sent.body)

    @rule(number=any_one, given=marks, recorded=st.sampled_from((None, -60, -1, 0)))
    def correct(self, number: int, given: Marks, recorded: int | None) -> None:
        """Send a session with other marks, perhaps with the hour at which they were recorded."""
        if (sent := self.pick(number)) is not None:
            self.world.accept(sent.practice, self.changed(sent, recorded, **status(given)))

    @rule(number=any_one, kind=st.sampled_from(("withdrawn", "cancelled")))
    def withdraw(self, number: int, kind: str) -> None:
        """Take a rating back."""
        if (sent := self.pick(number)) is not None:
            self.world.accept(sent.practice, self.changed(sent, None, status=kind))

    @rule(number=any_one, given=marks, filed_first=st.booleans())
    def move(self, number: int, given: Marks, *, filed_first: bool) -> None:
        """File a session under the other therapist, and take it back under this one."""
        if (sent := self.pick(number)) is None:
            return
        taken_back = self.changed(sent, None, status="withdrawn")
        filed = self.changed(sent, None, therapist_id=other(sent.body["therapist_id"]), **status(given))
        for body in (filed, taken_back) if filed_first else (taken_back, filed):
            self.world.accept(sent.practice, body)

    @rule(practice=practices, client=clients)
    def go_on_with_another_therapist(self, practice: str, client: str) -> None:
        """File a client's next sessions under the other therapist."""
        before = self.therapists.get((practice, client), "t1" if client == "c1" else "t2")
        self.therapists[practice, client] = other(before)

    @rule(number=any_one, given=marks)
    def use_an_id_twice(self, number: int, given: Marks) -> None:
        """Send one id with two bodies."""
        if (sent := self.pick(number)) is not None:
            id_ = f"id-{len(self.world.sent)}"
            for form in (given, (7.0, 7.0, 7.0, 7.0)):
                self.world.accept(sent.practice, self.changed(sent, None, id=id_, **status(form)))

    @rule(practice=practices, client=clients)
    def send_what_cannot_be_scored(self, practice: str, client: str) -> None:
        """Send marks that do not fit, and bytes that are no event."""
        at = self.world.now - HOUR
        sent = self.send(practice, client, (9.0, 9.0), session_at=at)
        self.world.log.append(Outgoing(topics.SESSION_RATED.name, sent.out.key, b"{"))

    def changed(self, sent: SentRating, recorded: int | None, **fields: object) -> dict[str, Any]:
        """Return another body of the same session; it has no id, and a time of its recording if given."""
        body = {
            name: value for name, value in sent.body.items() if name not in {"items", "id", "recorded_at"}
        }
        if fields.get("status", "rated") == "rated" and "items" not in fields:
            fields["items"] = HIGH[0]
        when = {} if recorded is None else {"recorded_at": self.world.now + HOUR * recorded}
        return {**body, "status": "rated", **when, **fields}


def other(therapist: str) -> str:
    """Return the other therapist."""
    return "t2" if therapist == "t1" else "t1"
