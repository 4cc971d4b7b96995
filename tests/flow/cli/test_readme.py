"""The lines of the README that connect a practice, run as they are written."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.backend import embedded_backend
from tests.support.service_stack import running_stack

README = Path(__file__).resolve().parents[3] / "README.md"


def connecting() -> str:
    """The shell lines below the heading."""
    text = README.read_text(encoding="utf-8").split("## Connecting a practice", 1)[1]
    found = re.search(r"```sh\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture(scope="module")
def shown(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the lines print, run by a shell that stops at the first failure."""
    from tests.support.postgres import fresh_database

    with (
        embedded_backend() as backend,
        fresh_database(postgres_url) as database,
        running_stack(backend, database, tmp_path_factory.mktemp("readme")) as stack,
    ):
        where = stack.where
        environment = os.environ | {
            "INGEST": where.ingest_url,
            "RESULTS": where.results_url,
            "NOTIFIER": where.notifier_url,
            "KEY": where.key,
            "NO_PROXY": "127.0.0.1",
        }
        # The stack's key is a network's: it names its practice, which a practice's own key need not.
        lines = connecting().replace(
            '"Authorization: Bearer $KEY"', '"Authorization: Bearer $KEY" -H "Rapport-Practice: north"'
        )
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", lines],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_dry_run_shows_scores(shown: str) -> None:
    assert '"bond"' in shown


def test_a_rating_is_accepted(shown: str) -> None:
    assert shown.count('"accepted"') == 3


def test_the_rating_can_be_asked_for(shown: str) -> None:
    assert re.search(r'"id": ?"r-1"', shown) is not None


def test_the_balance_is_shown(shown: str) -> None:
    assert '"deliveries"' in shown
