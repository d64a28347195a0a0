"""The lock on a work directory; the system frees it when its owner dies."""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from signllm_jax.core.errors import CheckpointError
from signllm_jax.core.plain_files import open_own

_MOST = 64  # characters of a lock, which holds the number of a process


def take_lock(folder: Path) -> TextIO:
    """Locks a work directory, which is made where it is missing, for as long as the file is open.

    Raises:
        CheckpointError: Another trainer holds it, or its `.lock` is a file of somebody else.
        OSError: It cannot be made or written.
    """
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        file = open_own(folder / ".lock")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read(_MOST).strip() or "unknown"
            file.close()
            raise CheckpointError(
                f"{folder}: another trainer (process {owner}) works here"
            ) from None
        if os.fstat(file.fileno()).st_nlink:
            break
        file.close()  # its last owner removed it between opening and locking: try the new one
    if re.fullmatch(r"\d*\s*", file.read(_MOST)) is None:
        file.close()
        raise CheckpointError(f"{folder / '.lock'}: is not the lock of a trainer")
    file.seek(0)
    file.truncate()
    file.write(str(os.getpid()))
    file.flush()
    return file


def remove_empty(folders: Iterable[Path]) -> None:
    """Removes folders up to the first that is not empty."""
    with contextlib.suppress(OSError):  # stops at the first that is not empty
        for folder in folders:
            folder.rmdir()
