"""Checkpoints for resuming: the only module that uses orbax.

A checkpoint holds the whole train state and a small JSON record. The record has checksums of every
array, because tensorstore reads a missing chunk as zeros and does not notice flipped bits. A list
of files shows whether a file has changed since it was written. Saving is asynchronous. A damaged
checkpoint is moved aside if an older one can be restored.
"""

import contextlib
import gc
import logging
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import orbax.checkpoint as ocp
from etils import epath

from signllm_jax.core.errors import CheckpointError
from signllm_jax.core.storage import is_remote
from signllm_jax.core.typing import Tree
from signllm_jax.parallel import hosts
from signllm_jax.train.checksums import checksums, verify
from signllm_jax.train.file_list import check_file_list, write_file_lists

T = TypeVar("T")
# orbax logs ten lines per save; it also raises every error that it logs
for _name in ("absl", "asyncio"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

CHECKSUMS = "checksums"  # key of the record that only this module reads


class Checkpoints:
    """The checkpoints of one work directory.

    Args:
        folder: Folder of the checkpoints; created with the first one.
        keep: Number of the newest checkpoints that are kept.
    """

    def __init__(self, folder: str | os.PathLike, keep: int):
        self.folder = epath.Path(folder)
        self._keep = keep
        self._manager: ocp.CheckpointManager | None = None

    def _open(self) -> ocp.CheckpointManager:
        if self._manager is None:
            options = ocp.CheckpointManagerOptions(
                max_to_keep=self._keep,
                enable_async_checkpointing=True,
                cleanup_tmp_directories=True,  # of saves that were killed
                # called when all files are written, before the checkpoint counts as complete
                async_options=ocp.options.AsyncOptions(post_finalization_callback=self._list),
            )
            self._manager = ocp.CheckpointManager(
                _absolute(self.folder), options=options, item_names=("state", "record")
            )
        return self._manager

    def _list(self) -> None:
        if hosts.is_first():
            write_file_lists(self.folder)

    def save(self, step: int, state: Tree, record: dict[str, Any]) -> None:
        """Starts to save `state` and `record` as step `step`; `wait` raises if that fails.

        Raises CheckpointError if this checkpoint or the previous one cannot be written.
        """
        with self._writing(f"checkpoint {step}"):
            record = record | {CHECKSUMS: checksums(state)}
            args = ocp.args.Composite(
                state=ocp.args.StandardSave(state), record=ocp.args.JsonSave(record)
            )
            self._open().save(step, args=args, force=True)

    def wait(self) -> None:
        """Waits until the last save is complete; raises CheckpointError if it failed."""
        if self._manager is not None:
            with self._writing("a checkpoint"):
                self._manager.wait_until_finished()
                self._manager.check_for_errors()

    def close(self) -> None:
        """Waits for the last save and closes the folder; only `wait` reports a failed save."""
        if self._manager is not None:
            with contextlib.suppress(Exception):
                self._manager.close()
            self._manager = None

    def steps(self) -> list[int]:
        """Steps of the complete checkpoints, newest first."""
        if not hosts.from_first(self.folder.exists()):
            return []
        return hosts.from_first(sorted(self._open().all_steps(), reverse=True))

    def newest(self) -> int | None:
        """Step of the newest complete checkpoint, after the last save has ended."""
        if hosts.count() > 1:  # one host may ask alone, and the manager waits for all of them
            return max(self._intact(), default=None)
        self.close()  # the manager also counts a save in progress
        return max(self.steps(), default=None)

    def has_complete(self) -> bool:
        """Whether this host sees a complete checkpoint and no save is in progress."""
        if self._manager is None or self._manager.is_saving_in_progress():
            return False
        return any(path.name.isdigit() for path in self.folder.iterdir())

    def _intact(self):
        """Steps of the checkpoints that match their lists of files."""
        for path in self.folder.iterdir() if self.folder.exists() else ():
            with contextlib.suppress(OSError, ValueError):
                check_file_list(path)
                yield int(path.name)

    def restore(self, like: Tree, report=print) -> tuple[Tree, dict[str, Any]] | None:
        """Restores the newest checkpoint that can be read.

        Args:
            like: Shapes, types and shardings of the state (`jax.ShapeDtypeStruct`s), on any mesh.
            report: Called with one line for every damaged checkpoint that was skipped.

        Returns:
            The state and the record; None if there is no checkpoint.

        Raises:
            CheckpointError: None of the checkpoints can be read; nothing is deleted.
        """
        failed: list[tuple[int, str]] = []
        _late_reads_unheard()
        for step in self.steps():
            restored, reason = self._read(step, like)
            if reason is not None:
                failed.append((step, reason))
                continue
            if failed:
                self._leave_out(failed, step, report)
            return restored
        if failed:
            step, reason = failed[0]
            raise CheckpointError(
                f"{self.folder}: none of {len(failed)} checkpoints can be read (newest {step}: "
                f"{reason}); nothing was deleted: move the folder away to start anew"
            )
        return None

    def _read(self, step: int, like: Tree):
        """State and record of a checkpoint, or None; and why any host cannot read it, or None."""
        _, reason = _on_all_hosts(lambda: check_file_list(self.folder / str(step)))
        return (None, reason) if reason else _on_all_hosts(lambda: self._load(step, like))

    def _load(self, step: int, like: Tree) -> tuple[Tree, dict[str, Any]]:
        args = ocp.args.Composite(
            state=ocp.args.StandardRestore(like), record=ocp.args.JsonRestore()
        )
        restored: Any = self._open().restore(step, args=args)
        record = dict(restored.record)
        verify(restored.state, record.pop(CHECKSUMS))
        return restored.state, record

    def _leave_out(self, failed: list[tuple[int, str]], step: int, report) -> None:
        """Moves damaged checkpoints aside, on the first host, and reports them."""
        for damaged, reason in failed if hosts.is_first() else ():
            aside, number = self.folder.parent / "damaged" / str(damaged), 1
            while aside.exists():
                number += 1
                aside = aside.parent / f"{damaged}-{number}"
            aside.parent.mkdir(parents=True, exist_ok=True)
            (self.folder / str(damaged)).rename(aside)
            report(
                f"checkpoint {damaged} is damaged ({reason}): moved to {aside}, "
                f"going on from checkpoint {step}"
            )
        hosts.wait("damaged checkpoints")
        self.close()  # the manager listed what was moved

    @contextlib.contextmanager
    def _writing(self, name: str):
        """Raises every error of a block as CheckpointError."""
        try:
            yield
        except Exception as error:
            reason = _first_line(error)
            if not is_remote(self.folder) and self.folder.exists():
                free = shutil.disk_usage(self.folder).free
                if free < 1 << 20 or "No space left" in str(error):
                    reason = f"no space left on the disk ({free >> 10} KiB free)"
            raise CheckpointError(
                f"{self.folder}: cannot write {name}: {reason}; the checkpoints before it are whole"
            ) from error


def _absolute(path: epath.Path) -> epath.Path:
    return path if is_remote(path) else epath.Path(Path(os.fspath(path)).absolute())


def _on_all_hosts(action: Callable[[], T]) -> tuple[T | None, str | None]:
    """The result of an action that all hosts take, and the first line of any host's error."""
    result = reason = None
    try:
        result = action()
    except Exception as error:
        reason = _first_line(error)
    if reason is not None:
        _drop_reads()
    return result, next(filter(None, hosts.from_all(reason)), None)


def _late_reads_unheard() -> None:
    """Silences reads of tensorstore that are still running when orbax gives up on a checkpoint.

    They find the event loop closed, or end when orbax's coroutine that awaits them is collected.
    """
    previous = sys.unraisablehook

    def hook(unraisable):
        read = getattr(unraisable.object, "__qualname__", "").startswith("_read_array")
        if not read and str(unraisable.exc_value) != "Event loop is closed":
            previous(unraisable)

    sys.unraisablehook = hook  # stays: nobody knows when they end


def _drop_reads() -> None:
    """Collects what awaits the reads of a damaged checkpoint, which would print errors later."""
    previous, sys.unraisablehook = sys.unraisablehook, lambda _: None
    gc.collect()
    sys.unraisablehook = previous


def restore_params(folder: str | os.PathLike, like: Tree, step: int | None = None) -> Tree:
    """Reads the parameters of a checkpoint without its optimizer.

    Args:
        folder: The `checkpoints` folder of a work directory.
        like: Shapes, types and shardings of the parameters.
        step: Step of the checkpoint; None = the newest.

    Raises:
        CheckpointError: The checkpoint is missing or cannot be read.
    """
    folder = epath.Path(folder)
    steps = [int(p.name) for p in folder.iterdir() if p.name.isdigit()] if folder.exists() else []
    if not steps or (step is not None and step not in steps):
        raise CheckpointError(f"{folder}: there is no checkpoint {'' if step is None else step}")
    path = _absolute(folder / str(max(steps) if step is None else step))
    try:
        restore_args = ocp.checkpoint_utils.construct_restore_args({"params": like})
        args = ocp.args.PyTreeRestore(
            item={"params": like}, restore_args=restore_args, partial_restore=True
        )
        with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as reader:
            restored = reader.restore(path / "state", args=args)
        with ocp.Checkpointer(ocp.JsonCheckpointHandler()) as reader:
            verify(restored, reader.restore(path / "record")[CHECKSUMS])
        return restored["params"]
    except Exception as error:
        raise CheckpointError(f"{path}: cannot be read: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    line = text[0] if text else type(error).__name__
    return line if len(line) < 200 else line[:197] + "..."
