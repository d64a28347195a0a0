"""Reads `.npz` files of strangers: sizes are checked before anything is decompressed.

Arrays of numbers are read by their headers; the content of an array of objects is read by
`safe_pickle`, which runs nothing.
"""

import ast
import io
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.core.plain_files import write_whole
from signllm_jax.poses.archives import open_archive
from signllm_jax.poses.budget import BUDGET, Budget
from signllm_jax.poses.frames import read_file, reason
from signllm_jax.poses.safe_pickle import Dtype, Refused, make_array, read_pickle

MAX_HEADER = 4096
_GROWTH = (
    2  # bytes that a pickle may build per byte of the budget: small arrays take twice their size
)
_MAGIC = b"\x93NUMPY"


def _member(content: bytes, budget: Budget) -> Any:
    """Reads one `.npy`: an array of numbers, or the object that an object array holds."""
    if content[:6] != _MAGIC or len(content) < 12:
        raise Refused("no array")
    wide = content[6] >= 2
    (size,) = struct.unpack_from("<I" if wide else "<H", content, 8)
    begin = 12 if wide else 10
    if size > MAX_HEADER:
        raise Refused("an array header that is too long")
    header = ast.literal_eval(content[begin : begin + size].decode("latin-1").strip())
    if not isinstance(header, dict) or not isinstance(header.get("descr"), str):
        raise Refused("a damaged array header")
    if header["descr"].lstrip("<>=|")[:1] in ("U", "S"):
        return None  # a name or a date, which a pose does not need
    dtype, shape = Dtype(header["descr"]), header.get("shape")
    body = content[begin + size :]
    if dtype.value.kind != "O":
        return make_array(body, dtype, shape, "F" if header.get("fortran_order") else "C")
    value = read_pickle(body, _GROWTH * budget.bytes)
    return value[0] if shape == () and isinstance(value, list) and len(value) == 1 else value


def load_npz(path: str | os.PathLike, budget: Budget = BUDGET) -> dict[str, Any]:
    """Reads an archive of numpy arrays and dictionaries without running anything in it.

    Args:
        path: path of the `.npz` file.
        budget: limits of the number of members and bytes.

    Returns:
        Member name (without `.npy`) -> array of numbers, dictionary, list, or number. Members that
        are texts are left out.

    Raises:
        PoseFormatError: the file is missing, damaged, too large when decompressed, or asks for
            anything but numbers and dictionaries; it names the file and the member.
    """
    result = {}
    with open_archive(path, budget) as archive:
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            try:
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise Refused("an unusual compression")
                with archive.open(member) as file:
                    content = file.read(member.file_size + 1)
                if len(content) != member.file_size:
                    raise Refused("a member whose size is not the announced one")
                value = _member(content, budget)
            except Exception as error:  # damage shows as almost any error of zlib, ast or the stack
                raise PoseFormatError(f"{path}: member {name!r:.60}: {reason(error)}") from None
            if value is not None:
                result[name] = value
    return result


def load_npy(path: str | os.PathLike, budget: Budget = BUDGET) -> np.ndarray:
    """Reads a `.npy` file of numbers; raises PoseFormatError for any other, naming it."""
    content = read_file(Path(path), budget.bytes)
    try:
        value = _member(content, budget)
    except Exception as error:  # damage shows as almost any error of ast or struct
        raise PoseFormatError(f"{path}: {reason(error)}") from None
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
        raise PoseFormatError(f"{path}: no array of numbers")
    return value


def save_npz(path: str | os.PathLike, members: dict[str, Any]) -> None:
    """Writes arrays, and dictionaries of arrays as numpy pickles them; the file appears whole.

    Raises:
        OutputError: the file cannot be written.
    """
    content = io.BytesIO()
    np.savez_compressed(content, **members)
    write_whole(path, content.getvalue())
