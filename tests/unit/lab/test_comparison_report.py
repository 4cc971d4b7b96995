"""The comparison's table, words and picture state the figures that were measured."""

from dataclasses import replace
from pathlib import Path

import pytest

from lab.evaluation.paired_comparison import (
    DetectorFigures,
    KindComparison,
    PairedFigures,
    Ratio,
    YardstickComparison,
)
from lab.reports import comparison_report
from lab.reports.comparison_plots import comparison_picture
from lab.reports.comparison_report import compare_models
from lab.reports.comparison_table import comparison_table, planted_words
from services.detector.model.manifest import UnusableModel
from services.detector.model.trained_detector import TrainedDetector

BEFORE = DetectorFigures(
    version="gb-1",
    auprc=0.4,
    caught=0.36,
    own_false_alarms=4.4,
    promise_kept=0.95,
    calibration_error=0.035,
    worst_calibration_error=0.1,
    worst_calibrated="noisy",
    precision=(0.5,) * 20,
    reliability=((0.1, 0.0, 2.0),) * 13,
)
NOW = replace(BEFORE, version="gn-2", auprc=0.42, caught=0.39, own_false_alarms=5.1, promise_kept=1.0)
KINDS = (
    KindComparison("noisy", 3, 0.3, 0.33, Ratio(1.1, 0.02)),
    KindComparison("sticky noise", 3, 0.5, 0.49, Ratio(0.98, 0.01)),
)
COMPARISON = YardstickComparison(
    yardstick="kinds",
    practices=6,
    one_practice=False,
    clients=100,
    sessions=900,
    ruptures=40,
    before=BEFORE,
    others=(PairedFigures(NOW, Ratio(1.05, 0.004), Ratio(1.083, 0.02), KINDS),),
)


def test_the_table_has_both_models_the_ratio_and_the_worst_kind() -> None:
    table = comparison_table([COMPARISON])
    assert table.title == "gn-2 beside the model before, gb-1"
    assert table.rows == (
        ("kinds (6 practices)", "", "", "", ""),
        ("AUPRC", "0.400", "0.420", "1.050 ± 0.004", "0.980 ± 0.010, sticky noise"),
        ("caught", "36.0", "39.0", "1.083 ± 0.020", ""),
        ("false alarms", "4.4", "5.1", "", ""),
        ("2 to 8", "95", "100", "", ""),
        ("calibration error", "0.035", "0.035", "", ""),
        ("the largest of them", "0.100", "0.100", "", "noisy"),
    )


def test_of_one_practice_neither_calibration_nor_a_share_of_practices_is_shown() -> None:
    table = comparison_table([replace(COMPARISON, one_practice=True)])
    assert [row[0] for row in table.rows] == [
        "kinds (6 groups of clients)",
        "AUPRC",
        "caught",
        "false alarms",
    ]


def test_a_model_beside_itself_is_named_as_such() -> None:
    same = replace(COMPARISON, others=(replace(COMPARISON.others[0], figures=BEFORE),))
    assert comparison_table([same]).note.endswith("Both are the same model.")
    assert "the same model" not in comparison_table([COMPARISON]).note


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (Ratio(1.05, 0.004), "better than the model before"),
        (Ratio(0.95, 0.004), "worse than the model before"),
        (Ratio(1.05, 0.03), "no clear difference"),
        (Ratio(1.0, 0.0), "no clear difference"),
    ],
)
def test_a_difference_is_called_clear_from_two_standard_errors_on(ratio: Ratio, said: str) -> None:
    words = planted_words(replace(COMPARISON, others=(replace(COMPARISON.others[0], auprc=ratio),)))
    assert said in words


@pytest.mark.parametrize(("rate", "said"), [(5.1, "which is near"), (1.9, "not near"), (8.1, "not near")])
def test_the_words_say_whether_the_promise_is_kept(rate: float, said: str) -> None:
    figures = replace(NOW, own_false_alarms=rate)
    words = planted_words(replace(COMPARISON, others=(replace(COMPARISON.others[0], figures=figures),)))
    assert f"{rate:.1f} of 100 stable sessions are flagged" in words
    assert said in words


def test_the_picture_is_a_png_and_is_described() -> None:
    picture = comparison_picture(COMPARISON)
    assert picture.png.startswith(b"\x89PNG")
    assert picture.alternative.startswith("kinds: precision and recall")


def test_a_kept_model_that_cannot_be_loaded_is_reported_and_one_that_was_named_is_an_error(
    detector: TrainedDetector,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(comparison_report, "MODEL_BEFORE", tmp_path)
    assert compare_models(detector, None, []) == []
    assert "Not compared with the model before" in capsys.readouterr().err
    with pytest.raises(UnusableModel):
        compare_models(detector, tmp_path, [])
