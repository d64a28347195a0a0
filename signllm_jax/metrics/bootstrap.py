"""Bootstrap intervals of ratios over clips."""

from collections.abc import Sequence

import numpy as np

RESAMPLES = 1000


def interval(
    parts: Sequence[tuple[np.ndarray, np.ndarray]], seed: int, level: float = 0.95
) -> tuple[float, float] | None:
    """The bootstrap interval of the mean over parts of sum(top) / sum(bottom).

    Clips are resampled within each part (percentile method). Source: Efron and Tibshirani, An
    Introduction to the Bootstrap, 1993, chapter 13.

    Args:
        parts: Numerators and denominators of the clips of each part, float [N] both. One part
            pools all of its clips; several parts, such as languages, count alike.
        seed: Seed of the resampling; every part is resampled by it.
        level: Probability that the interval covers.

    Returns:
        The lower and the upper bound, or None where a part has fewer than two clips or only
        denominators of 0.
    """
    means = []
    for top, bottom in parts:
        if len(top) < 2:
            return None
        random = np.random.default_rng(seed)
        totals = np.zeros((2, RESAMPLES))
        for start in range(0, RESAMPLES, 100):  # bounds the table of drawn clips
            drawn = random.integers(len(top), size=(100, len(top)))
            totals[:, start : start + 100] = top[drawn].sum(1), bottom[drawn].sum(1)
        usable = totals[1] > 0
        if not usable.any():
            return None
        means.append(np.where(usable, totals[0] / np.where(usable, totals[1], 1), np.nan))
    low, high = np.nanquantile(np.mean(means, axis=0), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
