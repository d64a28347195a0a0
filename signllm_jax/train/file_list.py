"""The list of a checkpoint's files, written into it before it counts as complete.

Orbax does not need every file that it writes, and tensorstore reads a missing chunk as zeros. This
list shows whether any file of a checkpoint is missing or damaged.
"""

import json
import zlib
from collections.abc import Iterator

from etils import epath

NAME = "files.json"
_MARK, _METADATA = "commit_success.txt", "_CHECKPOINT_METADATA"  # written after all other files
_SMALL = 1 << 20  # bytes; larger files hold arrays, which have checksums in the record


def write_file_lists(folder: epath.Path) -> None:
    """Writes the list of files into each checkpoint in `folder` that is not yet complete."""
    for path in folder.iterdir():
        if path.name.partition(".")[0].isdigit() and not (path / _MARK).exists():
            listed = {name: _describe(file) for name, file in _files(path) if name != _METADATA}
            (path / NAME).write_text(json.dumps(listed, indent=1))


def check_file_list(folder: epath.Path) -> None:
    """Raises ValueError if a file of the complete checkpoint is missing or has changed."""
    paths = dict(_files(folder))
    listed = _read(paths[NAME]) if NAME in paths else {}
    for name in (NAME, _METADATA, _MARK, *listed):
        if name not in paths:
            raise ValueError(f"{name} is missing")
    if "commit_timestamp_nsecs" not in _read(paths[_METADATA]):
        raise ValueError(f"{_METADATA} is not what was written")
    if not paths[_MARK].read_bytes().endswith(b"/" + folder.name.encode()):
        raise ValueError(f"{_MARK} is not what was written")
    for name, description in listed.items():
        if _describe(paths[name]) != description:
            raise ValueError(f"{name} is not what was written")


def _files(folder: epath.Path, prefix: str = "") -> Iterator[tuple[str, epath.Path]]:
    for path in folder.iterdir():  # epath globs no subfolders
        if path.is_dir():
            yield from _files(path, f"{prefix}{path.name}/")
        else:
            yield prefix + path.name, path


def _describe(path: epath.Path) -> list[int]:
    """Size in bytes, and for a small file also the checksum of its contents."""
    size = path.stat().length
    return [size, zlib.crc32(path.read_bytes())] if size <= _SMALL else [size]


def _read(path: epath.Path) -> dict:
    try:
        return dict(json.loads(path.read_text()))
    except (ValueError, TypeError):
        raise ValueError(f"{path.name} is not what was written") from None
