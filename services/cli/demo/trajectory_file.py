"""Writes one episode's trajectory as an SVG file: the picture that its therapist's page shows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale

from schemas.events import Change, EpisodeChanged
from schemas.instruments.settings import InstrumentSettings
from schemas.picture.trajectory import DrawnTrajectory, draw
from schemas.wording.wording import Wording, shared_sentences

_MESSAGES = frozenset({Change.OPENED, Change.DEEPENED})


def write_trajectory(episode: Mapping[str, Any], file: Path) -> bool:
    """Write the picture of an episode as the results API returns it; return False when it has no mark."""
    changes = [EpisodeChanged.model_validate(each["data"]) for each in episode["changes"]]
    told = [change for change in changes if change.change in _MESSAGES][-1]
    newest = next(change for change in reversed(changes) if change.trajectory)
    instrument = InstrumentSettings().catalogue().get(told.instrument)
    wording = Wording("en", Locale.parse("en_GB"), shared_sentences("en"))
    drawn = DrawnTrajectory(newest.trajectory, told.session_at, told.facts, instrument)
    picture = draw(drawn, wording, ZoneInfo("UTC"))
    if picture is None:
        return False
    file.write_text(picture.svg(), encoding="utf-8")
    return True
