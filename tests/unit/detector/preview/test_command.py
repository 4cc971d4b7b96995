"""The command `rapport try` writes the page, prints its guesses, and says what to do about errors."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from services.detector.cli.commands import register
from tests.support.detector.tables import EXAMPLE, example, items, of, write


def _run(*words: str) -> Result:
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, ["try", *words])


def test_it_writes_the_page_and_shows_the_guess(tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    ran = _run(str(EXAMPLE), "--out", str(out))
    assert ran.exit_code == 0
    assert "questionnaire    as named in each row (certain" in ran.output
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_mapped_column_is_shown_as_given(tmp_path: Path) -> None:
    columns = {"A": of("client_id"), "B": of("session_at")} | items("Q")
    file = write(tmp_path / "own.csv", columns)
    ran = _run(str(file), "--map", "client_id=A", "--instrument", "wai-sr")
    assert ran.exit_code == 0
    assert "client_id        A (given by you)" in ran.output
    assert file.with_suffix(".html").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--map", "client_id"), "FIELD=COLUMN"), (("--instrument", "abc"), "Known are core-10, ors")],
    ids=["no column", "no such questionnaire"],
)
def test_an_unusable_option_is_explained_and_nothing_is_written(
    words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    out = tmp_path / "page.html"
    ran = _run(str(EXAMPLE), "--out", str(out), *words)
    assert ran.exit_code != 0
    assert said in ran.output
    assert not out.exists()


def test_rows_that_would_take_no_effect_are_named_as_before_sending(tmp_path: Path) -> None:
    names = ("client_id", "therapist_id", "session_id", "session_at", "instrument")
    columns = {name: of(name) for name in (*names, *(f"item_{number}" for number in range(1, 13)))}
    rows = example()
    lower = rows[1] | {"item_1": "1"}
    file = write(tmp_path / "own.csv", columns, rows=[*rows, lower, rows[1]])
    ran = _run(str(file), "--out", str(tmp_path / "page.html"))
    assert ran.exit_code == 0, ran.output
    last = len(rows) + 3
    assert (
        f"line {last}: repeats line 3, and the version on line {last - 1} stays current: "
        "send recorded_at with every version"
    ) in ran.output.replace("\n", " ")
