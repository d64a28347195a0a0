"""Measuring in turns: each variant runs once per round, so a busy machine slows all of them."""

import shlex
import subprocess
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from launch.benchmarks import rows
from signllm_jax.core.errors import ConfigError

ROUNDS = flags.DEFINE_integer("rounds", 5, "rounds; all variants run in each", lower_bound=1)
PEER = flags.DEFINE_string("peer", None, "a command that is timed in turns with the variants")
PEER_FRAMES = flags.DEFINE_integer("peer_frames", 0, "frames that the peer handles in a run")
PROFILE = flags.DEFINE_string(
    "profile", None, "folder for a trace of one more round (TensorBoard, Perfetto)"
)

PEAK = "matmul_peak"
_SIZE = 2048  # of the square matrices whose product is the machine's peak
_READ = 1 << 28  # bytes, more than a cache holds
_TIMES = 4  # how often a figure of the machine is measured in a run


def measure(variants: Mapping[str, Callable[[], float]]) -> dict[str, np.ndarray]:
    """Runs the variants in turns, and the machine's largest matrix product among them.

    Args:
        variants: Name -> function that does the work completely and returns its amount. Each is
            called once before the clock runs.

    Returns:
        Name -> float64 [rounds, 3]: CPU seconds of all threads, wall seconds, and work. `PEAK` is
        included, its work in operations, and `peer` where --peer names a command.
    """
    variants = {**variants, PEAK: peak()}
    if PEER.value:
        variants["peer"] = _peer(shlex.split(PEER.value))
    for name, run in variants.items():
        if name != "peer":
            run()
    spent = {name: [] for name in variants}
    for _ in range(ROUNDS.value):
        for name, run in variants.items():
            spent[name].append(rows.timed(run))
    if PROFILE.value:
        with jax.profiler.trace(PROFILE.value, create_perfetto_trace=True):
            for name, run in variants.items():
                with jax.profiler.TraceAnnotation(name):
                    run()
    return {name: np.array(values, np.float64) for name, values in spent.items()}


def row(benchmark: str, variant: str, measured: np.ndarray, unit: str = "frames", **more) -> dict:
    """The JSON row of a variant: medians over rounds, and the spread of the rate.

    Args:
        benchmark, variant: Names of the benchmark and the variant.
        measured: Result of `measure`, [rounds, 3].
        unit: Unit of the work.
        more: Further fields.
    """
    cpu, wall, work = np.median(measured, 0).tolist()
    rates = measured[:, 2] / measured[:, 1]
    spread = {
        "per_cpu_second": float(np.median(measured[:, 2] / measured[:, 0])),
        "per_second": float(np.median(rates)),
        "per_second_low": float(rates.min()),
        "per_second_high": float(rates.max()),
        "rounds": len(measured),
    }
    return rows.row(benchmark, variant, cpu, wall, work, unit, **(spread | more))


def other_rows(benchmark: str, measured: Mapping[str, np.ndarray]):
    """The rows of the variants that `measure` adds: the matrix peak, and the peer."""
    yield row(benchmark, PEAK, measured[PEAK], "operations")
    if "peer" in measured:
        yield row(benchmark, "peer", measured["peer"], command=PEER.value)


def ratio(measured: np.ndarray, baseline: np.ndarray, column: int = 1) -> float:
    """Median, over the rounds, of a rate divided by the baseline's; column 0 = per CPU second."""
    rate, base = (values[:, 2] / values[:, column] for values in (measured, baseline))
    return float(np.median(rate / base))


def peak() -> Callable[[], float]:
    """The machine's largest matrix product, as a function that returns its operations."""
    matrix = jnp.asarray(np.random.default_rng(0).normal(size=(_SIZE, _SIZE)), jnp.float32)
    return _repeated(2.0 * _SIZE**3, jnp.dot, matrix, matrix)


def bandwidth() -> Callable[[], float]:
    """A sum over more numbers than a cache holds, as a function that returns the bytes it reads."""
    return _repeated(float(_READ), jnp.sum, jnp.ones(_READ // 4, jnp.float32))


def _repeated(work: float, function: Callable, *arrays: jax.Array) -> Callable[[], float]:
    """A function that calls another one, compiled, several times, and returns all its work."""
    compiled = jax.jit(function)

    def run():
        for _ in range(_TIMES):
            compiled(*arrays).block_until_ready()
        return work * _TIMES

    return run


def _peer(command: list[str]) -> Callable[[], float]:
    def run():
        try:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError) as error:
            raise ConfigError(f"--peer: {error}") from None
        return float(PEER_FRAMES.value)

    return run
