"""The shipped model, loaded once, and simulated histories to try it on."""

import numpy as np
import pytest

from services.detector.core import DyadForms
from services.detector.history import Form
from services.detector.model.artefact import load
from services.detector.model.detector import TrainedDetector
from services.detector.model.flow import forms_of
from services.detector.model.simulate import simulate


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
