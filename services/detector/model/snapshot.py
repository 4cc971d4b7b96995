"""Encodes a dyad's state as bytes and back, so that a history need not be folded again."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MAGIC = b"RAP2"
"""Marks the format of the bytes: this, then the state as little-endian float32."""
_MAGIC_WITH_NETWORK = b"RAP3"
"""The same for a state that ends with a network's."""


class BadSnapshot(ValueError):
    """The bytes are not a snapshot of this model: fold the dyad's history again."""


def encode_snapshots(states: Floats, *, with_network: bool = False) -> Iterator[bytes]:
    """Yield each row of states (n, width), whose numbers must each fit into a float32, as bytes.

    `with_network` states whether the rows end with a network's state.

    >>> states = np.array([[0.5, 2.0]])
    >>> next(encode_snapshots(states))
    b'RAP2\\x00\\x00\\x00?\\x00\\x00\\x00@'
    """
    numbers = states.astype("<f4").view(np.uint8)
    magic = np.frombuffer(_magic(with_network=with_network), dtype=np.uint8)
    joined = np.concatenate([np.broadcast_to(magic, (states.shape[0], magic.size)), numbers], axis=1)
    size = joined.shape[1]
    packed = joined.tobytes()
    return (packed[at : at + size] for at in range(0, len(packed), size))


def decode_snapshots(
    snapshots: Sequence[bytes | None], states: Floats, *, with_network: bool = False
) -> None:
    """Write the snapshots into their rows of states (n, width); rows whose snapshot is None stay.

    Raises:
        BadSnapshot: the bytes have another format or another width.
    """
    width = states.shape[1]
    given = [snapshot for snapshot in snapshots if snapshot is not None]
    magic, size = snapshot_form(width, with_network=with_network)
    if any(len(snapshot) != size or not snapshot.startswith(magic) for snapshot in given):
        raise BadSnapshot("not a snapshot of this model: refold the history")
    if given:
        rows = [row for row, snapshot in enumerate(snapshots) if snapshot is not None]
        joined = np.frombuffer(b"".join(given), dtype=np.uint8).reshape(-1, size)
        states[rows] = np.ascontiguousarray(joined[:, len(magic) :]).view("<f4")


def snapshot_form(width: int, *, with_network: bool = False) -> tuple[bytes, int]:
    """Return the first bytes of every snapshot of states of this width, and the number of all its bytes."""
    magic = _magic(with_network=with_network)
    return magic, len(magic) + 4 * width


def _magic(*, with_network: bool) -> bytes:
    return _MAGIC_WITH_NETWORK if with_network else _MAGIC
