"""Makes ratings of clients whose courses a row chooses: who falls, when, and over how many sessions."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from services.cli.demo.input_ratings import InputRating
from tests.support.faults.fault_run import FaultRun

WELL, LOW = 5, 1
"""The marks of all nine items in a session that goes well, and in one that opens an episode after some."""
LONGEST = 400
"""Sessions of a course at most."""
_FIRST_DAY = datetime.now(UTC).replace(microsecond=0) - timedelta(days=LONGEST + 1)


class Courses:
    """Daily ratings of clients of one practice and therapist of a run, whose names begin alike."""

    def __init__(self, run: FaultRun, name: str, *, practice: int = 0) -> None:
        """Take the first therapist of the practice with this number; `name` is that of the clients."""
        whose = sorted({rating.practice for rating in run.ratings})[practice]
        one = next(one for one in run.ratings if one.practice == whose and one.expected == "accepted")
        self._practice, self._therapist, self._name = whose, one.body["therapist_id"], name

    def of(self, client: int, marks: Sequence[int], *, first: int = 0) -> list[InputRating]:
        """Return the sessions of a client from the one with this number on, each with these marks."""
        return [self.session(client, first + number, mark) for number, mark in enumerate(marks)]

    def session(self, client: int, number: int, mark: int, *, version: int = 0) -> InputRating:
        """Return one session; a later `version` corrects it."""
        at = _FIRST_DAY + timedelta(days=number)
        # One mark differs from session to session, as those of a client who goes on well do.
        marks = [mark] * 8 + [mark - number % 2 if mark > LOW else mark]
        body = {
            "client_id": f"{self._name}-{client}",
            "therapist_id": self._therapist,
            "session_id": f"{self._name}-{client}-{number}",
            "session_at": at.isoformat(),
            "instrument": "wai-9",
            "status": "rated",
            "items": marks,
            "recorded_at": (at + timedelta(hours=version)).isoformat(),
        }
        return InputRating(self._practice, body, "accepted", "a course that the row has chosen")
