"""A size and a seed in, a simulated network's ratings and their truth out (by `rapport simulate`)."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.instruments.settings import InstrumentSettings
from services.cli.client.rating_files import read_ratings


@dataclass(frozen=True, slots=True)
class NetworkSize:
    """How large the network is."""

    clients: int = 200
    sessions: int = 12
    practices: int = 3
    therapists: int = 25


@dataclass(frozen=True, slots=True)
class InputRating:
    """One rating to send, and what should become of it."""

    practice: str
    body: dict[str, Any]
    expected: str | None
    """`accepted` or `refused` where the simulation says so."""
    why: str


def simulate_ratings(size: NetworkSize, seed: int, folder: Path) -> tuple[list[InputRating], dict[str, Any]]:
    """The ratings in sending order, and the truth.

    Raises:
        RuntimeError: the simulator failed; with its words.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ratings, truth = folder / "ratings.ndjson", folder / "truth.json"
    sizes = ["--practices", size.practices, "--therapists", size.therapists, "--clients", size.clients]
    command = ["simulate", *sizes, "--sessions", size.sessions, "--seed", seed]
    files = ["--ratings", ratings, "--truth", truth]
    words = [sys.executable, "-m", "services.cli", *(str(word) for word in [*command, *files])]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"`rapport simulate` failed:\n{done.stdout}{done.stderr}")
    lines = [json.loads(line) for line in ratings.read_text().splitlines()]
    sent = [InputRating(line["practice"], line["rating"], line["expect"], line["why"]) for line in lines]
    return sent, json.loads(truth.read_text())


def practices_of(sent: Sequence[InputRating]) -> tuple[str, ...]:
    """The practices in it, in order."""
    return tuple(sorted({one.practice for one in sent}))


def therapists_of(sent: Sequence[InputRating]) -> list[tuple[str, str]]:
    """The (practice, therapist) pairs in it, in order."""
    return sorted(
        {(one.practice, str(one.body["therapist_id"])) for one in sent if one.expected != "refused"}
    )


def from_file(file: Path, practice: str) -> list[InputRating]:
    """The ratings of a file of one's own; `practice` stands where the file names none.

    Raises:
        ValueError: a table lacks a column, or a line is no JSON.
    """
    instruments = InstrumentSettings().catalogue().item_counts()
    sent = []
    for item in read_ratings(file, practice, instruments):
        body: dict[str, Any] = json.loads(item.body)
        sent.append(InputRating(item.practice or practice, body, None, ""))
    return sent
