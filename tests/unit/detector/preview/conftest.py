"""What every test of `rapport try` needs: the shipped model and the instruments, read once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.instruments.catalogue import Catalogue
from services.detector.domain.detector import Detector
from services.detector.model.artefact import SHIPPED, load
from services.detector.preview.page import Contents
from services.detector.preview.pipeline import try_file

Try = Callable[..., Contents]


@pytest.fixture(scope="session")
def model() -> Detector:
    return load(SHIPPED)


@pytest.fixture(scope="session")
def tried(model: Detector) -> Try:
    catalogue = Catalogue.load()

    def run(file: Path, told: dict[str, str] | None = None, instrument: str | None = None) -> Contents:
        return try_file(file, model, catalogue, told=told or {}, instrument=instrument)

    return run
