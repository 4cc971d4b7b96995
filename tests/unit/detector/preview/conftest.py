"""Fixtures for tests of `rapport try`: the shipped model and the instruments, loaded once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.instruments.catalogue import Catalogue
from schemas.rating_tables.reading_options import ReadingOptions
from services.detector.domain.detector import Detector
from services.detector.model.artefact import SHIPPED, load
from services.detector.preview.page import PreviewContents
from services.detector.preview.pipeline import try_file

Preview = Callable[..., PreviewContents]


@pytest.fixture(scope="session")
def model() -> Detector:
    return load(SHIPPED)


@pytest.fixture(scope="session")
def preview(model: Detector) -> Preview:
    catalogue = Catalogue.load()

    def run(
        file: Path, given: dict[str, str] | None = None, instrument: str | None = None
    ) -> PreviewContents:
        return try_file(file, model, catalogue, ReadingOptions(given or {}, instrument))

    return run
