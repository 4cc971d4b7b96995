"""A kill point is chosen by its label, and every other label is passed."""

import pytest

from services.runtime.process.kill_points import LABELS, kill_at, no_checkpoint


def test_without_a_label_nothing_is_killed() -> None:
    assert kill_at(None) is no_checkpoint
    assert kill_at("") is no_checkpoint


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nowhere", "no checkpoint is called 'nowhere'"),
        ("after-read:0", "must be 1 or more"),
        ("after-read:x", "invalid literal"),
    ],
)
def test_an_unknown_label_or_an_invalid_count_is_refused(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kill_at(spec)


def test_other_labels_are_passed() -> None:
    checkpoint = kill_at("after-publish")

    for label in LABELS:
        if label != "after-publish":
            checkpoint(label)
