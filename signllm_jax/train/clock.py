"""Measures what a run spends its time on, over all of its restarts: its goodput."""

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

LOST = "lost_to_restarts"
PHASES = (
    "steps",
    "compiling",
    "saving",
    "evaluating",
    "restoring",
    "waiting_for_input",
    "starting",
    LOST,
)
"""Phases of a run; `starting` is the time before the first step that no other phase counts."""
FILE = "clock.json"
_COMPILING = (
    "/jax/core/compile/backend_compile_duration",
    "/jax/core/compile/jaxpr_to_mlir_module_duration",
)
_compiled = [0.0]  # seconds of this process; jax has no public way to remove a listener


def _listen(event: str, duration_secs: float, **_) -> None:
    if event in _COMPILING:
        _compiled[0] += duration_secs


jax.monitoring.register_event_duration_secs_listener(_listen)


@dataclasses.dataclass(frozen=True)
class _Noted:
    """The file of the last process in the work directory."""

    seconds: float = bounded(low=0.0, high=1e12)


class Clock:
    """Counts wall-clock seconds by phase, starting in `starting`, and CPU seconds."""

    def __init__(self):
        self._wall, self._cpu = time.monotonic(), time.process_time()
        self._seconds: dict[str, float] = dict.fromkeys(PHASES, 0.0)
        self._phase, self._since, self._compiled = "starting", time.monotonic(), _compiled[0]

    def begin(self, phase: str) -> str:
        """Begins a phase and returns the previous one. Compilation always counts as `compiling`."""
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
        """Counts a block as a phase, then returns to the previous phase."""
        previous = self.begin(phase)
        try:
            yield
        finally:
            self.begin(previous)

    def spent(self) -> dict[str, Any]:
        """`seconds` and `cpu_seconds` of the run over all restarts; `goodput`: seconds by phase."""
        self.begin(self._phase)
        return {
            "seconds": time.monotonic() - self._wall,
            "cpu_seconds": time.process_time() - self._cpu,
            "goodput": {phase: round(seconds, 3) for phase, seconds in self._seconds.items()},
        }

    def go_on(self, saved: Mapping[str, Any], workdir: AnyPath) -> None:
        """Adds the time of earlier processes: until the checkpoint by phase, after it as lost.

        Args:
            saved: `spent()` when the checkpoint was saved; empty at the first step.
            workdir: Work directory of the run, where the last process wrote its time.
        """
        self.add(saved)
        try:
            noted = read_as(_Noted, parse_json(read_plain(workdir, FILE)), FILE).seconds
        except (OSError, ConfigError):
            noted = 0.0  # an older run, or one on a bucket
        before = sum(saved.get("goodput", {}).values())
        self._seconds[LOST] += max(noted - before, 0.0)

    def add(self, saved: Mapping[str, Any]) -> None:
        """Adds `spent()` of another clock."""
        self._wall -= saved.get("seconds", 0.0)
        self._cpu -= saved.get("cpu_seconds", 0.0)
        phases = saved.get("goodput", {})  # missing in checkpoints of older runs
        for phase in PHASES:
            self._seconds[phase] += phases.get(phase, 0.0)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leaves out a block whose time another clock counts."""
        self.begin(self._phase)
        wall, cpu = time.monotonic(), time.process_time()
        try:
            yield
        finally:
            self._wall += time.monotonic() - wall
            self._cpu += time.process_time() - cpu
            self._since, self._compiled = time.monotonic(), _compiled[0]

    def note(self, workdir: AnyPath) -> None:
        """Writes the time spent to the work directory, so that a restart knows what it lost."""
        if not is_remote(workdir):
            spent = {"seconds": sum(self.spent()["goodput"].values())}
            write_file(workdir / FILE, json.dumps(spent).encode())
