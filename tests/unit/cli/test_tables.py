"""Every command that reads a table refuses a row that does not fit, names its line, and does nothing."""

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest
import typer

from services.cli.__main__ import application, main
from tests.support.detector.tables import ROOT

RATINGS = """client_id,therapist_id,session_id,session_at,instrument,item_1,item_2,item_3,item_4
c-1,t-1,s-1,2026-01-05T10:00Z,srs,7,8,9,9
c-1,t-1,s-2,2026-01-12T10:00Z,srs,8,8,9,9
c-1,t-1,s-3,2026-01-19T10:00Z,srs,8,8,9,8
"""
LABELS = "client_id,session_id,answer,topic\nc-1,s-1,discussed,\nc-1,s-2,discussed,\nc-1,s-3,discussed,\n"
PRACTICES = "practice_id,display_name,messages\nnorth,North,on\nsouth,South,on\neast,East,on\n"
THERAPISTS = "therapist_id,address,locale\nt-1,,de\nt-2,,de\nt-3,,de\n"

Words = Callable[[Path, Path], list[object]]
"""Makes the words of a command from the table and a folder that it may write to."""

TABLES: dict[tuple[str, str], tuple[str, Words]] = {
    ("send", "file"): (RATINGS, lambda table, _: [table]),
    ("demo", "ratings"): (RATINGS, lambda table, _: ["--ratings", table]),
    ("practices import", "file"): (PRACTICES, lambda table, _: [table]),
    ("therapists import", "file"): (THERAPISTS, lambda table, _: [table, "--practice", "north"]),
    ("score", "file"): (RATINGS, lambda table, out: [table, "--out", out / "scores.csv"]),
    ("try", "file"): (RATINGS, lambda table, out: [table, "--out", out / "page.html"]),
    ("compare", "ratings"): (RATINGS, lambda table, _: [table]),
    ("messages", "ratings"): (RATINGS, lambda table, out: ["--ratings", table, "--out", out / "page.html"]),
    ("evaluate", "ratings"): (RATINGS, lambda table, out: ["--ratings", table, "--out", out / "page.html"]),
    ("evaluate", "labels"): (
        LABELS,
        lambda table, out: ["--ratings", _ratings(out), "--labels", table, "--out", out / "page.html"],
    ),
    ("train", "ratings"): (
        RATINGS,
        lambda table, out: ["--ratings", table, "--labels", table, "--out", out / "model"],
    ),
    ("train", "labels"): (
        LABELS,
        lambda table, out: ["--ratings", _ratings(out), "--labels", table, "--out", out / "model"],
    ),
}
"""Every command and parameter that takes a table: a good one, and how the command is called with it."""

NO_TABLES = {
    *(
        (command, "mapping")
        for command in ("try", "send", "score", "evaluate", "train", "messages", "compare")
    ),
    ("try", "write_mapping"),
    ("demo", "key_file"),
    ("schemas export", "folder"),
    ("schemas check", "folder"),
    ("export", "out"),
    ("score", "out"),
    ("score", "settings"),
    ("score", "model"),
    ("simulate", "ratings"),
    ("simulate", "truth"),
    ("thresholds export", "out"),
    ("statistics export", "out"),
    ("labels export", "out"),
    ("models activate", "model"),
    ("models reference", "model"),
    ("models precision", "model"),
    ("try", "out"),
    ("try", "model"),
    ("observed", "out"),
    ("observed", "json"),
    ("observed", "model"),
    ("train", "out"),
    ("train", "model"),
    ("train-network", "out"),
    ("evaluate", "model"),
    ("evaluate", "before"),
    ("evaluate", "card"),
    ("evaluate", "optimal_kept"),
    ("evaluate", "out"),
    ("messages", "out"),
    ("messages", "model"),
}
"""Paths that are written, folders, and files in JSON."""

FAULTS: dict[str, Callable[[str], str]] = {
    "too many cells": lambda line: f"{line},5",
    "too few cells": lambda line: line.rpartition(",")[0],
    "a quotation mark": lambda line: line.replace(",", ',"', 1),
}


def _ratings(folder: Path) -> Path:
    file = folder / "other.csv"
    file.write_text(RATINGS, encoding="utf-8")
    return file


def _paths(app: typer.Typer, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield each command with each of its parameters that is a path."""
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from _paths(group.typer_instance, f"{name} {group.name}".strip())
    for command in app.registered_commands:
        assert command.callback is not None
        word = command.name or command.callback.__name__
        for parameter in inspect.signature(command.callback).parameters.values():
            kind = next(iter(get_args(parameter.annotation)), parameter.annotation)
            if Path in {kind, *get_args(kind)}:
                yield f"{name} {word}".strip(), parameter.name


def test_every_path_that_a_command_takes_is_known_to_be_a_table_or_none() -> None:
    assert set(_paths(application())) == TABLES.keys() | NO_TABLES


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("taken", TABLES, ids=" ".join)
def test_a_row_that_does_not_fit_is_named_and_nothing_is_done(
    taken: tuple[str, str],
    fault: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    good, words = TABLES[taken]
    lines = good.splitlines()
    lines[2] = FAULTS[fault](lines[2])
    table, out = tmp_path / "table.csv", tmp_path / "out"
    table.write_text("\n".join(lines), encoding="utf-8")
    out.mkdir()
    called = [str(word) for word in words(table, out)]
    before = sorted(out.iterdir())
    # Nothing listens there: a command that came so far would say so instead.
    monkeypatch.setenv("RAPPORT_INGEST_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    monkeypatch.setenv("RAPPORT_KEY", "rpt_none")
    monkeypatch.setenv("RAPPORT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "argv", ["rapport", *taken[0].split(), *called])

    with pytest.raises(SystemExit) as ended:
        main()

    said = capsys.readouterr().err
    assert ended.value.code not in {0, None}
    assert "line 3: " in said
    assert "cells under" in said or "quotation mark opens here" in said
    assert sorted(out.iterdir()) == before


def test_tables_are_read_in_one_place() -> None:
    readers = [
        str(file.relative_to(ROOT))
        for folder in ("schemas", "services", "lab")
        for file in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in {"reader", "DictReader"}
        and isinstance(node.value, ast.Name)
        and node.value.id == "csv"
    ]
    assert set(readers) == {"schemas/csv_table.py"}
