"""The dashboards are those of their program, and a live Prometheus answers every query of theirs."""

import re

import pytest

from deploy.grafana.boards import BOARDS, FOLDER, text_of
from tests.support.observed_boards import live_stack, unanswered


def test_the_files_are_those_of_the_program() -> None:
    assert {file.name: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.json")} == {
        board.file: text_of(board) for board in BOARDS
    }


def test_no_query_could_name_a_practice_or_a_person() -> None:
    text = "".join(map(text_of, BOARDS))
    assert re.findall(r"(?:practice|client|therapist|tenant)_id", text) == []


@pytest.mark.monitoring
@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_live_prometheus_answers_every_query() -> None:
    with live_stack(minutes=1.0) as live:
        assert unanswered(live) == []
