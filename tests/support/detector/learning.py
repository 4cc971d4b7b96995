"""Makes a learned correction for tests that need a candidate model but no answers."""

from lab.training.label_correction import Learned, OnHeldOut
from services.detector.model.recalibration import Recalibration


def learned(intercept: float, slope: float = 1.0, threshold: float = 0.3) -> Learned:
    """Return a correction that did better than the shipped model on held-out answers."""
    return Learned(
        recalibration=Recalibration(intercept=intercept, slope=slope),
        threshold=threshold,
        labels=100,
        yes=40,
        therapists=10,
        before=OnHeldOut(0.7, 0.25, 0.5),
        after=OnHeldOut(0.6, 0.2, 0.4),
        gain=(0.1, 0.05, 0.15),
        by_chance=0.001,
    )
