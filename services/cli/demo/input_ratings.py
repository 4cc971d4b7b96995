"""Provides the demonstration's ratings: simulated by `rapport simulate`, or read from a file."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import typer

from schemas.instruments.settings import InstrumentSettings
from schemas.rating_tables.description import described, table_to_map
from services.cli.client.rating_files import read_ratings
from services.cli.plugins import GROUP


@dataclass(frozen=True, slots=True)
class NetworkSize:
    """Size of the simulated practice network."""

    clients: int = 200
    sessions: int = 12
    practices: int = 3
    therapists: int = 25


@dataclass(frozen=True, slots=True)
class InputRating:
    """One rating to send, and the answer that the simulation expects."""

    practice: str
    body: dict[str, Any]
    expected: str | None
    """`accepted` or `refused`; None for ratings of a file."""
    why: str
    """Why the simulation expects it."""


def simulate_ratings(size: NetworkSize, seed: int, folder: Path) -> tuple[list[InputRating], dict[str, Any]]:
    """Simulate a network; return its ratings in sending order, and the truth.

    Raises:
        RuntimeError: the simulator is not installed, or failed; the message quotes its output.
    """
    if not entry_points(group=GROUP, name="lab"):
        raise RuntimeError(
            "The simulator is a package of its own, rapport-lab, in the folder lab of the source: install it"
            " beside this one, or watch your own ratings with `rapport demo --ratings FILE`."
        )
    folder.mkdir(parents=True, exist_ok=True)
    ratings, truth = folder / "ratings.ndjson", folder / "truth.json"
    options = {
        "practices": size.practices,
        "therapists": size.therapists,
        "clients": size.clients,
        "sessions": size.sessions,
        "seed": seed,
        "ratings": ratings,
        "truth": truth,
    }
    words = [f"--{name}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "services.cli", "simulate", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"`rapport simulate` failed:\n{done.stdout}{done.stderr}")
    lines = [json.loads(line) for line in ratings.read_text().splitlines()]
    simulated = [InputRating(line["practice"], line["rating"], line["expect"], line["why"]) for line in lines]
    return simulated, json.loads(truth.read_text())


def practices_of(ratings: Sequence[InputRating]) -> tuple[str, ...]:
    """Return the practices of these ratings, sorted."""
    return tuple(sorted({rating.practice for rating in ratings}))


def therapists_of(ratings: Sequence[InputRating]) -> list[tuple[str, str]]:
    """Return the (practice, therapist) pairs of the ratings that ingest should accept, sorted."""
    return sorted(
        {
            (rating.practice, str(rating.body["therapist_id"]))
            for rating in ratings
            if rating.expected != "refused"
        }
    )


def ratings_from_file(file: Path, practice: str) -> list[InputRating]:
    """Read the ratings of a file; `practice` applies where the file names none.

    Raises:
        UnreadableTable: a row does not fit under the header.
        UnusableTable: a table in another form than the documented one cannot be understood.
        ValueError: a line is not JSON.
    """
    catalogue = InstrumentSettings().catalogue()
    with table_to_map(file):
        read = read_ratings(file, practice, catalogue.item_counts, lambda: catalogue)
    for line in [] if read.reading is None else described(read.reading):
        typer.echo(line)
    return [
        InputRating(rating.practice or practice, json.loads(rating.body), None, "") for rating in read.ratings
    ]
