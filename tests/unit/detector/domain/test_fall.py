"""The usual level and its range are the client's own, and one odd form changes neither."""

import pytest

from services.detector.domain.fall import UsualLevel, usual_level


def test_one_mark_is_not_usual_yet() -> None:
    assert usual_level([0.9]) is None
    assert usual_level([0.75, 0.25]) == UsualLevel(0.5, 0.25, 0.75)


def test_one_odd_form_changes_neither_level_nor_range() -> None:
    assert usual_level([0.9, 0.8, 0.1, 0.85, 0.9]) == UsualLevel(0.85, 0.8, 0.9)


def test_a_steady_client_has_a_narrower_range_than_a_noisy_one() -> None:
    steady, noisy = usual_level([0.8, 0.82, 0.8, 0.78] * 2), usual_level([0.8, 0.95, 0.7, 0.6] * 2)
    assert steady is not None
    assert noisy is not None
    assert steady.high - steady.low < 0.2 * (noisy.high - noisy.low)


def test_only_the_last_eight_marks_count() -> None:
    assert usual_level([0.1] * 9 + [0.9] * 8) == UsualLevel(0.9, 0.9, 0.9)


def test_the_usual_level_of_marks_that_rise_is_that_of_the_later_half() -> None:
    assert usual_level([0.4, 0.45, 0.5, 0.55, 0.6, 0.65]) == UsualLevel(0.6, 0.55, 0.65)


def test_marks_that_go_down_do_not_take_the_usual_level_with_them() -> None:
    level = usual_level([0.65, 0.6, 0.55, 0.5, 0.45, 0.4])
    assert level is not None
    assert level.level == pytest.approx(0.525)
