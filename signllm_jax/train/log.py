"""Logs of a run: metrics.jsonl with every step once, TensorBoard scalars, a progress bar."""

import json
import math
import os
from pathlib import Path

import tensorboardX
import tqdm

from signllm_jax.group import write_file


class RunLog:
    """Writes a run's metrics.

    Args:
        workdir: where `metrics.jsonl` and the TensorBoard events go.
        start: the restored step; what was logged after it is cut, so no step appears twice.
        steps: steps of the whole run.
        progress: whether a progress bar is shown.
    """

    def __init__(self, workdir: Path, start: int, steps: int, progress: bool):
        path = workdir / "metrics.jsonl"
        if path.exists():
            write_file(path, "".join(_lines_until(path, start)).encode())
        self._file = open(path, "a", buffering=1)  # noqa: SIM115 (closed by close)
        self._board = tensorboardX.SummaryWriter(str(workdir), purge_step=start + 1)
        self._bar = tqdm.tqdm(
            total=steps, initial=start, unit="step", disable=not progress, dynamic_ncols=True
        )

    def say(self, line: str) -> None:
        """Prints a line above the progress bar."""
        self._bar.write(line)

    def advance(self) -> None:
        """Counts one step in the progress bar."""
        self._bar.update()

    def rate(self, frames_per_second: float) -> None:
        """Shows the speed beside the progress bar: real (unpadded) frames a second."""
        self._bar.set_postfix_str(f"{frames_per_second:,.0f} frames/s", refresh=False)

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
                self._board.add_scalar(f"{kind}/{name}/{language}", value, step)

    def picture(self, step: int, name: str, image) -> None:
        """Adds an RGB picture uint8 [height, width, 3] to TensorBoard."""
        self._board.add_image(name, image, step, dataformats="HWC")

    def close(self) -> None:
        """Flushes and closes everything."""
        self._bar.close()
        self._board.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()


def _lines_until(path: Path, step: int) -> list[str]:
    kept = []
    for line in path.read_text().splitlines(keepends=True):
        try:
            if line.endswith("\n") and json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError):
            continue  # a line cut off by a crash
    return kept
