"""The sender of fault runs waits as long as ingest asks before it sends again."""

from pathlib import Path

import httpx
import pytest

from tests.support.faults import sender
from tests.support.faults.history import Ending, HistoryFile, read_history
from tests.support.faults.sender import HttpAnswer, Sender, prepare

BUSY = HttpAnswer(Ending.FAIL, "busy", wait_s=2.0)
ACCEPTED = HttpAnswer(Ending.OK, is_final=True)


@pytest.mark.parametrize(
    ("answer", "pause_s"), [(BUSY, 2.0), (HttpAnswer(Ending.UNKNOWN, "no answer"), sender.PAUSE_S)]
)
def test_a_rating_is_sent_again_after_the_pause_that_ingest_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: HttpAnswer, pause_s: float
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("tests.support.faults.sender.time.sleep", pauses.append)
    answers = iter([[answer], [ACCEPTED]])
    history = HistoryFile(tmp_path / "history.ndjson")

    with httpx.Client() as client:
        sending = Sender(lambda: "", "key", history)
        sending._until_final(client, [prepare("north", {"id": "r-1"})], lambda *_: next(answers))
    history.close()

    assert pauses == [pause_s]
    assert [one.ending for one in read_history(history.path)] == [answer.ending, Ending.OK]


def test_the_pause_is_read_from_the_header_and_from_the_lines_of_a_batch() -> None:
    refused = httpx.Response(503, headers={"Retry-After": "3"}, json={"type": "urn:rapport:busy"})
    line = {"line": 1, "status": "retry", "reason": "broker-silent", "retry_after": 2}

    assert sender._of_problem(refused) == HttpAnswer(Ending.FAIL, "busy", wait_s=3.0)
    assert sender._of_line(line) == HttpAnswer(Ending.UNKNOWN, "broker-silent", wait_s=2.0)
