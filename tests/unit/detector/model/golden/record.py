"""The shipped model in, the golden assessments out; the forms are made by hand and by the simulator."""

import json
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import asdict

from lab.product_path import forms_of
from lab.simulator.cohort import simulate
from lab.simulator.instruments import DRAW_ORDER
from lab.simulator.world import typical_world
from schemas.instruments.catalogue import Catalogue
from services.detector.domain.assessment import ComponentFinding
from services.detector.domain.detector import DyadForms
from services.detector.domain.form import Form
from services.detector.model.artefact import load
from services.detector.model.heartbeat_history import heartbeat_history

FILE = Path(__file__).parent / "assessments.json"
CLIENTS = 3


def histories() -> dict[str, list[Form]]:
    """The heartbeat's history, and some clients of each instrument."""
    found = {"heartbeat": heartbeat_history()}
    for number, name in enumerate(DRAW_ORDER):
        rng = np.random.default_rng([11, number])
        cohort = simulate(rng, CLIENTS, typical_world(Catalogue.load().get(name), rng), 14)
        found |= {f"{name} {client}": forms_of(cohort, client) for client in range(CLIENTS)}
    return found


def assessments() -> dict[str, list[dict[str, Any]]]:
    """Return the shipped model's assessment of each form; null where there is no number."""
    named = histories()
    results = load().assess([DyadForms(None, forms) for forms in named.values()])
    return {
        name: [_plain(found) for found in result.assessments]
        for name, result in zip(named, results, strict=True)
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    if isinstance(value, ComponentFinding):  # the file keeps the word that is published
        value = {"risk": value.risk, "score": value.score, "usual": value.baseline}
    elif isinstance(value, Struct):
        value = asdict(value)
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, float) and isnan(value):
        return None
    return value


def record() -> None:
    """Write the golden file anew."""
    FILE.write_text(json.dumps(assessments(), indent=1) + "\n", encoding="utf-8")
