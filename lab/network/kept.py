"""Keeps the arrays of a trained network with their hash and the recipe that made them."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from services.detector.model.network import Network
from services.detector.model.network_file import network_bytes, network_of, read_network

if TYPE_CHECKING:
    from lab.network.fit import NetworkPlan

KEPT = Path(__file__).parent / "kept"
ARRAYS_FILE = "network.npz"
RECIPE_FILE = "recipe.json"


class NetworkRecipe(BaseModel):
    """How kept arrays were made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    """Hash of the file of arrays."""
    plan: dict[str, object]
    """The fields of the `NetworkPlan`."""
    log_loss: float
    """Mean log loss per session over the last tenth of the last round's steps."""


def keep(
    folder: Path, arrays: Mapping[str, NDArray[np.float64]], plan: "NetworkPlan", log_loss: float
) -> NetworkRecipe:
    """Write the arrays and their recipe into a folder, creating it if necessary."""
    folder.mkdir(parents=True, exist_ok=True)
    content = network_bytes(network_of(arrays))
    digest = hashlib.sha256(content).hexdigest()
    recipe = NetworkRecipe(sha256=digest, plan=asdict(plan), log_loss=round(log_loss, 4))
    (folder / ARRAYS_FILE).write_bytes(content)
    (folder / RECIPE_FILE).write_text(recipe.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return recipe


def kept_network(folder: Path = KEPT) -> Network:
    """Return the kept network.

    Raises:
        ValueError: a file is missing, or the arrays are not those of the recipe.
        UnusableModel: the arrays are no usable network.
    """
    try:
        content = (folder / ARRAYS_FILE).read_bytes()
        recipe = NetworkRecipe.model_validate_json((folder / RECIPE_FILE).read_bytes())
    except OSError as error:
        raise ValueError(
            f"{error.filename} cannot be read: train the network (rapport train-network)"
        ) from None
    if hashlib.sha256(content).hexdigest() != recipe.sha256:
        raise ValueError(
            f"{folder / ARRAYS_FILE} is not the file of the recipe beside it: restore both, or train the "
            "network again (rapport train-network)"
        )
    return read_network(content)
