"""`rapport up` runs everything until it is told to stop; the other commands find it."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli.home import Home
from tests.flow.cli.conftest import Rapport, command, home_folder
from tests.support.service_stack import wait_until


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """The home of a running stack."""
    with home_folder() as folder:
        yield from _running(folder)


def _running(folder: Path) -> Iterator[Path]:
    environment = {**os.environ, "RAPPORT_HOME": str(folder)}
    said = folder / "said"
    with (
        said.open("w") as out,
        subprocess.Popen(command("up"), env=environment, stdout=out, stderr=out) as up,
    ):
        try:
            wait_until(lambda: up.poll() is not None or "Ctrl-C" in said.read_text(), "rapport up is up", 60)
            assert up.poll() is None, said.read_text()
            yield folder
        finally:
            up.send_signal(signal.SIGINT)
            assert up.wait(60) == 0, said.read_text()
    assert "IngestUnavailable." in said.read_text()
    assert Home(folder).running() is None


def _key(home: Path) -> str:
    return next(word for word in (home / "said").read_text().split() if word.startswith("rpt_"))


def _sent(rapport: Rapport, home: Path, tmp_path: Path) -> dict[str, str]:
    """Send one rating; returns the environment with the key."""
    environment = {"RAPPORT_HOME": str(home), "RAPPORT_KEY": _key(home)}
    file = tmp_path / "one.csv"
    file.write_text(
        "client_id,therapist_id,session_id,session_at,instrument,item_1,item_2,item_3,item_4\n"
        "c-1,t-1,s-1,2026-01-05T10:00:00+01:00,srs,9,8,9,9\n"
    )
    done = rapport("send", str(file), environment=environment)
    assert done.returncode == 0, done.stderr
    return environment


def test_the_first_practice_can_send_and_ask_why(home: Path, rapport: Rapport, tmp_path: Path) -> None:
    environment = _sent(rapport, home, tmp_path)
    words = ("why", "--practice", "my-practice", "--session", "s-1")

    wait_until(lambda: "assessed" in rapport(*words, environment=environment).stdout, "it is assessed")

    assert "accepted" in rapport(*words, environment=environment).stdout


def test_nothing_is_known_of_a_session_that_was_never_sent(home: Path, rapport: Rapport) -> None:
    done = rapport(
        "why", "--practice", "my-practice", "--session", "no-such", environment={"RAPPORT_HOME": str(home)}
    )

    assert done.returncode == 1
    assert "Nothing is known" in done.stdout


def test_the_status_of_a_practice_counts_its_ratings(home: Path, rapport: Rapport, tmp_path: Path) -> None:
    environment = _sent(rapport, home, tmp_path)

    assert '"deliveries"' in rapport("practices", "status", "my-practice", environment=environment).stdout


def test_doctor_finds_nothing_bad(home: Path, rapport: Rapport) -> None:
    done = rapport("doctor", environment={"RAPPORT_HOME": str(home)})

    assert done.returncode == 0, done.stdout + done.stderr
    assert "in memory only" in done.stdout


def test_topics_of_the_embedded_broker_are_in_order_and_need_no_applying(
    home: Path, rapport: Rapport
) -> None:
    environment = {"RAPPORT_HOME": str(home)}

    assert rapport("topics", "check", environment=environment).returncode == 0
    assert "nothing to do" in rapport("topics", "apply", environment=environment).stdout


def test_a_practice_is_added_listed_and_its_key_rotated(home: Path, rapport: Rapport) -> None:
    environment = {"RAPPORT_HOME": str(home)}

    added = rapport("practices", "add", "north", "--set", "tell_from=always", environment=environment)
    listed = rapport("practices", "list", environment=environment).stdout
    key_id = next(line.split()[0] for line in listed.splitlines() if "practice north" in line)
    rotated = rapport("practices", "rotate", key_id, "--overlap", "2", environment=environment)

    assert added.returncode == 0, added.stderr
    assert "rpt_" in added.stdout
    assert "rpt_" not in listed
    assert "ends in 2 hours" in rotated.stdout


def test_an_unknown_option_of_a_practice_is_refused_with_the_known_ones(home: Path, rapport: Rapport) -> None:
    done = rapport(
        "practices", "add", "south", "--set", "colour=blue", environment={"RAPPORT_HOME": str(home)}
    )

    assert done.returncode == 2
    assert "tell_from" in done.stderr


def test_many_practices_are_imported_with_a_key_each(home: Path, rapport: Rapport, tmp_path: Path) -> None:
    file = tmp_path / "practices.csv"
    file.write_text("practice_id,tell_from\neast,always\nwest,\n")

    lines = rapport("practices", "import", str(file), environment={"RAPPORT_HOME": str(home)}).stdout.split()

    assert [line.split(",")[0] for line in lines] == ["practice_id", "east", "west"]
    assert len({line.split(",")[1] for line in lines[1:]}) == 2


def test_a_second_up_says_where_the_first_is(home: Path, rapport: Rapport) -> None:
    done = rapport("up", environment={"RAPPORT_HOME": str(home)})

    assert done.returncode == 1
    assert "already running" in done.stderr


def test_migrating_again_changes_nothing(home: Path, rapport: Rapport) -> None:
    done = rapport("migrate", environment={"RAPPORT_HOME": str(home)})

    assert done.stdout.splitlines() == ["detector: up to date", "notifier: up to date"]
