"""The README's commands that connect a practice work as written."""

import json
import os
import re
import subprocess
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from tests.support.backend import embedded_backend
from tests.support.postgres import fresh_database
from tests.support.service_stack import ServiceStack, running_stack

README = Path(__file__).resolve().parents[3] / "README.md"


@dataclass(frozen=True)
class Answers:
    """What the services answered to the README's commands, in order, and the results afterwards."""

    dry_run: dict[str, Any]
    accepted: dict[str, Any]
    batch: list[dict[str, Any]]
    instruments: dict[str, Any]
    therapist: dict[str, Any]
    rating: dict[str, Any]
    balance: dict[str, Any]
    episodes: dict[str, Any]
    outcomes: dict[str, int]
    """The practice's deliveries by outcome once everything is processed."""


def commands() -> list[str]:
    """Return the shell commands below the heading, each as its lines."""
    text = README.read_text(encoding="utf-8").split("## Connecting a practice", 1)[1]
    block = re.search(r"```sh\n(.*?)```", text, re.DOTALL)
    assert block is not None
    script = "\n".join(line for line in block[1].splitlines() if not line.startswith("#"))
    return [command for command in re.split(r"\n(?=curl|printf|\n)", script) if command.strip()]


@pytest.fixture(scope="module")
def answers(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """Run each command in a shell of its own against a running stack."""
    with (
        embedded_backend() as backend,
        fresh_database(postgres_url) as database,
        running_stack(backend, database, tmp_path_factory.mktemp("readme")) as stack,
    ):
        outputs = [_run(command, stack) for command in commands()]
        settled = stack.settled(accepted=3)
        outcomes = {name: count for name, count in settled.balance.deliveries.items() if count}
    values: list[Any] = [[json.loads(line) for line in output.splitlines()] for output in outputs]
    single = [lines if number == 2 else lines[0] for number, lines in enumerate(values)]
    names = [field.name for field in fields(Answers) if field.name != "outcomes"]
    return Answers(**dict(zip(names, single, strict=True)), outcomes=outcomes)


def _run(command: str, stack: ServiceStack) -> str:
    where = stack.where
    environment = os.environ | {
        "INGEST": where.ingest_url,
        "RESULTS": where.results_url,
        "NOTIFIER": where.notifier_url,
        "KEY": where.key,
        "NO_PROXY": "127.0.0.1",
    }
    # The stack's key is a network key, which must name its practice; a practice's own key need not.
    authorised = command.replace(
        '"Authorization: Bearer $KEY"', '"Authorization: Bearer $KEY" -H "Rapport-Practice: north"'
    )
    shell = ["bash", "-euo", "pipefail", "-c", authorised]
    done = subprocess.run(shell, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, authorised + done.stdout + done.stderr
    return done.stdout


def test_a_dry_run_answers_with_the_scores_of_each_component(answers: Answers) -> None:
    assert answers.dry_run["status"] == "valid"
    assert answers.dry_run["scores"] == {"bond": 0.92, "goal": 0.88, "task": 0.9, "overall": 0.91}


def test_a_rating_is_accepted_under_its_own_id(answers: Answers) -> None:
    assert (answers.accepted["id"], answers.accepted["status"]) == ("r-1", "accepted")


def test_a_batch_has_one_result_per_line(answers: Answers) -> None:
    assert [(line["line"], line["status"]) for line in answers.batch] == [(1, "accepted"), (2, "accepted")]


def test_the_instruments_list_the_items_of_each_component(answers: Answers) -> None:
    components = {each["id"]: each["components"] for each in answers.instruments["instruments"]}

    assert components["srs"] == {"bond": [1], "goal": [2], "task": [3], "overall": [4]}


def test_the_therapist_is_stored_as_sent(answers: Answers) -> None:
    sent = {"address": "therapist@practice.example", "locale": "en-GB", "time_zone": "Europe/Zurich"}

    assert sent.items() <= answers.therapist.items()


def test_the_status_of_the_rating_can_be_asked_for(answers: Answers) -> None:
    assert answers.rating["id"] == "r-1"
    assert answers.rating["status"] in {"pending", "assessed"}


def test_the_balance_counts_every_outcome(answers: Answers) -> None:
    assert set(answers.balance["deliveries"]) == {
        "assessed",
        "stored",
        "superseded",
        "duplicate",
        "blocked",
        "erased",
        "rejected",
    }


def test_steady_ratings_open_no_episode(answers: Answers) -> None:
    assert answers.episodes == {"episodes": [], "next": None}


def test_all_three_ratings_are_assessed_and_the_dry_run_is_not(answers: Answers) -> None:
    assert answers.outcomes == {"assessed": 3}
