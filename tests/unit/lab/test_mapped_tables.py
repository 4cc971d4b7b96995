"""`messages` and `compare` read a table as a mapping says, like `try`."""

import csv
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from lab.commands.plugin import plugin

EXAMPLE = Path("docs/examples/ratings.csv")
NAMES = {"client_id": "PatientNo", "session_at": "Held on", "therapist_id": "Staff"}


@pytest.fixture
def renamed(tmp_path: Path) -> tuple[Path, Path]:
    """Return a table whose columns have other names, and the mapping that names them."""
    from schemas.instruments.catalogue import Catalogue
    from schemas.rating_tables.reading import read_ratings_table
    from schemas.rating_tables.reading_options import ReadingOptions, write_mapping

    with EXAMPLE.open(encoding="utf-8", newline="") as lines:
        rows = [{NAMES.get(name, name): cell for name, cell in row.items()} for row in csv.DictReader(lines)]
    table, mapping = tmp_path / "own.csv", tmp_path / "practice.toml"
    with table.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    given = ReadingOptions(NAMES, None, False)
    write_mapping(read_ratings_table(table, Catalogue.load(), given).mapping(), mapping)
    return table, mapping


def run(*words: str) -> Result:
    app = typer.Typer()
    assert plugin.register is not None
    plugin.register(app)
    return CliRunner().invoke(app, words)


def test_messages_takes_a_mapping(
    renamed: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.reports.message_sheet._PRACTICES", 4)
    table, mapping = map(str, renamed)
    ran = run("messages", "--ratings", table, "--mapping", mapping, "--out", str(tmp_path / "page.html"))
    assert (ran.exit_code, "of your ratings" in ran.output) == (0, True), ran.output


def test_a_mapping_without_ratings_is_refused_with_what_to_give(renamed: tuple[Path, Path]) -> None:
    ran = run("messages", "--mapping", str(renamed[1]))
    assert (ran.exit_code, "--ratings" in ran.output) == (2, True)


def test_compare_takes_a_mapping(renamed: tuple[Path, Path]) -> None:
    ran = run("compare", *map(str, renamed[:1]), "--mapping", str(renamed[1]), "--cohorts", "20")
    assert (ran.exit_code, "simulated caseloads" in ran.output) == (0, True), ran.output


@pytest.mark.parametrize("command", [["messages", "--ratings"], ["compare"]])
def test_a_table_that_cannot_be_read_ends_with_a_sentence(command: list[str], tmp_path: Path) -> None:
    table = tmp_path / "empty.csv"
    table.write_text("")
    ran = run(*command, str(table))
    assert (ran.exit_code, isinstance(ran.exception, SystemExit)) == (1, True), ran.output
    assert "empty" in ran.output
