"""Makes a learned correction for tests that need a candidate model but no answers."""

from lab.training.label_correction import HeldOutFit, LabelCorrection
from services.detector.model.recalibration import Recalibration


def learned(intercept: float, slope: float = 1.0, threshold: float = 0.3) -> LabelCorrection:
    """Return a correction that did better than the shipped model on held-out answers."""
    return LabelCorrection(
        recalibration=Recalibration(intercept=intercept, slope=slope),
        threshold=threshold,
        labels=100,
        yes=40,
        therapists=10,
        before=HeldOutFit(0.7, 0.25, 0.5),
        after=HeldOutFit(0.6, 0.2, 0.4),
        gain=(0.1, 0.05, 0.15),
        p_value=0.001,
    )
