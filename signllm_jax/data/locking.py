"""Locks data folders, so that only one process at a time prepares them."""

import contextlib
import fcntl

from etils import epath

from signllm_jax.core.errors import DataError
from signllm_jax.core.plain_files import open_own
from signllm_jax.core.storage import is_remote


@contextlib.contextmanager
def locked(folder: epath.Path, name: str):
    """Holds a lock that excludes other processes of this machine; does nothing on a bucket.

    Raises DataError if the lock file cannot be opened or is a link.
    """
    if is_remote(folder):
        yield
        return
    try:
        lock = open_own(folder / f".{name}.lock")
    except OSError as error:
        raise DataError(f"{folder}: cannot be locked: {error.strerror}") from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
