"""How the figures of several runs are written."""

import statistics
from collections.abc import Sequence

from signllm_jax.core.markdown import MISSING


def spread(values: Sequence[float], form: str = ".3f") -> str:
    """Mean ± standard deviation of a sample, the value itself of one run, a dash of none.

    Args:
        values: A figure of each run.
        form: Format specification of the numbers.
    """
    if not values:
        return MISSING
    mean = format(statistics.fmean(values), form)
    return mean if len(values) == 1 else f"{mean} ± {format(statistics.stdev(values), form)}"
