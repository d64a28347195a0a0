"""Digests that bind a run to its data: what a split lists, and what its records hold."""

import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np


def listing_digest(*columns: Sequence) -> str:
    """SHA-256 of what is listed of a split: ids, texts, glosses and lengths, in their order.

    Args:
        columns: lists of strings, of lists of strings, or of whole numbers.
    """
    sha = hashlib.sha256(b"[")  # as of `json.dumps` of all, which would take memory
    for number, column in enumerate(columns):
        sha.update(b", [" if number else b"[")
        for place, value in enumerate(column):
            sha.update(f"{', ' if place else ''}{json.dumps(value)}".encode())
        sha.update(b"]")
    sha.update(b"]")
    return sha.hexdigest()


class RecordsDigest:
    """SHA-256 over the records of a split as they are written."""

    def __init__(self):
        self._sha = hashlib.sha256()

    def add(self, example: Mapping) -> None:
        """Adds an example: its strings and arrays by name."""
        for name in sorted(example):
            value = example[name]
            array = np.ascontiguousarray(value) if isinstance(value, np.ndarray) else None
            described = repr(value) if array is None else f"{array.shape} {array.dtype}"
            self._sha.update(f"{name} {described}\n".encode())
            if array is not None:
                self._sha.update(array.data)

    def hexdigest(self) -> str:
        """Of all that was added."""
        return self._sha.hexdigest()


def first_changed(mine: Mapping[str, str], held: Mapping[str, str]) -> str | None:
    """The name of the first split whose data differs, None where all is the same.

    Args:
        mine: name of a split -> `LISTING` or `LISTING RECORDS`, two digests.
        held: the same; data that was prepared before records were digested has the first alone,
            which is then all that is compared.
    """
    for name in sorted({*mine, *held}):
        pairs = zip(mine.get(name, "").split() or [""], held.get(name, "").split() or [""])
        if any(one != other for one, other in pairs):
            return name
    return None
