"""Dynamic time warping: a batch of ours against the Python loop of common evaluation code.

Both compute the score of Progressive Transformers: the city block distance over 150 coordinates,
accumulated along the best path. Their results are compared before a time is reported.
"""

from collections.abc import Iterator

import jax
import numpy as np

from launch.benchmarks.rows import row, timed
from signllm_jax.core.errors import DataError
from signllm_jax.metrics.masks import Pairs
from signllm_jax.metrics.pose_metrics import progressive_dtw

_LENGTHS = (100, 200)  # frames
_JOINTS = 50
_BATCH = 64  # pairs a call of ours
_PAIRS = 2  # pairs a round of the Python loop
_ROUNDS = 3


def python_dtw(first: np.ndarray, second: np.ndarray) -> float:
    """The accumulated cost of two clips [T, C], by a loop over the cells of the table."""
    rows, columns = len(first), len(second)
    table = np.full((rows + 1, columns + 1), np.inf)
    table[0, 0] = 0.0
    for i in range(rows):
        for j in range(columns):
            cost = np.sum(np.abs(first[i] - second[j]))
            table[i + 1, j + 1] = cost + min(table[i, j], table[i, j + 1], table[i + 1, j])
    return float(table[rows, columns])


def rows() -> Iterator[dict]:
    """Yields, for each length, a row for the Python loop and one for ours, measured in turns.

    Compilation is not counted; `cpu_seconds` counts all threads.
    """
    score = jax.jit(progressive_dtw)
    for length in _LENGTHS:
        random = np.random.default_rng(length)
        steps = random.normal(0, 0.02, (2, _BATCH, length, _JOINTS, 3))
        reference, produced = np.cumsum(steps, axis=2).astype(np.float32)
        seen = np.ones(reference.shape[:3], bool)
        lengths, fps = np.full(_BATCH, length, np.int32), np.full(_BATCH, 25, np.float32)
        clips = jax.device_put((reference, seen, produced, seen))
        pairs = Pairs(*clips, n=lengths, m=lengths, fps=fps, produced_fps=fps)

        def ours(pairs=pairs):
            return np.asarray(score(pairs))

        def loop(a=reference, b=produced, length=length):
            pairs = zip(a[:_PAIRS].reshape(_PAIRS, length, -1), b[:_PAIRS])
            return np.array([python_dtw(x, y.reshape(length, -1)) / length for x, y in pairs])

        if not np.allclose(ours()[:_PAIRS], loop(), rtol=1e-4):
            raise DataError(f"the two do not agree on clips of {length} frames")
        names = {f"python-{length}": (loop, _PAIRS), f"batch-{length}": (ours, _BATCH)}
        spent = {name: np.zeros(2) for name in names}
        for _ in range(_ROUNDS):
            for name, (run, _) in names.items():
                spent[name] += timed(run)[:2]
        for name, (_, pairs) in names.items():
            cpu, wall = spent[name].tolist()
            yield row("dtw", name, cpu, wall, pairs * _ROUNDS, "pairs")
