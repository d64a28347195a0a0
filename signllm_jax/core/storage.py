"""Reading from paths that may be on a bucket (`gs://BUCKET/FOLDER`) instead of this machine."""

import errno
import os
import stat
import threading
from pathlib import Path
from typing import BinaryIO

from etils import epath

from signllm_jax.core.errors import SignLLMError, reason
from signllm_jax.core.wording import how_to_install

AnyPath = Path | epath.Path
"""A path on this machine or on a bucket; both have the same methods."""
SECONDS = 30.0
"""Seconds to wait for the first answer of a bucket; array_record alone waits for nine minutes."""


def is_remote(path: str | os.PathLike) -> bool:
    """Whether a path is a URL."""
    return "://" in os.fspath(path)


def as_path(path: str | os.PathLike) -> AnyPath:
    """The path of this machine or on a bucket that a user named."""
    return epath.Path(path) if is_remote(path) else Path(path)


def open_regular(path: str | os.PathLike, links: bool = True) -> BinaryIO:
    """Opens a regular file of this machine for reading.

    Opening a FIFO may block for ever and opening a device may have effects, so neither is opened.

    Args:
        path: Path of the file.
        links: Whether the path may be a link to a regular file.

    Raises:
        OSError: The file cannot be opened, is not regular, or is a link and `links` is False.
    """
    return open(_descriptor(path, links)[0], "rb")


def _descriptor(path: str | os.PathLike, links: bool = True) -> tuple[int, int]:
    """The open descriptor and the size of a regular file; raises OSError as `open_regular`."""
    status = os.stat(path, follow_symlinks=links)
    if stat.S_ISLNK(status.st_mode):
        raise OSError(errno.ELOOP, "is a link", os.fspath(path))
    not_regular = OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    if not stat.S_ISREG(status.st_mode):
        raise not_regular
    # it may have become something else since the question: follow no new link, wait for no writer
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | (0 if links else getattr(os, "O_NOFOLLOW", 0)))
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise not_regular
    return descriptor, status.st_size


def read_at_most(path: str | os.PathLike, limit: int) -> bytes:
    """The first `limit` + 1 bytes of a regular file; raises OSError as `open_regular`.

    For the many small files of a corpus: no buffer is set aside that is larger than the file.
    """
    descriptor, size = _descriptor(path)
    try:
        content = os.read(descriptor, min(size, limit) + 1)
        while len(content) <= limit:  # a read may give less than was asked for
            more = os.read(descriptor, min(limit + 1 - len(content), max(len(content), 4096)))
            if not more:
                break
            content += more
        return content
    finally:
        os.close(descriptor)


def read_regular(path: AnyPath) -> bytes:
    """The content of a regular file, or of one on a bucket; raises OSError as `open_regular`."""
    if is_remote(path):
        return path.read_bytes()
    with open_regular(path) as file:
        return file.read()


def ask_for(path: str | os.PathLike, error: type[SignLLMError], missing_ok: bool = False) -> None:
    """Asks once whether a path is there, if it is remote: a bucket out of reach would hang.

    Args:
        path: Local or remote path.
        error: Class of the error that is raised, in one line, if nothing is there, the bucket does
            not answer in time, or the client library is missing.
        missing_ok: Whether an answer is enough, and the path need not exist.
    """
    if not is_remote(path):
        return
    answers: list[bool | Exception] = []

    def ask():
        try:
            answers.append(epath.Path(path).exists())
        except Exception as failure:  # of whichever library speaks to the place
            answers.append(failure)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(SECONDS)
    if not answers:
        raise error(f"{path}: no answer in {SECONDS:g} s")
    (answer,) = answers
    if isinstance(answer, ImportError):
        raise error(f"{path}: needs gcsfs: {how_to_install('gcs')}")
    if isinstance(answer, Exception):
        raise error(f"{path}: cannot be read ({reason(answer)})")
    if not answer and not missing_ok:
        raise error(f"{path}: there is nothing")
