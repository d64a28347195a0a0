"""Records of the studies: JSON files that are kept with the documentation.

The pages are written from these records, so further runs can be added to the existing ones.
"""

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from signllm_jax.artifacts.group import write_file
from signllm_jax.core.errors import DataError

DIGITS = 6

Key = tuple[str, float, int]
"""Setting, share of damaged clips, seed."""


class Records:
    """The runs in a file, one line of JSON each; a missing file has none.

    Args:
        path: Path of the file.
    """

    def __init__(self, path: Path):
        self._path = path

    def read(self, stage: str) -> dict[Key, dict]:
        """The records of a stage, in order.

        Raises:
            DataError: A line is no record; the message names it.
        """
        return {key[1:]: record for key, record in self._all().items() if key[0] == stage}

    def add(self, stage: str, record: Mapping[str, Any]) -> None:
        """Adds a record, or replaces the one with the same stage, setting, share and seed."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)  # others may add at the same time
            held = self._all()
            held[_key({"stage": stage, **record})] = {"stage": stage, **rounded(record, DIGITS)}
            lines = (json.dumps(held[key]) + "\n" for key in sorted(held))
            write_file(self._path, "".join(lines).encode())
        finally:
            os.close(folder)

    def _all(self) -> dict[tuple[str, str, float, int], dict]:
        held = {}
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line)
                held[_key(record)] = record
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(f"{self._path}: line {number} is no record ({error!r})") from None
        return held


def _key(record):
    return record["stage"], record["setting"], float(record["corrupt"]), int(record["seed"])


def rounded(value: Any, digits: int) -> Any:
    """A JSON value whose numbers have so many significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, Mapping):
        return {name: rounded(item, digits) for name, item in value.items()}
    return [rounded(item, digits) for item in value] if isinstance(value, list) else value


def write_json(path: Path, value: Any) -> None:
    """Writes an indented JSON file; missing folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, f"{json.dumps(value, indent=1)}\n".encode())
