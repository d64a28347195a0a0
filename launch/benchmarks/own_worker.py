"""The worker of this project for `--against`: it runs the train step and the generation.

    python -m launch.benchmarks.own_worker THREADS [--lengths=...] [--tokens=...]

See `workers.py` for what it reads and writes; `matmul_peak` and `read_bandwidth` are the
machine's own figures.
"""

import json
import os
import sys
from collections.abc import Callable


def answer(run: Callable[[], float]) -> dict:
    """Runs once and returns the CPU seconds of all threads, the wall seconds and the work."""
    from launch.benchmarks.rows import timed  # NumPy's threads are for the processors of `main`

    cpu, wall, work = timed(run)
    return {"cpu_seconds": cpu, "wall_seconds": wall, "frames": work}


def make(job: dict) -> Callable[[], float]:
    """The function of a job; it returns its work: frames, or operations or bytes of the machine."""
    from launch.benchmarks import decode, rounds, workload
    from launch.benchmarks.step_run import StepRun

    if job["do"] == "train":
        steps = job["steps"]
        return StepRun(("asl",), workload.lengths(), job["rows"], job["row_frames"], steps).steps
    if job["do"] == "decode":
        chosen = job["variant"], job["frames"], job["clips"]
        return decode.generations([chosen])[1][chosen]
    return rounds.peak() if job["do"] == "matmul_peak" else rounds.bandwidth()


def main() -> None:
    """Answers jobs until standard input ends; the first answer to a job includes compilation."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[1])])
    from absl import flags

    from launch.benchmarks import workload  # noqa: F401 -- defines flags
    from signllm_jax.core.memory import keep_freed

    keep_freed()
    flags.FLAGS([sys.argv[0], "--like=progressive_transformers", *sys.argv[2:]])
    made: dict[str, Callable[[], float]] = {}
    for line in sys.stdin:
        if line not in made:
            made[line] = make(json.loads(line))
        print(json.dumps(answer(made[line])), flush=True)


if __name__ == "__main__":
    main()
