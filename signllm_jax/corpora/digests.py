"""Digests that bind a run to its data: what a split lists, and what its records hold."""

import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np


def listing_digest(*columns: Sequence) -> str:
    """SHA-256 of the listing of a split: ids, texts, glosses and lengths, in their order.

    Args:
        columns: lists of strings, of lists of strings, or of integers.
    """
    sha = hashlib.sha256(b"[")  # as of `json.dumps(columns)`, which would need much memory
    for number, column in enumerate(columns):
        sha.update(b", [" if number else b"[")
        for row, value in enumerate(column):
            sha.update(f"{', ' if row else ''}{json.dumps(value)}".encode())
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
        """The digest of all examples that were added."""
        return self._sha.hexdigest()


def first_changed(mine: Mapping[str, str], held: Mapping[str, str]) -> str | None:
    """The name of the first split whose data differs, None where all data is the same.

    Args:
        mine: name of a split -> `LISTING` or `LISTING RECORDS`, two digests.
        held: the same of other data. Data that was prepared before records were digested has the
            first digest alone, and then only that one is compared.
    """
    for name in sorted({*mine, *held}):
        pairs = zip(mine.get(name, "").split() or [""], held.get(name, "").split() or [""])
        if any(digest != held_digest for digest, held_digest in pairs):
            return name
    return None
