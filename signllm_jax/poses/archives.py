"""Opens zip archives of strangers: regular files whose lists of members are of a bounded size."""

import contextlib
import os
import struct
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.core.storage import open_regular
from signllm_jax.poses.budget import Budget
from signllm_jax.poses.frames import readable, reason

_END, _END_SIZE, _LONGEST_COMMENT = b"PK\x05\x06", 22, 2**16
_ENTRY = 128  # bytes that an ordinary member takes in the list, its name included


@contextlib.contextmanager
def open_archive(path: str | os.PathLike, budget: Budget) -> Iterator[zipfile.ZipFile]:
    """Opens an archive and asks the budget for its members and their bytes.

    Args:
        path: path of a regular file.
        budget: limits of the number of members and of their decompressed bytes together.

    Yields:
        The archive.

    Raises:
        PoseFormatError: it cannot be read, is no archive, or costs more; it names the file.
    """
    source = os.fspath(path)
    with readable(source):
        file = open_regular(path)
    with file:
        budget.ask(source, bytes=os.fstat(file.fileno()).st_size)
        _ask_list(file, source, budget)
        try:
            archive = zipfile.ZipFile(file)
        except Exception as error:  # damage shows as almost any error of zipfile
            raise PoseFormatError(f"{source}: not a readable archive: {reason(error)}") from None
        with archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            budget.ask(source, members=len(members), bytes=total)
            yield archive


def _ask_list(file: BinaryIO, source: str, budget: Budget) -> None:
    """Refuses a list of members that is too long before zipfile makes an object of each."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _END_SIZE - _LONGEST_COMMENT, 0))
    tail = file.read()
    at = tail.find(_END)
    while 0 <= at <= len(tail) - _END_SIZE:
        (listed,) = struct.unpack_from("<I", tail, at + 12)
        budget.ask(f"{source}: its list of files", members=listed // _ENTRY)
        at = tail.find(_END, at + 1)
    file.seek(0)
