"""`rapport evaluate` and `rapport train` give for other forms of a table what they give for this one."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from lab.commands.evaluate import evaluate
from lab.commands.train import train
from lab.practice_histories import read_histories
from schemas.instruments.catalogue import Catalogue
from schemas.rating_tables.reading import read_ratings_table
from schemas.rating_tables.reading_options import ReadingOptions, write_mapping
from schemas.rating_tables.table_errors import UnusableTable
from tests.support.schemas.exports import Export, exports
from tests.support.schemas.workbooks import write_xlsx


def _rows(export: Export) -> list[dict[str, str]]:
    with export.own.open(encoding="cp1252", newline="") as lines:
        return list(csv.DictReader(lines, delimiter=";"))


def _xlsx(export: Export, folder: Path) -> list[Path]:
    rows = _rows(export)
    cells = [tuple(rows[0]), *(tuple(row.values()) for row in rows)]
    return [write_xlsx(folder / "own.xlsx", {"Ratings": cells})]


def _json(export: Export, folder: Path) -> list[Path]:
    file = folder / "own.json"
    file.write_text(json.dumps(_rows(export)), encoding="utf-8")
    return [file]


def _ndjson(export: Export, folder: Path) -> list[Path]:
    file = folder / "own.ndjson"
    with export.canonical.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    bodies = [
        {name: cell for name, cell in row.items() if not name.startswith("item_")}
        | {"items": [float(row[f"item_{n}"]) if row[f"item_{n}"] else None for n in range(1, 5)]}
        for row in rows
    ]
    file.write_text("".join(f"{json.dumps(body)}\n" for body in bodies), encoding="utf-8")
    return [file]


def _commas(export: Export, _folder: Path) -> list[Path]:
    return [export.own]


def _mapped(export: Export, folder: Path) -> list[Path]:
    text = export.own.read_text(encoding="cp1252").replace("Patient;", "Alpha;").replace("SRS", "Beta")
    file, mapping = folder / "mapped.csv", folder / "practice.toml"
    file.write_text(text, encoding="cp1252")
    given = {"client_id": "Alpha"} | {f"item_{n}": f"Beta{n}" for n in range(1, 5)}
    reading = read_ratings_table(file, Catalogue.load(), ReadingOptions(given, "srs"))
    write_mapping(reading.mapping(), mapping)
    return [file, mapping]


FORMS = {"xlsx": _xlsx, "JSON": _json, "NDJSON": _ndjson, "decimal commas": _commas, "a mapping": _mapped}
Form = Callable[[Export, Path], list[Path]]


@pytest.fixture
def export(tmp_path: Path) -> Export:
    return exports(tmp_path)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    file = tmp_path / "labels.csv"
    answers = [f"K{client},{session},discussed" for client in (1, 2) for session in (4, 7)]
    file.write_text("\n".join(["client_id,session_id,answer", *answers]) + "\n", encoding="utf-8")
    return file


def _run(command: Callable[..., None], *words: str | Path) -> Result:
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, list(map(str, words)))


def _ratings(files: list[Path]) -> list[Path | str]:
    return ["--ratings", files[0]] if len(files) == 1 else ["--ratings", files[0], "--mapping", files[1]]


@pytest.mark.parametrize("form", FORMS)
def test_evaluate_writes_the_same_page(form: str, export: Export, labels: Path, tmp_path: Path) -> None:
    pages: list[str] = []
    for files in ([export.canonical], FORMS[form](export, tmp_path)):
        out = tmp_path / f"page-{len(pages)}.html"
        ran = _run(evaluate, *_ratings(files), "--labels", labels, "--out", out)
        assert ran.exit_code == 0, ran.output
        pages.append(out.read_text(encoding="utf-8"))
    assert "27 rated sessions of 3 dyads" in pages[0]
    assert pages[1] == pages[0]


@pytest.mark.parametrize("form", FORMS)
def test_train_sees_the_same_answers_and_histories(
    form: str, export: Export, labels: Path, tmp_path: Path
) -> None:
    files = FORMS[form](export, tmp_path)
    said = [
        _run(train, *_ratings(each), "--labels", labels, "--out", tmp_path / "out").stderr.splitlines()[-1]
        for each in ([export.canonical], files)
    ]
    assert said[0].startswith("Nothing can be learned yet: ")
    assert said[1] == said[0]
    documented, own = (
        read_histories(file, Catalogue.load(), mapping)
        for file, mapping in ((export.canonical, None), (files[0], files[1] if len(files) > 1 else None))
    )
    assert [
        (dyad.client_id, [(form.order.session_at, dyad.key(form)) for form in dyad.forms])
        for dyad in own.dyads
    ] == [
        (dyad.client_id, [(form.order.session_at, dyad.key(form)) for form in dyad.forms])
        for dyad in documented.dyads
    ]


def test_a_question_about_the_table_names_the_command_that_answers_it(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text("ID,Date,SRS1,SRS2,SRS3,SRS4\nA,2025-03-04,9,9,9,9\n", encoding="utf-8")
    with pytest.raises(UnusableTable, match=r"to `rapport try .* --mapping practice\.toml"):
        read_histories(file, Catalogue.load())
