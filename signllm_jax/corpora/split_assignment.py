"""Gives the clips of a corpus their splits."""

import dataclasses
import zlib
from collections.abc import Sequence

from signllm_jax.core.errors import DataError
from signllm_jax.corpora.entries import SPLITS, Entry

_HELD_OUT = 0.05  # share of dev and of test, where a corpus has no splits of its own


def assign_splits(entries: Sequence[Entry], all_to: str = "") -> tuple[list[Entry], str]:
    """Gives every clip a split: the corpus's own, else by a hash of the signer, else of the id.

    All segments of a recording get one split.

    Args:
        entries: Entries of one corpus.
        all_to: The split of all clips, whatever the corpus says; empty = not one for all.

    Returns:
        The entries with splits, and in words how these were chosen.
    """
    if all_to and all_to not in SPLITS:
        raise DataError(f"unknown split {all_to!r}: known are {', '.join(SPLITS)}")
    if all_to:
        return [dataclasses.replace(entry, split=all_to) for entry in entries], f"all to {all_to}"
    if all(entry.split for entry in entries):
        return list(entries), "the corpus's own"
    free = [entry for entry in entries if not entry.split]
    mixed = "the corpus's own where it has one, else " if len(free) < len(entries) else ""
    signers = all(entry.signer for entry in free)
    chosen = {e.id: _hashed_split(e.signer if signers else e.recording) for e in free}
    how = f"{mixed}5% dev and 5% test by a hash of the {'signer' if signers else 'id'}"
    if "train" not in {*chosen.values(), *(entry.split for entry in entries)}:
        chosen, how = dict.fromkeys(chosen, "train"), f"{mixed}all to train: {how} left none"
    return [e if e.split else dataclasses.replace(e, split=chosen[e.id]) for e in entries], how


def _hashed_split(key: str) -> str:
    share = zlib.crc32(key.encode()) / 2**32
    return "dev" if share < _HELD_OUT else "test" if share < 2 * _HELD_OUT else "train"
