"""Token ids of the texts of a split: counted once for all plans, made when a row asks for them."""

import contextlib
import functools
import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from signllm_jax.core.compile_cache import cache_home
from signllm_jax.core.errors import OutputError
from signllm_jax.core.plain_files import write_whole
from signllm_jax.corpora.listings import Column
from signllm_jax.text.tokenizer import Encoder

KEPT_FROM = 50_000
"""Texts of a split whose counts are kept on the disk for the next start."""
_HELD = 1 << 16  # token ids of texts that are held


@runtime_checkable
class _Identified(Encoder, Protocol):
    """An encoder that says which one it is, as a `Tokenizer` does."""

    model: bytes
    kind: str
    language: str


class TokenTable(Sequence):
    """The token ids of every text of a split.

    Attributes:
        counts: int32 [n], the number of ids of every text.
    """

    def __init__(self, texts: Sequence[str], tokenizer: Encoder):
        """Counts the ids, or maps what a former start has counted.

        Args:
            texts: of the split.
            tokenizer: of the group.

        Raises:
            TextError: a text cannot be written.
        """
        self._texts = texts
        self._encode = functools.lru_cache(_HELD)(tokenizer.encode)
        self.counts = _kept_counts(texts, tokenizer)

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, index):
        return self._encode(self._texts[index])


def _kept_counts(texts: Sequence[str], tokenizer: Encoder) -> np.ndarray:
    """Token counts, from the user's cache folder where texts and tokenizer are the same."""
    if len(texts) < KEPT_FROM or not isinstance(texts, Column):
        return _counts(texts, tokenizer)
    if not isinstance(tokenizer, _Identified):
        return _counts(texts, tokenizer)
    sha = hashlib.sha256(texts.digest.encode() + tokenizer.model)
    sha.update(f"{tokenizer.kind} {tokenizer.language}".encode())
    path = cache_home() / "signllm_jax" / "tokens" / f"{sha.hexdigest()}.npy"
    if (held := _mapped(path, len(texts))) is not None:
        return held
    counts = _counts(texts, tokenizer)
    saved = io.BytesIO()
    np.save(saved, counts, allow_pickle=False)
    with contextlib.suppress(OutputError):  # the next start counts again
        write_whole(path, saved.getvalue())
    held = _mapped(path, len(texts))
    return counts if held is None else held


def _mapped(path: Path, count: int) -> np.ndarray | None:
    try:
        if path.stat().st_uid != os.geteuid():
            return None
        held = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return held if held.shape == (count,) and held.dtype == np.int32 else None


def _counts(texts: Sequence[str], tokenizer: Encoder) -> np.ndarray:
    return np.fromiter((len(tokenizer.encode(text)) for text in texts), np.int32, len(texts))
