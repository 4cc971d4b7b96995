"""`rapport send` takes what `rapport try` understands, shows it first, and sends nothing unasked."""

import csv
import json
from pathlib import Path

import httpx
import pytest
import typer
from typer.testing import CliRunner, Result

from schemas.instruments.catalogue import Catalogue
from schemas.rating_tables.reading import read_ratings_table
from schemas.rating_tables.reading_options import write_mapping
from services.cli.client import api_client
from services.cli.commands.send import register
from tests.support.schemas.exports import Export, exports


@pytest.fixture
def export(tmp_path: Path) -> Export:
    return exports(tmp_path)


def _send(*words: str | Path) -> Result:
    app = typer.Typer()
    register(app)
    # Nothing listens there: whatever is sent ends in an error.
    environment = {"RAPPORT_KEY": "rpt_x", "RAPPORT_INGEST_URL": "http://127.0.0.1:9"}
    return CliRunner(env=environment).invoke(app, list(map(str, words)))


def _bodies(ran: Result) -> list[object]:
    assert ran.exit_code == 0, ran.output
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_a_mapping_gives_the_ratings_of_the_documented_form(export: Export, tmp_path: Path) -> None:
    mapping = tmp_path / "practice.toml"
    write_mapping(read_ratings_table(export.own, Catalogue.load()).mapping(), mapping)
    documented = _bodies(_send(export.canonical, "--print"))
    assert len(documented) == 27
    assert _bodies(_send(export.own, "--print", "--mapping", mapping)) == documented
    assert _bodies(_send(export.own, "--print")) == documented


def test_json_is_sent_like_the_table_with_the_same_cells(export: Export, tmp_path: Path) -> None:
    with export.own.open(encoding="cp1252", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter=";"))
    own = tmp_path / "own.json"
    own.write_text(json.dumps(rows, indent=1))
    documented = _bodies(_send(export.canonical, "--print"))
    assert _bodies(_send(own, "--print")) == documented
    own.write_text(json.dumps({"responses": rows}))
    assert _bodies(_send(own, "--print")) == documented
    own.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert _bodies(_send(own, "--print")) == documented
    mapping = tmp_path / "practice.toml"
    write_mapping(read_ratings_table(own, Catalogue.load()).mapping(), mapping)
    assert _bodies(_send(own, "--print", "--mapping", mapping)) == documented


def test_every_column_is_shown_with_an_example(export: Export) -> None:
    shown = _send(export.own, "--print").stderr
    assert "client_id        Patient (certain), such as K1\n" in shown
    assert "marks            SRS1 … SRS4, 4 columns (certain), such as 7,1 7,3 7,4\n" in shown
    assert "not read         Bemerkung\n" in shown


def test_nothing_is_sent_before_somebody_agrees(export: Export) -> None:
    ran = _send(export.own)
    assert ran.exit_code == 1
    assert "repeat the command with --yes" in ran.stderr
    assert ran.stderr.endswith("Nothing was sent.\n")


def test_rows_that_are_no_ratings_are_named_and_set_the_exit_code(export: Export) -> None:
    text = export.own.read_text(encoding="cp1252")
    export.own.write_text(text.replace("K2;T0;1;", "K2;T 0;1;"), encoding="cp1252")
    ran = _send(export.own, "--print")
    assert (ran.exit_code, len(ran.stdout.splitlines())) == (3, 26)
    assert "row 20, Behandler: contains white space; expected a pseudonymous reference" in ran.stderr


def test_a_table_without_therapists_needs_one(export: Export) -> None:
    lines = export.own.read_text(encoding="cp1252").replace("\nund mehr", "").splitlines()
    without = [";".join(cell for place, cell in enumerate(line.split(";")) if place != 1) for line in lines]
    export.own.write_text("\n".join(without) + "\n", encoding="cp1252")
    asked = _send(export.own, "--print")
    assert (asked.exit_code, "--therapist REFERENCE" in asked.stderr) == (1, True)
    named = [
        json.loads(line) for line in _send(export.own, "--print", "--therapist", "t7").stdout.splitlines()
    ]
    assert {rating["therapist_id"] for rating in named} == {"t7"}


def test_a_question_says_how_it_is_answered_for_good(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text("Nobody,Date,Q1,Q2\nx,2025-03-04,9,9\n")
    ran = _send(file, "--print")
    assert ran.exit_code == 1
    assert "--map client_id=COLUMN" in ran.stderr
    assert f"`rapport try {file} --write-mapping practice.toml`" in ran.stderr


@pytest.mark.parametrize(
    ("answer", "said", "todo"),
    [
        (
            httpx.Response(200, text="<html>"),
            "was answered by something else than Rapport: check the address",
            "Once that is mended, the command goes on where it ended.",
        ),
        (
            httpx.Response(401, json={"title": "The key is unknown"}),
            "answered 401: The key is unknown",
            "Give a key that may send for this practice (--key or RAPPORT_KEY)",
        ),
    ],
)
def test_a_wrong_address_or_key_is_no_reason_to_run_the_same_again(
    answer: httpx.Response, said: str, todo: str, export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = httpx.MockTransport(lambda _: answer)
    monkeypatch.setattr(
        api_client, "http_client", lambda url: httpx.Client(base_url=url or "http://x", transport=transport)
    )
    ran = _send(export.canonical)
    assert (ran.exit_code, said in ran.stderr) == (1, True), ran.output
    assert "Run the same command again" not in ran.stderr
    assert todo in ran.stderr
    dry = _send(export.canonical, "--dry-run")
    assert dry.stderr.endswith("Nothing was sent.\n")
