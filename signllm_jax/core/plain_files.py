"""Reading from folders that somebody else may have made, and writing into shared folders.

Only regular files below the folder are read: no link, which may lead out of the folder, and no
device or pipe, which may never end. Only new files are written: no link that waits under the name.
"""

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from signllm_jax.core.errors import OutputError, SignLLMError
from signllm_jax.core.storage import AnyPath, as_path, is_remote, open_regular


def read_plain(folder: AnyPath, name: str, most: int | None = None) -> bytes:
    """The bytes of a regular file below a folder.

    Args:
        folder: Folder on this machine or on a bucket.
        name: Path of the file in the folder, with `/` between its parts.
        most: Largest size in bytes.

    Raises OSError when the name leads out of the folder, or the file is missing, a link, no
    regular file, larger than `most`, or cannot be read.
    """
    parts = name.split("/") if isinstance(name, str) else [""]
    if any(part in ("", ".", "..") or "\0" in part or "\\" in part for part in parts):
        raise OSError(errno.EINVAL, f"{name!r} is no name of a file below the folder")
    if is_remote(folder):  # a bucket has neither links nor pipes
        data = (folder / name).read_bytes()
    else:
        for depth in range(1, len(parts)):
            check_folder(folder.joinpath(*parts[:depth]))
        try:
            file = open_regular(folder / name, links=False)
        except OSError as error:
            raise OSError(error.errno, f"{name}: {error.strerror}") from None
        with file:
            data = file.read(-1 if most is None else most + 1)
    if most is not None and len(data) > most:
        raise OSError(errno.EFBIG, f"is larger than {most} bytes")
    return data


def check_folder(folder: AnyPath) -> None:
    """Raises OSError when a folder is a link, missing or no folder; buckets have no links."""
    if not is_remote(folder) and not stat.S_ISDIR(os.lstat(folder).st_mode):
        raise OSError(errno.ENOTDIR, f"{folder}: is a link or no folder")


def new_beside(path: str | os.PathLike, suffix: str = ".partial") -> str:
    """Makes an empty file beside a path, to be written and then renamed to it.

    The name is random, so that nobody can put a link in its place beforehand. It is short, so that
    it is a valid name wherever that of `path` is.

    Args:
        path: the file that will be replaced, on this machine.
        suffix: the end of the new file's name.

    Returns:
        The path of the new file.

    Raises:
        OSError: it cannot be made.
    """
    part = os.path.join(os.path.dirname(path), f".{secrets.token_hex(8)}{suffix}")
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666))
    return part


def open_own(path: str | os.PathLike) -> TextIO:
    """Opens a small file of this program for reading and writing; it is made if it is missing.

    Raises OSError if it is a link, no regular file or has other names too, or cannot be opened:
    writing would change a file elsewhere.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(path, flags, 0o666)
    held = os.fstat(descriptor)
    if not stat.S_ISREG(held.st_mode) or held.st_nlink > 1:
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is no regular file or has another name too", os.fspath(path))
    return open(descriptor, "r+", encoding="utf-8", errors="replace")


@contextlib.contextmanager
def replacing(path: str | os.PathLike, suffix: str = ".partial") -> Iterator[str]:
    """Yields the name of a new file beside `path`, which replaces `path` at the end.

    A reader sees the old file or the whole new one, and a failure leaves nothing behind.

    Args:
        path: File of this machine.
        suffix: End of the new file's name.

    Raises:
        OutputError: The file cannot be written.
    """
    part = ""
    with _os_errors_as(OutputError, path):
        try:
            part = new_beside(path, suffix)
            yield part
            os.replace(part, path)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(part)


@contextlib.contextmanager
def appearing(path: str | os.PathLike, error: type[SignLLMError]) -> Iterator[Path]:
    """Yields a new folder beside `path`, which is renamed to `path` at the end.

    A failure leaves nothing behind, and nothing that was there before is changed.

    Args:
        path: Folder of this machine to make; missing parents are made too.
        error: Class that every OSError is raised as, with `path` in its message.
    """
    path = Path(path)
    beside = path.with_name(f".{secrets.token_hex(8)}.partial")
    with _os_errors_as(error, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.mkdir()
        try:
            yield beside
            os.rename(beside, path)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def write_whole(path: str | os.PathLike, data: bytes) -> None:
    """Writes a file that appears when it is complete; missing folders are made.

    Args:
        path: File of this machine, or of a bucket, where files appear only when complete.
        data: Content of the file.

    Raises:
        OutputError: The file cannot be written.
    """
    with _os_errors_as(OutputError, path):
        as_path(path).parent.mkdir(parents=True, exist_ok=True)
        if is_remote(path):
            as_path(path).write_bytes(data)
            return
    with replacing(path) as part, open(part, "wb") as file:
        file.write(data)


@contextlib.contextmanager
def _os_errors_as(error: type[SignLLMError], path: str | os.PathLike) -> Iterator[None]:
    """Raises every OSError of the context as `error`, which says that `path` cannot be written."""
    try:
        yield
    except OSError as failure:
        reason = failure.strerror or failure
        raise error(f"{os.fspath(path)}: cannot be written: {reason}") from None
