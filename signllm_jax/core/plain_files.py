"""Reading from folders that somebody else may have made, and writing into shared ones.

What is read is a regular file below the folder: no link, which may lead out of it, and no device
or pipe, which may never end. What is written is a new file: no link that waits under its name.
"""

import errno
import os
import secrets
import stat
from pathlib import Path

from etils import epath

from signllm_jax.core.storage import is_remote


def read_plain(folder: Path | epath.Path, name: str, most: int | None = None) -> bytes:
    """The bytes of a regular file below a folder.

    Args:
        folder: on this machine or on a bucket.
        name: path of the file in the folder, with `/` between its parts.
        most: largest size in bytes.

    Raises OSError when the name leads out of the folder, or the file is missing, a link, no
    regular file, larger than `most`, or cannot be read.
    """
    parts = name.split("/") if isinstance(name, str) else [""]
    if any(part in ("", ".", "..") or "\0" in part or "\\" in part for part in parts):
        raise OSError(errno.EINVAL, f"{name!r} is no name of a file below the folder")
    if is_remote(folder):  # a bucket has neither links nor pipes
        return _no_more((folder / name).read_bytes(), most)
    for place in range(1, len(parts)):
        check_folder(folder.joinpath(*parts[:place]))
    try:  # what is no regular file may wait for another process while it is opened
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        reason = "is a link" if error.errno == errno.ELOOP else error.strerror
        raise OSError(error.errno, f"{name}: {reason}") from None
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, f"{name}: is no regular file")
        return _no_more(file.read() if most is None else file.read(most + 1), most)


def check_folder(folder: Path | epath.Path) -> None:
    """Raises OSError when a folder is a link, missing or no folder; buckets have no links."""
    if not is_remote(folder) and not stat.S_ISDIR(os.lstat(folder).st_mode):
        raise OSError(errno.ENOTDIR, f"{folder}: is a link or no folder")


def new_beside(path: str | os.PathLike, suffix: str = ".partial") -> str:
    """Makes an empty file beside a path, to be written and then renamed to it.

    Nobody can know its name beforehand, so no link can wait there. It is short, so that every
    name that a file may have has room for one beside it.

    Args:
        path: of this machine.
        suffix: the end of its name.

    Raises OSError when it cannot be made.
    """
    part = os.path.join(os.path.dirname(path), f".{secrets.token_hex(8)}{suffix}")
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666))
    return part


def _no_more(data: bytes, most: int | None) -> bytes:
    if most is not None and len(data) > most:
        raise OSError(errno.EFBIG, f"is larger than {most} bytes")
    return data
