"""Fits the network to fresh worlds: each chunk of worlds is seen a few times and then replaced."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from lab.network.gru import Parameters, TrainingBatch, exported, initial_parameters, loss
from lab.network.sequences import Sequences, simulate_sequences
from services.detector.model.network_inputs import context_inputs

Arrays = dict[str, NDArray[np.float64]]
Progress = Callable[[str, int, int], None]
"""Called with the name of the phase, the number of steps done, and their total."""

BUCKETS = ((0, 8), (8, 14), (14, 30))
"""Clients with more than the first and at most the second number of sessions are trained on together."""
CHUNKS_IN_MEMORY = 3
WARM_UP_STEPS = 300
WEIGHT_DECAY = 1e-4
GRADIENT_NORM = 1.0
_PREFETCHED = 2


class Round(NamedTuple):
    """One run of the optimiser over worlds of its own, with a learning rate that rises, then falls to 1 %."""

    seed: int
    steps: int
    learning_rate: float


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """The amount of training; the defaults are the recipe of the kept arrays."""

    units: int = 64
    rounds: tuple[Round, ...] = (Round(100, 11_000, 3e-3), Round(200, 16_000, 2e-3))
    steps_per_chunk: int = 220
    worlds_per_chunk: int = 1_000
    clients: int = 512
    """Clients of one step."""
    seed: int = 7
    """Draws the first parameters."""

    @property
    def steps(self) -> int:
        """Return the number of steps of all rounds."""
        return sum(each.steps for each in self.rounds)


def _simulated(plan: NetworkPlan, seed: int, count: int) -> Iterator[Sequences]:
    # Worlds are simulated in another process while this one trains. Spawned: a fork of JAX may deadlock.
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        pending = deque(
            pool.submit(simulate_sequences, seed, number, plan.worlds_per_chunk)
            for number in range(min(_PREFETCHED, count))
        )
        for number in range(_PREFETCHED, count + _PREFETCHED):
            sequences = pending.popleft().result()
            if number < count:
                pending.append(pool.submit(simulate_sequences, seed, number, plan.worlds_per_chunk))
            yield sequences


class _Scale(NamedTuple):
    """Mean and standard deviation (21,) of each statistic over practices."""

    mean: NDArray[np.float64]
    sd: NDArray[np.float64]


def _scale_of(sequences: Sequences) -> _Scale:
    known = sequences.statistics[~np.isnan(sequences.statistics[:, 0])].astype(np.float64)
    return _Scale(known.mean(axis=0), known.std(axis=0) + 1e-6)


@dataclass(frozen=True, slots=True)
class _Chunk:
    sequences: Sequences
    statistics: NDArray[np.float32]
    """(n, 22) scaled, and whether they are known."""
    buckets: tuple[NDArray[np.intp], ...]


def _prepared(sequences: Sequences, scale: _Scale) -> _Chunk:
    not_first = np.zeros(len(sequences.statistics), dtype=np.bool_)
    context = context_inputs(not_first, sequences.statistics.astype(np.float64), *scale)
    lengths = sequences.lengths
    return _Chunk(
        sequences,
        context[:, 1:].astype(np.float32),
        tuple(np.nonzero((lengths > above) & (lengths <= most))[0] for above, most in BUCKETS),
    )


def _draw(rng: np.random.Generator, chunks: deque[_Chunk], clients: int) -> TrainingBatch:
    sizes = np.array([sum(chunk.buckets[place].size for chunk in chunks) for place in range(len(BUCKETS))])
    place = int(rng.choice(len(BUCKETS), p=sizes / sizes.sum()))
    sessions = BUCKETS[place][1]
    chunk = chunks[int(rng.choice(len(chunks)))]
    which = rng.choice(chunk.buckets[place], clients)
    statistics = chunk.statistics[which][:, None]
    repeated = np.broadcast_to(statistics, (clients, sessions, statistics.shape[2]))
    sequences = chunk.sequences
    return TrainingBatch(
        jnp.asarray(np.concatenate([sequences.inputs[which, :sessions], repeated], axis=2)),
        jnp.asarray(sequences.rupture[which, :sessions], dtype=jnp.float32),
        jnp.asarray(sequences.present[which, :sessions], dtype=jnp.float32),
        jnp.asarray(sequences.fall[which, :sessions]),
    )


class NetworkTraining:
    """A network while it is trained; run the rounds in order, then take the arrays."""

    parameters: Parameters

    def __init__(self, plan: NetworkPlan, progress: Progress) -> None:
        self._plan = plan
        self._progress = progress
        self.parameters = initial_parameters(plan.seed, plan.units)
        self._scale: _Scale | None = None
        self._done = 0

    def run(self, number: int) -> float:
        """Run the round with this number, from 0; return its mean log loss over its last tenth."""
        plan, round_ = self._plan, self._plan.rounds[number]
        warm_up = min(WARM_UP_STEPS, round_.steps // 2)
        schedule = optax.warmup_cosine_decay_schedule(
            0.0, round_.learning_rate, warm_up, round_.steps, round_.learning_rate / 100
        )
        optimiser = optax.chain(
            optax.clip_by_global_norm(GRADIENT_NORM), optax.adamw(schedule, weight_decay=WEIGHT_DECAY)
        )

        @jax.jit
        def update(
            parameters: Parameters, state: optax.OptState, batch: TrainingBatch
        ) -> tuple[optax.Params, optax.OptState, jax.Array]:
            (_, log_loss), gradient = jax.value_and_grad(loss, has_aux=True)(parameters, batch)
            changes, state = optimiser.update(gradient, state, parameters)
            return optax.apply_updates(parameters, changes), state, log_loss

        state = optimiser.init(self.parameters)
        rng = np.random.default_rng(3 + number)
        chunks: deque[_Chunk] = deque(maxlen=CHUNKS_IN_MEMORY)
        losses: deque[jax.Array] = deque(maxlen=max(round_.steps // 10, 1))
        count = -(-round_.steps // plan.steps_per_chunk)
        for chunk, sequences in enumerate(_simulated(plan, round_.seed, count)):
            self._scale = self._scale or _scale_of(sequences)
            chunks.append(_prepared(sequences, self._scale))
            for _ in range(min(plan.steps_per_chunk, round_.steps - chunk * plan.steps_per_chunk)):
                batch = _draw(rng, chunks, plan.clients)
                self.parameters, state, log_loss = update(self.parameters, state, batch)
                losses.append(log_loss)
                self._done += 1
                self._progress("training the network", self._done, plan.steps)
        return float(np.mean([float(each) for each in losses]))

    def arrays(self) -> Arrays:
        """Return the network's arrays as `services.detector.model.network_file` reads them."""
        if self._scale is None:
            raise ValueError("run a round first: the statistics' scale comes from its worlds")
        return exported(self.parameters) | {
            "statistics_mean": self._scale.mean,
            "statistics_sd": self._scale.sd,
        }


def fit_network(plan: NetworkPlan, progress: Progress) -> tuple[Arrays, float]:
    """Return the arrays of a trained network, and the mean log loss at the end of its last round.

    The same plan gives the same worlds and batches; the last digits of the arrays depend on the processor.
    """
    training = NetworkTraining(plan, progress)
    log_loss = [training.run(number) for number in range(len(plan.rounds))][-1]
    return training.arrays(), log_loss
