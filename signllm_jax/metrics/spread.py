"""Mean and standard deviation of the figures of several runs, as numbers and as text."""

import statistics
from collections.abc import Mapping, Sequence

from signllm_jax.core.markdown import MISSING


def spread(values: Sequence[float], form: str = ".3f") -> str:
    """Mean ± standard deviation of a sample; the value itself for one run, a dash for none.

    Args:
        values: One figure per run.
        form: Format specification of the numbers.
    """
    if not values:
        return MISSING
    mean = format(statistics.fmean(values), form)
    return mean if len(values) == 1 else f"{mean} ± {format(statistics.stdev(values), form)}"


def means(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each figure that all runs have.

    Args:
        runs: Figures of each run by name; at least one run.
    """
    names = [name for name in runs[0] if all(name in run for run in runs)]
    return {name: statistics.fmean(run[name] for run in runs) for name in names}
