"""Learning from answers corrects a wrong risk, keeps the order, and resists careless answers."""

from pathlib import Path

import numpy as np
import pytest

from lab.studies.label_learning import StudyOutcome, outcomes, simulate_practice
from lab.training.label_correction import (
    MIN_LABELS,
    MIN_LABELS_OF_EACH,
    MIN_THERAPISTS,
    LabelCorrection,
    LabelledSessions,
    TooFewLabels,
    check_enough,
    learn_from,
)
from lab.training.recalibration_fit import TherapistAnswers, fit_recalibration
from services.detector.files.label_file import COLUMNS, read_labels
from services.detector.model.artefact import load
from services.detector.model.recalibration import Recalibration, log_odds

RNG = np.random.default_rng


def answers(seed: int, count: int, *, shift: float = 0.0, careless: bool = False) -> TherapistAnswers:
    """Simulate answers where the true log-odds are the risk's plus `shift`.

    With `careless`, half of ten therapists answer without looking.
    """
    rng = RNG(seed)
    risk = rng.uniform(0.3, 0.95, count)
    truth = rng.random(count) < 1 / (1 + np.exp(-(log_odds(risk) + shift)))
    therapist = rng.integers(10, size=count)
    if careless:
        truth = np.where(therapist < 5, rng.random(count) < 0.1, truth)
    return TherapistAnswers(risk, truth, [str(one) for one in therapist])


def learn(answers: TherapistAnswers) -> LabelCorrection:
    """Learn from answers of as many dyads, without other sessions."""
    count = answers.risk.size
    labelled = LabelledSessions(answers, np.full(count, np.nan), [str(number) for number in range(count)])
    return learn_from(labelled, [], 0.33, share=0.05)


def test_without_answers_nothing_is_corrected() -> None:
    assert (
        fit_recalibration(TherapistAnswers(np.empty(0), np.empty(0, dtype=np.bool_), [])) == Recalibration()
    )


def test_risks_that_are_too_high_are_lowered() -> None:
    found = fit_recalibration(answers(1, 400, shift=-0.8))
    assert found.intercept == pytest.approx(-0.8, abs=0.25)


def test_a_right_risk_is_left_nearly_alone() -> None:
    found = fit_recalibration(answers(2, 400))
    assert abs(found.apply(np.array([0.5]))[0] - 0.5) < 0.06


def test_careless_therapists_count_for_little() -> None:
    found = fit_recalibration(answers(3, 400, careless=True)).apply(np.array([0.5]))[0]
    assert abs(found - 0.5) < 0.1


def test_however_many_answers_there_are_the_correction_is_bounded() -> None:
    never = TherapistAnswers(np.full(5000, 0.9), np.zeros(5000, dtype=np.bool_), ["one"] * 5000)
    risk = np.array([0.1, 0.5, 0.9])
    change = log_odds(fit_recalibration(never).apply(risk)) - log_odds(risk)
    assert np.all(np.abs(change) < 2)


def test_a_correction_keeps_the_order_of_risks() -> None:
    risk = np.linspace(0, 1, 1001)
    assert np.all(np.diff(fit_recalibration(answers(4, 80, shift=0.6)).apply(risk)) >= 0)


def test_a_corrected_risk_does_not_depend_on_its_batch() -> None:
    risk = RNG(9).random(513)
    found = Recalibration(intercept=-0.3, slope=1.1)
    assert np.array_equal(
        found.apply(risk), np.concatenate([found.apply(one) for one in np.split(risk, 513)])
    )


def test_two_corrections_are_one() -> None:
    first, second = Recalibration(intercept=0.3, slope=0.8), Recalibration(intercept=-0.2, slope=1.2)
    risk = np.array([0.01, 0.4, 0.9])
    np.testing.assert_allclose(second.after(first).apply(risk), second.apply(first.apply(risk)), rtol=1e-12)


@pytest.mark.parametrize(
    ("count", "yes", "therapists", "why"),
    [
        (MIN_LABELS - 1, 30, 9, f"{MIN_LABELS} are needed"),
        (MIN_LABELS, MIN_LABELS_OF_EACH - 1, 9, f"{MIN_LABELS_OF_EACH} of each"),
        (MIN_LABELS, MIN_LABELS - MIN_LABELS_OF_EACH + 1, 9, f"{MIN_LABELS_OF_EACH} of each"),
        (MIN_LABELS, 30, MIN_THERAPISTS - 1, f"{MIN_THERAPISTS} are needed"),
    ],
)
def test_too_little_is_refused_with_the_reason(count: int, yes: int, therapists: int, why: str) -> None:
    who = [str(number % therapists) for number in range(count)]
    with pytest.raises(TooFewLabels, match=why):
        check_enough(TherapistAnswers(np.full(count, 0.5), np.arange(count) < yes, who))


def test_answers_that_do_not_go_with_the_risk_teach_nothing() -> None:
    rng = RNG(5)
    random = TherapistAnswers(
        rng.uniform(0.3, 0.95, 200), rng.random(200) < 0.2, [str(n % 12) for n in range(200)]
    )
    found = learn(random)
    assert not found.is_better


def test_attentive_answers_to_a_wrong_risk_are_learned_from() -> None:
    wrong = answers(6, 300, shift=-0.8)
    found = learn(wrong)
    assert found.is_better
    assert found.after.log_loss < found.before.log_loss
    assert found.after.mean_risk < found.before.mean_risk


def test_answers_that_say_nothing_yet_are_no_labels(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    rows = [
        f"north,t,c{n},,s{n},2026-01-05T10:00:00+00:00,{answer},"
        for n, answer in enumerate(("discussed", "will-discuss", "not-relevant", "outside-event", "undone"))
    ]
    file.write_text("\n".join([",".join(COLUMNS), *rows]))
    assert [(label.client_id, label.rupture) for label in read_labels(file)] == [
        ("c0", True),
        ("c2", False),
        ("c3", False),
    ]


def test_an_unknown_answer_is_named_by_its_row(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("client_id,session_id,answer\nc,s,perhaps\n")
    with pytest.raises(ValueError, match="line 2"):
        read_labels(file)


@pytest.fixture(scope="module")
def by_habit() -> dict[str, StudyOutcome]:
    """A practice whose risks are wrong: what 200 answers lead to, for clients that were not learned from."""
    practice = simulate_practice(load(), "many missing", 0, 1_400)
    return {outcome.habits: outcome for outcome in outcomes(practice, 0, (200,))}


def test_attentive_therapists_make_the_risk_of_new_clients_better(by_habit: dict[str, StudyOutcome]) -> None:
    found = by_habit["attentive"]
    assert found.activated
    assert found.candidate.log_loss < found.before.log_loss
    assert found.candidate.calibration_error < 0.7 * found.before.calibration_error


@pytest.mark.parametrize("habits", ["all careless", "all click it away"])
def test_careless_therapists_change_nothing(by_habit: dict[str, StudyOutcome], habits: str) -> None:
    assert not by_habit[habits].activated
