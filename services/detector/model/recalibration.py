"""Corrects a model's risk by two numbers that were fitted to therapists' answers.

The corrected odds are `exp(intercept) * odds ** slope`. The curve is strictly increasing, so sessions keep
their order of risk, and lowering a whole form still never lowers the risk. The lab fits the two numbers
(`lab/training/recalibration_fit.py`). The form is that of Platt (1999), applied to a calibrated risk.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Floats = NDArray[np.float64]

_MIN_PROBABILITY = 1e-6


class Recalibration(BaseModel):
    """A correction of log-odds: intercept + slope * log-odds.

    >>> Recalibration(intercept=0.0, slope=2.0).apply(np.array([0.5, 0.75])).round(3).tolist()
    [0.5, 0.9]
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    intercept: float = 0.0
    slope: float = Field(default=1.0, gt=0)

    def apply(self, risk: Floats) -> Floats:
        """Return the corrected risks, elementwise; any shape."""
        return 1 / (1 + np.exp(-(self.intercept + self.slope * log_odds(risk))))

    def after(self, first: "Recalibration | None") -> "Recalibration":
        """Return one correction that has the effect of `first` followed by this one."""
        if first is None:
            return self
        return Recalibration(
            intercept=self.intercept + self.slope * first.intercept, slope=self.slope * first.slope
        )


def log_odds(risk: Floats) -> Floats:
    """Return log(p / (1 - p)) elementwise, with p clipped to between 1e-6 and 1 - 1e-6.

    >>> log_odds(np.array([0.5, 0.9])).round(3).tolist()
    [0.0, 2.197]
    """
    clipped = np.clip(risk, _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
    result: Floats = np.log(clipped / (1 - clipped))
    return result
