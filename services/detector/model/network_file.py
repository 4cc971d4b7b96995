"""Reads the arrays of a network from bytes, writes them, and refuses arrays that are no usable network."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from io import BytesIO
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from services.detector.features.practice_statistics import STATISTICS
from services.detector.model.manifest import UnusableModel
from services.detector.model.network import LARGEST_SUM, WEIGHT_GRID, Network, NetworkWeights
from services.detector.model.network_inputs import INPUTS, LEVEL, TOP

Floats = NDArray[np.float64]

NAMES = tuple(field.name for field in fields(NetworkWeights))
"""The names of the arrays in the file."""
_MULTIPLIED = ("w", "u", "head_h", "head_x")
"""Arrays whose numbers are rounded to `WEIGHT_GRID` when they are read."""
_NEVER_NEGATIVE = ("m_level", "m_top", "m_value", "level_weight", "top_weight")


def network_bytes(network: Network) -> bytes:
    """Return the network's arrays as the content of a file, which is the same for the same arrays."""
    file = BytesIO()
    arrays: dict[str, Any] = asdict(network.weights)
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def read_network(content: bytes) -> Network:
    """Return the network of the content of a file.

    Raises:
        UnusableModel: the content is no such file, or its arrays are no usable network.
    """
    try:
        with np.load(BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (BadZipFile, EOFError, KeyError, OSError, TypeError, ValueError) as error:
        raise UnusableModel(
            f"the network cannot be read ({type(error).__name__}): restore its file, or train it again"
        ) from None
    return network_of(arrays)


def network_of(arrays: Mapping[str, NDArray[Any]]) -> Network:
    """Return the network with these arrays, by name; `NetworkWeights` states their shapes and signs.

    Raises:
        UnusableModel: an array is missing, unknown, of another shape, not finite or of the wrong sign, or the
            weights into one unit are too large together.
    """
    _check_names(arrays)
    _check_shapes(arrays)
    for name in NAMES:
        _require(name, "holds numbers that are not finite", holds=np.isfinite(arrays[name]).all())
    for name in _NEVER_NEGATIVE:
        problem = "has negative numbers, so that lowering a form might lower its risk"
        _require(name, problem, holds=(arrays[name] >= 0).all())
    _require("statistics_sd", "is not above 0 everywhere", holds=(arrays["statistics_sd"] > 0).all())
    of_shape = arrays["head_x"][[LEVEL, TOP], : arrays["m_value"].size + arrays["f_value"].size]
    problem = "reads the level or the top where only a form's shape may count"
    _require("head_x", problem, holds=(of_shape == 0).all())
    exact = {name: np.asarray(arrays[name], dtype=np.float64) for name in NAMES}
    for name in _MULTIPLIED:
        exact[name] = np.rint(exact[name] / WEIGHT_GRID) * WEIGHT_GRID
        sums = np.abs(exact[name]).sum(axis=0)
        problem = f"has weights into one unit that add up to more than {LARGEST_SUM:g}"
        _require(name, problem, holds=(sums <= LARGEST_SUM).all())
    return Network(NetworkWeights(**exact))


def _check_names(arrays: Mapping[str, NDArray[Any]]) -> None:
    missing, unknown = sorted(set(NAMES) - set(arrays)), sorted(set(arrays) - set(NAMES))
    if missing or unknown:
        raise UnusableModel(
            f"the network lacks the arrays {missing} and has unknown ones {unknown}: train it again"
        )


def _check_shapes(arrays: Mapping[str, NDArray[Any]]) -> None:
    k, u = len(INPUTS), arrays["c"].size
    m, f, g = (
        arrays[name].shape[0] if arrays[name].ndim else -1 for name in ("m_value", "f_value", "g_value")
    )
    expected: dict[str, tuple[int, ...]] = {
        "w": (k, 3 * u),
        "u": (u, 3 * u),
        "b": (3 * u,),
        "c": (u,),
        "head_h": (u, m + f + g),
        "head_x": (k, m + f + g),
        "head_b": (m + f + g,),
        "m_level": (m,),
        "m_top": (m,),
        "m_value": (m,),
        "f_value": (f,),
        "level_weight": (),
        "top_weight": (),
        "bias": (),
        "g_value": (g, 3),
        "g_bias": (3,),
        "statistics_mean": (len(STATISTICS),),
        "statistics_sd": (len(STATISTICS),),
    }
    for name, shape in expected.items():
        found = arrays[name]
        problem = f"holds {found.dtype} instead of floating-point numbers"
        _require(name, problem, holds=found.dtype.kind == "f")
        _require(name, f"has the shape {found.shape}; {shape} fits the others", holds=found.shape == shape)


def _require(name: str, problem: str, *, holds: bool | np.bool) -> None:
    if not holds:
        raise UnusableModel(f"the network's array {name} {problem}: restore its file, or train it again")
