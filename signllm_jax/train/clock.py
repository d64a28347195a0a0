"""Where the seconds of a run go, over all of its restarts: its goodput."""

import contextlib
import dataclasses
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import jax

from signllm_jax.artifacts.group import write_file
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.plain_files import read_plain
from signllm_jax.core.schema import bounded, parse_json, read_as
from signllm_jax.core.storage import AnyPath, is_remote

STEPS, LOST = "steps", "lost_to_restarts"
PHASES = (
    STEPS,
    "compiling",
    "saving",
    "evaluating",
    "restoring",
    "waiting_for_input",
    "starting",
    LOST,
)
"""What a run spends its time on; `starting` is all that comes before the first step."""
FILE = "clock.json"
_COMPILING = (
    "/jax/core/compile/backend_compile_duration",
    "/jax/core/compile/jaxpr_to_mlir_module_duration",
)
_compiled = [0.0]  # seconds of this process; jax offers no way to stop listening


def _listen(event: str, duration_secs: float, **_) -> None:
    if event in _COMPILING:
        _compiled[0] += duration_secs


jax.monitoring.register_event_duration_secs_listener(_listen)


@dataclasses.dataclass(frozen=True)
class _Noted:
    """What the work directory says of the last process."""

    seconds: float = bounded(low=0.0, high=1e12)


class Clock:
    """Counts seconds by phase, the first of which is `starting`, and the processor's."""

    def __init__(self):
        self._wall, self._cpu = time.monotonic(), time.process_time()
        self._seconds: dict[str, float] = dict.fromkeys(PHASES, 0.0)
        self._phase, self._since, self._compiled = "starting", time.monotonic(), _compiled[0]

    def begin(self, phase: str) -> str:
        """Begins a phase; returns the one that ends. What is compiled in it is `compiling`."""
        now, compiled = time.monotonic(), _compiled[0]
        spent = now - self._since
        compiling = min(compiled - self._compiled, spent)
        self._seconds[self._phase] += spent - compiling
        self._seconds["compiling"] += compiling
        self._since, self._compiled = now, compiled
        ended, self._phase = self._phase, phase
        return ended

    @contextlib.contextmanager
    def during(self, phase: str) -> Iterator[None]:
        """Counts a block as a phase, and goes on with the one before."""
        before = self.begin(phase)
        try:
            yield
        finally:
            self.begin(before)

    def spent(self) -> dict[str, Any]:
        """`seconds` of all processes of the run until now, `cpu_seconds`, and seconds by phase."""
        self.begin(self._phase)
        return {
            "seconds": time.monotonic() - self._wall,
            "cpu_seconds": time.process_time() - self._cpu,
            "goodput": {phase: round(seconds, 3) for phase, seconds in self._seconds.items()},
        }

    def go_on(self, saved: Mapping[str, Any], workdir: AnyPath) -> None:
        """Adds what was spent before: what a checkpoint says, and what was done after it as lost.

        Args:
            saved: `spent()` when the checkpoint was saved; empty at the first step.
            workdir: of the run, with what the last process has noted there.
        """
        self.add(saved)
        before = sum(saved.get("goodput", {}).values())
        self._seconds[LOST] += max(_noted(workdir) - before, 0.0)

    def add(self, saved: Mapping[str, Any]) -> None:
        """Adds what another clock has counted, its `spent()`."""
        self._wall -= saved.get("seconds", 0.0)
        self._cpu -= saved.get("cpu_seconds", 0.0)
        phases = saved.get("goodput", {})  # absent from the checkpoints of older runs
        for phase in PHASES:
            self._seconds[phase] += phases.get(phase, 0.0)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Does not count a block, in which another clock counts."""
        self.begin(self._phase)
        wall, cpu = time.monotonic(), time.process_time()
        try:
            yield
        finally:
            self._wall += time.monotonic() - wall
            self._cpu += time.process_time() - cpu
            self._since, self._compiled = time.monotonic(), _compiled[0]

    def note(self, workdir: AnyPath) -> None:
        """Notes in the work directory what was spent, so that a restart can say what it lost."""
        if not is_remote(workdir):
            spent = {"seconds": sum(self.spent()["goodput"].values())}
            write_file(workdir / FILE, json.dumps(spent).encode())


def _noted(workdir: AnyPath) -> float:
    try:
        return read_as(_Noted, parse_json(read_plain(workdir, FILE)), FILE).seconds
    except (OSError, ConfigError):
        return 0.0  # a run from before, or one on a bucket
