"""Ratings by an instrument of one's own are assessed like those by shipped ones."""

from pathlib import Path

import pytest

from schemas import topics
from schemas.events import AllianceAssessed
from schemas.instruments.settings import InstrumentSettings
from services.detector.app import load_tools
from services.detector.settings import DetectorSettings
from services.runtime.process.errors import Halt
from tests.support.detector.batch_driver import DetectorDriver, body, events, record_of
from tests.support.schemas.instruments import folder_with_small


async def test_a_fall_in_an_instrument_of_the_folder_is_assessed_by_the_shipped_model(
    detector: DetectorDriver, tmp_path: Path
) -> None:
    settings = InstrumentSettings(instruments_dir=folder_with_small(tmp_path))
    detector.tools = load_tools(DetectorSettings(), settings)
    good = [record_of(body(n, [4, 4], instrument="small"), n + 8) for n in range(-8, 0)]
    out = await detector.feed([*good, record_of(body(0, [0, 0], instrument="small"), 8)])
    assessed = [each.data for each in events(out, topics.ASSESSED)]
    assert [each.instrument for each in assessed if isinstance(each, AllianceAssessed)] == ["small"] * 9
    risks = [each.risk for each in assessed if isinstance(each, AllianceAssessed) and each.risk is not None]
    assert risks[-1] > 0.5 > max(risks[:-1])


def test_a_folder_that_does_not_exist_halts_the_detector(tmp_path: Path) -> None:
    with pytest.raises(Halt, match="nowhere:\n  is not a folder"):
        load_tools(DetectorSettings(), InstrumentSettings(instruments_dir=tmp_path / "nowhere"))
