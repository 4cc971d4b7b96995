"""The demonstration accounts for everything it sends, and the same file again changes nothing."""

import re
from pathlib import Path

from tests.flow.cli.conftest import Rapport

HEAD = "client_id,therapist_id,session_id,session_at,instrument,item_1,item_2,item_3,item_4"


def _numbers(shown: str) -> dict[str, int]:
    """The lines of the reconciliation table."""
    rows = re.findall(r"^\s*(\S.*?)\s{2,}(-?[\d,]+)\s*$", shown, flags=re.MULTILINE)
    return {name.removeprefix("= ").removeprefix("+ "): int(count.replace(",", "")) for name, count in rows}


def _falling_alliance(file: Path) -> Path:
    """Three clients over ten weeks, of whom one's marks fall and stay low; one form is missing."""
    rows = [HEAD]
    for week in range(10):
        for client in ("steady", "falling", "gone"):
            marks = "3,2,3,2" if client == "falling" and week >= 6 else "9,8.5,9,9"
            marks = ",,," if client == "gone" and week == 4 else marks
            at = f"2026-{1 + week // 4:02d}-{1 + 7 * (week % 4):02d}T10:00:00+00:00"
            rows.append(f"{client},t1,{client}-{week},{at},srs,{marks}")
    file.write_text("\n".join(rows) + "\n")
    return file


def test_a_simulated_network_is_accounted_for_to_the_last_rating(
    rapport: Rapport, home_of_its_own: Path
) -> None:
    done = rapport(
        "demo", "--clients", "24", "--sessions", "8", "--therapists", "4", "--rate", "400",
        environment={"RAPPORT_HOME": str(home_of_its_own)}, timeout_s=110,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "MISMATCH" not in done.stdout
    assert "Everything that was sent is accounted for." in done.stdout
    numbers = _numbers(done.stdout)
    outcomes = ("assessed", "superseded", "duplicate")
    rejected = sum(count for name, count in numbers.items() if name.startswith("rejected"))
    assert numbers["accepted"] == rejected + sum(numbers[name] for name in outcomes)
    assert numbers["accepted"] > 150


def test_the_same_file_again_changes_nothing_and_tells_nobody(
    rapport: Rapport, tmp_path: Path, home_of_its_own: Path
) -> None:
    file = _falling_alliance(tmp_path / "ratings.csv")
    words = ("demo", "--ratings", str(file))
    environment = {"RAPPORT_HOME": str(home_of_its_own)}

    first = rapport(*words, environment=environment, timeout_s=60)
    second = rapport(*words, environment=environment, timeout_s=60)

    assert (first.returncode, second.returncode) == (0, 0), first.stdout + second.stdout + second.stderr
    one, two = _numbers(first.stdout), _numbers(second.stdout)
    assert (one["assessed"], one["duplicate"], one["episodes opened"]) == (30, 0, 1)
    assert (two["assessed"], two["duplicate"], two["episodes opened"], two["messages"]) == (0, 30, 0, 0)
    assert "No therapist was told anything new." in second.stdout
    picture = (home_of_its_own / "demo" / "trajectory.svg").read_text(encoding="utf-8")
    assert picture.startswith('<svg class="chart"')
    assert ">3.0<" in picture  # the mark of the relationship in the form that was told
    assert "behind the link" in first.stdout
