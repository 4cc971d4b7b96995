"""What is expected of a session and the form given in, noise that explains the form out, with its weights.

Drawn blindly, most noise would explain nothing. So most of it is drawn around what the form asks for and
weighed by how much less often the simulator would have drawn it; the rest comes from the simulator itself, so
that no weight can explode. How well this is done changes the weights' spread, not what they add up to.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from services.detector.model.optimal_forms import Asked
from services.detector.model.simulate import draw_innovations
from services.detector.model.world import World

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_GUIDED = 0.8
_WIDER = 1.25
_OVERALL = 0.4
"""Share of the noise that comes to the overall felt alliance on top of its components' mean."""


class Guide:
    """Draws one session's innovations (n, 5) in the order of `simulate.draw_innovations`."""

    def __init__(self, rng: np.random.Generator, world: World) -> None:
        """Of one cohort."""
        self._rng, self._world = rng, world
        tail = world.tail
        self._scale = float(np.sqrt((tail - 2) / tail))
        self._constant = float(gammaln((tail + 1) / 2) - gammaln(tail / 2) - 0.5 * np.log(np.pi * tail))

    def draw(self, expected: Floats, own: Floats, yea: Bools, asked: Asked) -> tuple[Floats, Floats]:
        """Innovations (n, 5) and their log-weights (n,).

        Args:
            expected: (n, 4) what would be felt without innovations.
            own: (n,) standard deviation of the innovations on the scale of what is felt.
            yea: (n,) who marks everything high.
            asked: what the form asks for.
        """
        drawn = draw_innovations(self._rng, self._world, own.size, 1)[:, 0]
        row = yea.astype(np.intp)
        gap, doubt = asked.mean[row] - expected, asked.variance[row]
        shared, apart = own * np.sqrt(self._world.common), own * np.sqrt(1 - self._world.common)
        a = shared[:, None] * np.array([1.0, 1.0, 1.0, 1.0 + _OVERALL])
        around = doubt + (apart**2)[:, None] * np.array([1.0, 1.0, 1.0, 1 / 3 + _OVERALL**2])
        log = self._toward(drawn, 4, (a * gap / around).sum(axis=1), (a * a / around).sum(axis=1))
        gap -= a * drawn[:, 4:]
        for part in range(3):
            weight = apart / doubt[:, part]
            log += self._toward(drawn, part, weight * gap[:, part], weight * apart)
        last = _OVERALL * apart
        left = gap[:, 3] - apart * drawn[:, :3].mean(axis=1)
        log += self._toward(drawn, 3, last * left / doubt[:, 3], last**2 / doubt[:, 3])
        return drawn, log

    def _toward(self, drawn: Floats, place: int, pull: Floats, precision: Floats) -> Floats:
        """Replace most of a column by draws from the normal posterior; the log-weights (n,) of all."""
        size = pull.size
        middle = pull / (1 + precision)
        sd = _WIDER / np.sqrt(1 + precision)
        guided = self._rng.random(size) < _GUIDED
        proposal = middle + sd * self._rng.standard_normal(size)
        value = np.where(guided, proposal, drawn[:, place])
        drawn[:, place] = value
        z = (value - middle) / sd
        near = _GUIDED * np.exp(-0.5 * z * z) / (sd * np.sqrt(2 * np.pi))
        prior = self._density(value)
        log: Floats = np.log(prior / (near + (1 - _GUIDED) * prior))
        return log

    def _density(self, value: Floats) -> Floats:
        tail, scaled = self._world.tail, value / self._scale
        density: Floats = np.exp(self._constant - (tail + 1) / 2 * np.log1p(scaled * scaled / tail))
        return density / self._scale
