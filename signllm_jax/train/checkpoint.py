"""Checkpoints for resuming: the only file that knows orbax.

A checkpoint is the whole train state and a small JSON record beside it, which holds a checksum of
every array: tensorstore reads a missing chunk as zeros and notices no flipped bit. A list of its
files tells when one is not as it was written. Saving is asynchronous; a damaged checkpoint is moved
aside when an older one can be restored.
"""

import contextlib
import gc
import logging
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp
from etils import epath

from signllm_jax.core.errors import CheckpointError
from signllm_jax.core.storage import is_remote
from signllm_jax.core.typing import Tree
from signllm_jax.parallel import hosts
from signllm_jax.train.checksums import checksums, verify
from signllm_jax.train.file_list import check_file_list, write_file_lists

# orbax tells every save in ten lines; what goes wrong it also raises
for _name in ("absl", "asyncio"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

CHECKSUMS = "checksums"  # the record's key that is the checkpoint's own


class Checkpoints:
    """The checkpoints of one work directory.

    Args:
        folder: where they lie; made when the first one is saved.
        keep: how many of the newest are kept.
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
                # called when all is written, before the checkpoint counts as complete
                async_options=ocp.options.AsyncOptions(post_finalization_callback=self._list),
            )
            path = self.folder
            if not is_remote(path):
                path = epath.Path(Path(os.fspath(path)).absolute())
            self._manager = ocp.CheckpointManager(
                path, options=options, item_names=("state", "record")
            )
        return self._manager

    def _list(self) -> None:
        if hosts.is_first():
            write_file_lists(self.folder)

    def save(self, step: int, state: Tree, record: dict[str, Any]) -> None:
        """Starts to save `state` and `record` as step `step`; `wait` says whether it worked.

        Raises CheckpointError when it, or the save before it, cannot be written.
        """
        try:
            record = record | {CHECKSUMS: checksums(state)}
            self._open().save(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.StandardSave(state), record=ocp.args.JsonSave(record)
                ),
                force=True,
            )
        except Exception as error:
            raise self._unwritable(step, error) from error

    def wait(self) -> None:
        """Returns when the last save is complete; raises CheckpointError when it failed."""
        if self._manager is None:
            return
        try:
            self._manager.wait_until_finished()
            self._manager.check_for_errors()
        except Exception as error:
            raise self._unwritable(None, error) from error

    def close(self) -> None:
        """Waits and lets go of the folder; whether a save worked is what `wait` says."""
        if self._manager is not None:
            with contextlib.suppress(Exception):
                self._manager.close()
            self._manager = None

    def steps(self) -> list[int]:
        """Steps of the complete checkpoints, the newest first."""
        if not hosts.from_first(self.folder.exists()):
            return []
        return hosts.from_first(sorted(self._open().all_steps(), reverse=True))

    def newest(self) -> int | None:
        """Step of the newest complete checkpoint, once the last save has ended or failed."""
        if hosts.count() > 1:  # where the manager waits for all hosts, and one alone may ask
            return max(self._whole(), default=None)
        self.close()  # the manager counts a save that has begun
        return max(self.steps(), default=None)

    def has_complete(self) -> bool:
        """Whether this host sees a complete checkpoint, and no save is under way."""
        if self._manager is None or self._manager.is_saving_in_progress():
            return False
        return any(path.name.isdigit() for path in self.folder.iterdir())

    def _whole(self):
        """Steps of the checkpoints that are as they were written, by their lists of files."""
        for path in self.folder.iterdir() if self.folder.exists() else ():
            with contextlib.suppress(OSError, ValueError):
                check_file_list(path)
                yield int(path.name)

    def restore(self, like: Tree, report=print) -> tuple[Tree, dict[str, Any]] | None:
        """The newest checkpoint that can be read, placed as `like` says.

        Args:
            like: the state's shapes, types and shardings (`jax.ShapeDtypeStruct`s); they may be
                those of another mesh than the one that saved.
            report: called with one line for every damaged checkpoint that was passed over.

        Returns:
            The state and the record, or None when there is no checkpoint at all.

        Raises:
            CheckpointError: there are checkpoints and none can be read; nothing is deleted.
        """
        failed: list[tuple[int, str]] = []
        _late_reads_unheard()
        for step in self.steps():
            found, reason = self._read(step, like)
            if reason is not None:
                failed.append((step, reason))
                continue
            if failed:
                self._leave_out(failed, step, report)
            return found
        if failed:
            step, reason = failed[0]
            raise CheckpointError(
                f"{self.folder}: none of {len(failed)} checkpoints can be read (newest {step}: "
                f"{reason}); nothing was deleted: move the folder away to start anew"
            )
        return None

    def _read(self, step: int, like: Tree):
        """State and record of a checkpoint; or None and what any host finds wrong with it."""
        reason = found = None
        try:
            check_file_list(self.folder / str(step))
        except (OSError, ValueError) as error:
            reason = _first_line(error)
        reason = _any(reason)
        if reason is not None:
            return None, reason
        try:
            restored: Any = self._open().restore(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.StandardRestore(like), record=ocp.args.JsonRestore()
                ),
            )
            record = dict(restored.record)
            verify(restored.state, record.pop(CHECKSUMS))
            found = restored.state, record
        except Exception as error:
            reason = _first_line(error)
        if reason is not None:
            _drop_reads()
        return found, _any(reason)

    def _leave_out(self, failed: list[tuple[int, str]], step: int, report) -> None:
        """Moves damaged checkpoints aside, on the first host, and says so."""
        for damaged, reason in failed if hosts.is_first() else ():
            aside = self._set_aside(damaged)
            report(
                f"checkpoint {damaged} is damaged ({reason}): moved to {aside}, "
                f"going on from checkpoint {step}"
            )
        hosts.wait("damaged checkpoints")
        self.close()  # the manager listed what was moved

    def _set_aside(self, step: int) -> epath.Path:
        aside = self.folder.parent / "damaged" / str(step)
        number = 1
        while aside.exists():
            number += 1
            aside = aside.parent / f"{step}-{number}"
        aside.parent.mkdir(parents=True, exist_ok=True)
        (self.folder / str(step)).rename(aside)
        return aside

    def _unwritable(self, step, error) -> CheckpointError:
        what = "a checkpoint" if step is None else f"checkpoint {step}"
        reason = _first_line(error)
        if not is_remote(self.folder) and self.folder.exists():
            free = shutil.disk_usage(self.folder).free
            if free < 1 << 20 or "No space left" in str(error):
                reason = f"no space left on the disk ({free >> 10} KiB free)"
        return CheckpointError(
            f"{self.folder}: cannot write {what}: {reason}; the checkpoints before it are whole"
        )


def _any(reason: str | None) -> str | None:
    """What is wrong on any host, on all of them."""
    return next((each for each in hosts.from_all(reason) if each is not None), None)


def _late_reads_unheard() -> None:
    """When orbax gives up on a damaged checkpoint, tensorstore's other reads end into nothing.

    They find the event loop closed, or end as orbax's coroutine that awaited them is collected.
    """
    hear = sys.unraisablehook

    def hook(unraisable):
        read = getattr(unraisable.object, "__qualname__", "").startswith("_read_array")
        if not read and str(unraisable.exc_value) != "Event loop is closed":
            hear(unraisable)

    sys.unraisablehook = hook  # stays: they end when they like


def _drop_reads() -> None:
    """Collects what awaited the reads of a damaged checkpoint, which would complain later."""
    hear, sys.unraisablehook = sys.unraisablehook, lambda _: None
    gc.collect()
    sys.unraisablehook = hear


def restore_params(folder: str | os.PathLike, like: Tree, step: int | None = None) -> Tree:
    """Reads the parameters of a checkpoint without its optimizer.

    Args:
        folder: the work directory's `checkpoints`.
        like: shapes, types and shardings of the parameters.
        step: which checkpoint, None = the newest.

    Raises:
        CheckpointError: there is none, or it cannot be read.
    """
    folder = epath.Path(folder)
    steps = [int(p.name) for p in folder.iterdir() if p.name.isdigit()] if folder.exists() else []
    if not steps or (step is not None and step not in steps):
        raise CheckpointError(f"{folder}: there is no checkpoint {'' if step is None else step}")
    path = folder / str(max(steps) if step is None else step)
    path = epath.Path(Path(os.fspath(path)).absolute()) if not is_remote(path) else path
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
