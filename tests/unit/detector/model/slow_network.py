"""Computes the network number by number, as its definition reads, to compare the fast one with."""

from math import exp, isnan, log, sqrt, tanh

from services.detector.model.network import NetworkWeights
from services.detector.model.network_inputs import LEVEL, TOP

Row = list[float]


def form_inputs(form: dict[str, float]) -> Row:
    """Return the inputs of a form alone, not rounded to the grid."""
    components = [form[name] for name in ("bond", "goal", "task")]
    given = [mark for mark in components if not isnan(mark)]
    overall, answered, spread = form["overall"], form["answered"], form["spread"]
    level = sum(given) / len(given) if given else overall
    inputs = [
        float(not isnan(level)),
        form["declined"],
        0.0 if isnan(level) else (max(level, 0.15) - 0.78) / 0.15,
    ]
    inputs += [0.0 if isnan(mark) else (mark - level) / 0.1 for mark in components]
    inputs += [float(not isnan(mark)) for mark in components]
    inputs += [float(not isnan(overall)), 0.0 if isnan(overall) else (overall - level) / 0.08]
    inputs += _items(components, answered, spread)
    inputs += [0.0 if isnan(form["top"]) else form["top"], float(answered >= 3 and spread < 1e-9)]
    inputs += [log(form["step"] / 0.1), log(answered / 8) if answered else 0.0, float(form["step"] < 0.05)]
    return inputs


def _items(components: Row, answered: float, spread: float) -> Row:
    if isnan(spread):
        return [0.0, 0.0]
    if any(map(isnan, components)) or answered < 6:
        return [sqrt(spread**2 * answered / (answered - 1)) / 0.1, (answered - 1) / 9]
    mean = sum(components) / 3
    between = sum((mark - mean) ** 2 for mark in components) / 3
    return [sqrt(max(spread**2 - between, 0.0) * answered / (answered - 3)) / 0.1, (answered - 3) / 9]


def step(weights: NetworkWeights, h: Row, x: Row) -> Row:
    """Return the state after the session, not rounded."""
    w, u, b, c = weights.w.tolist(), weights.u.tolist(), weights.b.tolist(), weights.c.tolist()
    n = len(h)
    after = []
    for i in range(n):
        z = _sigmoid(_dot(x, w, i) + _dot(h, u, i) + b[i])
        r = _sigmoid(_dot(x, w, n + i) + _dot(h, u, n + i) + b[n + i])
        new = tanh(_dot(x, w, 2 * n + i) + b[2 * n + i] + r * (_dot(h, u, 2 * n + i) + c[i]))
        after.append((1 - z) * new + z * h[i])
    return after


def head(weights: NetworkWeights, h: Row, x: Row) -> tuple[float, Row]:
    """Return the log-odds and the three falls."""
    head_h, head_x, head_b = weights.head_h.tolist(), weights.head_x.tolist(), weights.head_b.tolist()
    shape = [0.0 if index in {LEVEL, TOP} else value for index, value in enumerate(x)]
    m, f, g = weights.m_value.size, weights.f_value.size, len(weights.g_value)
    log_odds = (
        float(weights.bias) - float(weights.level_weight) * x[LEVEL] - float(weights.top_weight) * x[TOP]
    )
    for i in range(m):
        unit = _dot(h, head_h, i) + _dot(shape, head_x, i) + head_b[i]
        unit -= float(weights.m_level[i]) * x[LEVEL] + float(weights.m_top[i]) * x[TOP]
        log_odds += float(weights.m_value[i]) * min(max(unit, 0.0), 1.0)
    for i in range(f):
        unit = _dot(h, head_h, m + i) + _dot(shape, head_x, m + i) + head_b[m + i]
        log_odds += float(weights.f_value[i]) * max(unit, 0.0)
    falls = [float(bias) for bias in weights.g_bias]
    for i in range(g):
        unit = _dot(h, head_h, m + f + i) + _dot(x, head_x, m + f + i) + head_b[m + f + i]
        falls = [
            fall + max(unit, 0.0) * float(value)
            for fall, value in zip(falls, weights.g_value[i], strict=True)
        ]
    return log_odds, [0.2 * fall for fall in falls]


def _dot(numbers: Row, matrix: list[Row], column: int) -> float:
    return sum(number * row[column] for number, row in zip(numbers, matrix, strict=True))


def _sigmoid(value: float) -> float:
    return 1 / (1 + exp(-value))
