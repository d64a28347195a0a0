"""Logs of a run: metrics.jsonl with one line per step, TensorBoard, and a progress bar."""

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
"""Steps that compile, and steps that are timed before the remaining time is shown."""


class RunLog:
    """Writes the metrics of a run; each call writes its line at once, or raises OSError.

    TensorBoard events go through tensorboardX's basic writer. Its default writer has a thread that
    ends when the disk is full, after which the next call never returns.

    The log of a run on a bucket is in a local folder, which is uploaded with each checkpoint.

    Args:
        workdir: Folder of `metrics.jsonl` and the TensorBoard events.
        start: Restored step; later lines are removed, so that no step appears twice.
        steps: Number of steps of the whole run.
        progress: Whether to show a progress bar.
    """

    def __init__(self, workdir: AnyPath, start: int, steps: int, progress: bool):
        self._bucket = workdir if is_remote(workdir) else None
        self._folder = (
            local_stand_in(workdir, ("metrics.jsonl",)) if self._bucket else Path(workdir)
        )
        path = self._folder / "metrics.jsonl"
        kept = _lines_until(path, start) if path.exists() else []
        write_file(path, "".join(kept).encode())  # a new file, even if there was a link
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
        self._bar.set_postfix_str(", ".join(filter(None, (left, self._speed))), refresh=False)
        self._bar.update()

    def rate(self, frames_per_second: float) -> None:
        """Shows the speed next to the progress bar: real (unpadded) frames per second."""
        self._speed = f"{frames_per_second:,.0f} frames/s"

    def write(self, step: int, kind: str, values: dict[str, dict[str, float]]) -> None:
        """Logs the metrics of a step.

        Args:
            step: Number of steps done.
            kind: `train` or `dev`.
            values: language -> metric -> number; a number that is not finite is written as null.
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
        self._event(step, summary=tensorboardX.summary.image(name, image, dataformats="HWC"))
        self._board.flush()

    def _event(self, step: int, **content) -> None:
        self._board.write_event(Event(wall_time=time.time(), step=step, **content))

    def sync(self) -> None:
        """Waits until the lines are on the disk, or on the bucket of the run."""
        os.fsync(self._file.fileno())
        if self._bucket:
            upload(self._folder, self._bucket)

    def close(self) -> None:
        """Closes everything; a call that could not write has already raised the error."""
        self._bar.close()
        for file in (self._board, self._file):
            with contextlib.suppress(OSError):
                file.close()
        if self._bucket:
            with contextlib.suppress(CheckpointError):
                upload(self._folder, self._bucket)
            shutil.rmtree(self._folder)


class TimeLeft:
    """Estimates how long a run will still take, once its speed is known.

    The first steps compile, so they are not timed. Evaluations are, because more will follow.
    """

    def __init__(self):
        self._start: int | None = None  # steps done before the first call
        self._timed: tuple[int, float] | None = None  # the first timed step, and its time

    def after(self, step: int, steps: int, now: float) -> str:
        """The remaining time in words, or nothing while it is not known.

        Args:
            step: Number of steps done, including those before a restart.
            steps: Number of steps of the whole run.
            now: Time in seconds of a monotonic clock.
        """
        self._start = step - 1 if self._start is None else self._start
        if self._timed is None:
            if step - self._start < _UNTIMED:
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
    """Replaces the log on all hosts but the first."""

    def _nothing(self, *args) -> None:
        pass

    say = advance = rate = write = picture = sync = close = _nothing


def open_log(workdir: AnyPath, start: int, steps: int, progress: bool) -> RunLog | NoLog:
    """The log of a run on the first host, and one that does nothing on the others; see RunLog."""
    return RunLog(workdir, start, steps, progress) if hosts.is_first() else NoLog()


def _lines_until(path: Path, step: int) -> list[str]:
    kept = []
    for line in path.read_text().splitlines(keepends=True):
        with contextlib.suppress(ValueError, KeyError, TypeError):  # a line cut off by a crash
            if line.endswith("\n") and json.loads(line)["step"] <= step:
                kept.append(line)
    return kept
