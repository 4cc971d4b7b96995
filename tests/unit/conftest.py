"""Provides the shipped model, loaded once, and simulated histories."""

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
    """Return the shipped model."""
    return load()


@pytest.fixture(scope="session")
def histories() -> list[list[Form]]:
    """Return the histories of 520 clients from 13 simulated worlds."""
    histories = []
    for seed in range(13):
        cohort = simulate(np.random.default_rng([4, seed]), 40)
        histories += [forms_of(cohort, client) for client in range(40)]
    return histories


@pytest.fixture(scope="session")
def dyads(histories: list[list[Form]]) -> list[DyadForms]:
    """Return the same histories for a detector, none assessed yet."""
    return [DyadForms(None, forms) for forms in histories]
