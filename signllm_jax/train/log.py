"""Logs of a run: metrics.jsonl with every step once, TensorBoard scalars, a progress bar."""

import contextlib
import json
import math
import os
import shutil
import time
from pathlib import Path

import tensorboardX.summary
import tqdm
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import (
    Event,  # pyright: ignore[reportAttributeAccessIssue] protobuf makes it at import
    SessionLog,  # pyright: ignore[reportAttributeAccessIssue] likewise
)

from signllm_jax.artifacts.group import write_file
from signllm_jax.core.buckets import local_stand_in, upload
from signllm_jax.core.errors import CheckpointError
from signllm_jax.core.storage import AnyPath, is_remote
from signllm_jax.parallel import hosts

_BAR = "{percentage:3.0f}%|{bar}| step {n_fmt} of {total_fmt} [{elapsed}{postfix}]"
_UNTIMED, _TIMED = 3, 20
"""Steps that compile, and steps that are timed before anything is said of the time left."""


class RunLog:
    """Writes a run's metrics, each line before the call returns; a full disk raises OSError there.

    TensorBoard's events go through tensorboardX's plain writer: its usual one has a thread that
    dies of a full disk, after which the next call waits for ever.

    A run on a bucket has its log in a local folder, which is uploaded with each checkpoint.

    Args:
        workdir: where `metrics.jsonl` and the TensorBoard events go.
        start: the restored step; what was logged after it is cut, so no step appears twice.
        steps: steps of the whole run.
        progress: whether a progress bar is shown.
    """

    def __init__(self, workdir: AnyPath, start: int, steps: int, progress: bool):
        self._bucket = workdir if is_remote(workdir) else None
        self._folder = (
            local_stand_in(workdir, ("metrics.jsonl",)) if self._bucket else Path(workdir)
        )
        path = self._folder / "metrics.jsonl"
        kept = _lines_until(path, start) if path.exists() else []
        write_file(path, "".join(kept).encode())  # a new file, whatever was there
        self._file = open(path, "a", buffering=1)  # noqa: SIM115 (closed by close)
        self._board = EventsWriter(str(self._folder / "events"))
        # TensorBoard hides what an earlier file says about later steps
        self._event(start + 1, session_log=SessionLog(status=SessionLog.START))
        self._bar = tqdm.tqdm(
            total=steps, initial=start, disable=not progress, dynamic_ncols=True, bar_format=_BAR
        )
        self._bar.set_postfix_str("compiling the training step")
        self._left, self._speed = TimeLeft(), ""

    def say(self, line: str) -> None:
        """Prints a line above the progress bar."""
        self._bar.write(line)

    def advance(self) -> None:
        """Counts one step in the progress bar."""
        left = self._left.after(self._bar.n + 1, self._bar.total, time.monotonic())
        told = ", ".join(part for part in (left, self._speed) if part)
        self._bar.set_postfix_str(told, refresh=False)
        self._bar.update()

    def rate(self, frames_per_second: float) -> None:
        """Shows the speed beside the progress bar: real (unpadded) frames a second."""
        self._speed = f"{frames_per_second:,.0f} frames/s"

    def write(self, step: int, kind: str, values: dict[str, dict[str, float]]) -> None:
        """Logs the metrics of a step.

        Args:
            step: the step after which they hold.
            kind: `train` or `dev`.
            values: language -> metric -> number; one that is not finite is written as null.
        """
        clean = {
            language: {k: v if math.isfinite(v) else None for k, v in metrics.items()}
            for language, metrics in values.items()
        }
        self._file.write(json.dumps({"step": step, "kind": kind, **clean}) + "\n")
        for language, metrics in values.items():
            for name, value in metrics.items():
                scalar = tensorboardX.summary.scalar(f"{kind}/{name}/{language}", value)
                self._event(step, summary=scalar)
        self._board.flush()

    def picture(self, step: int, name: str, image) -> None:
        """Adds an RGB picture uint8 [height, width, 3] to TensorBoard."""
        picture = tensorboardX.summary.image(name, image, dataformats="HWC")
        self._event(step, summary=picture)
        self._board.flush()

    def _event(self, step: int, **what) -> None:
        self._board.write_event(Event(wall_time=time.time(), step=step, **what))

    def sync(self) -> None:
        """Returns when the lines are on the disk, or on the bucket that the run is on."""
        os.fsync(self._file.fileno())
        if self._bucket:
            upload(self._folder, self._bucket)

    def close(self) -> None:
        """Closes everything; what could not be written has been said by the call that failed."""
        self._bar.close()
        for file in (self._board, self._file):
            with contextlib.suppress(OSError):
                file.close()
        if self._bucket:
            with contextlib.suppress(CheckpointError):
                upload(self._folder, self._bucket)
            shutil.rmtree(self._folder)


class TimeLeft:
    """How long a run will still take, told once its speed is known.

    The first steps compile, so they do not count; evaluations do, since more of them will follow.
    """

    def __init__(self):
        self._seen: int | None = None  # steps before the first one
        self._timed: tuple[int, float] | None = None  # the first step that counts, and when

    def after(self, step: int, steps: int, now: float) -> str:
        """What to say when so many steps are done.

        Args:
            step: done so far, those before a restart among them.
            steps: of the whole run.
            now: seconds of a steady clock.
        """
        self._seen = step - 1 if self._seen is None else self._seen
        if self._timed is None:
            if step - self._seen < _UNTIMED:
                return ""
            self._timed = step, now
        first, since = self._timed
        if step - first < _TIMED:
            return ""
        left = (steps - step) * (now - since) / (step - first)
        minutes = round(left / 60)
        if minutes >= 120:
            return f"about {minutes / 60:.0f} h left"
        return f"about {minutes} min left" if minutes > 1 else "about a minute left"


class NoLog:
    """Stands in for the log on all hosts but the first."""

    def _nothing(self, *args) -> None:
        pass

    say = advance = rate = write = picture = sync = close = _nothing


def open_log(workdir: AnyPath, start: int, steps: int, progress: bool) -> RunLog | NoLog:
    """The log of a run on the first host, one that keeps silent on the others; see RunLog."""
    return RunLog(workdir, start, steps, progress) if hosts.is_first() else NoLog()


def _lines_until(path: Path, step: int) -> list[str]:
    kept = []
    for line in path.read_text().splitlines(keepends=True):
        try:
            if line.endswith("\n") and json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError, TypeError):
            continue  # a line cut off by a crash
    return kept
