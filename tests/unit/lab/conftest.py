"""Provides the assessed dyads of a table of real ratings."""

import os
from pathlib import Path

import pytest

from lab.practice_histories import read_histories
from lab.product_path import AssessedDyad, assess_table
from schemas.instruments.catalogue import Catalogue
from services.detector.model.trained_detector import TrainedDetector

REAL_RATINGS = "RAPPORT_REAL_RATINGS"
"""Names a table of real ratings, as `rapport score` reads it."""


@pytest.fixture(scope="session")
def real_dyads(detector: TrainedDetector) -> list[AssessedDyad]:
    """Return the dyads of real ratings as the shipped model assesses them.

    Real ratings may not be part of the tree. Without the variable that names a table of them there is nothing
    to test, and the test is skipped.
    """
    file = os.environ.get(REAL_RATINGS)
    if file is None:
        pytest.skip(f"{REAL_RATINGS} names no table of real ratings")
    return assess_table(detector, read_histories(Path(file), Catalogue.load()))
