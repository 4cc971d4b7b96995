"""A dyad's state survives as bytes, and bytes of another model are refused."""

import numpy as np
import pytest

from services.detector.model.snapshot import BadSnapshot, decode_snapshots, encode_snapshots

STATES = np.array([[0.5, -2.25, np.nan], [1e-3, 7.0, 0.0]], dtype=np.float32).astype(np.float64)


def test_a_state_is_read_back_as_it_was_written() -> None:
    states = np.zeros_like(STATES)
    decode_snapshots(list(encode_snapshots(STATES)), states)
    assert np.array_equal(states, STATES, equal_nan=True)


def test_a_dyad_without_a_snapshot_keeps_its_row() -> None:
    states = np.ones_like(STATES)
    decode_snapshots([None, list(encode_snapshots(STATES))[1]], states)
    assert states[0].tolist() == [1.0, 1.0, 1.0]
    assert np.array_equal(states[1], STATES[1])


@pytest.mark.parametrize(
    "snapshot",
    [b"", b"RAP1" + bytes(12), b"RAP2" + bytes(8), b"RAP2" + bytes(16)],
    ids=["empty", "another format", "too short", "too long"],
)
def test_bytes_of_another_format_or_width_are_refused(snapshot: bytes) -> None:
    with pytest.raises(BadSnapshot, match="refold"):
        decode_snapshots([snapshot], np.zeros((1, 3)))
