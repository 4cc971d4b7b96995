"""The shipped model, loaded once, and simulated histories to try it on."""

import numpy as np
import pytest

from lab.product_path import forms_of
from lab.simulator.cohort import simulate
from services.detector.domain.detector import DyadForms
from services.detector.domain.form import Form
from services.detector.model.artefact import load
from services.detector.model.trained_detector import TrainedDetector


@pytest.fixture(scope="session")
def detector() -> TrainedDetector:
    """The shipped model."""
    return load()


@pytest.fixture(scope="session")
def histories() -> list[list[Form]]:
    """520 clients of 13 worlds, whatever their instruments."""
    found = []
    for seed in range(13):
        cohort = simulate(np.random.default_rng([4, seed]), 40)
        found += [forms_of(cohort, client) for client in range(40)]
    return found


@pytest.fixture(scope="session")
def dyads(histories: list[list[Form]]) -> list[DyadForms]:
    """The same as work for a detector, nothing folded yet."""
    return [DyadForms(None, forms) for forms in histories]
