"""Token ids of the texts of a split: counted once, and computed when a row needs them."""

import contextlib
import functools
import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from signllm_jax.core.compile_cache import cache_home
from signllm_jax.core.errors import OutputError
from signllm_jax.core.plain_files import write_whole
from signllm_jax.corpora.listings import Column
from signllm_jax.text.tokenizer import Encoder, Tokenizer

KEPT_FROM = 50_000
"""Number of texts per split from which their counts are saved for the next start."""
_CACHED = 1 << 16  # number of texts whose token ids stay in memory


class TokenTable(Sequence):
    """The token ids of every text of a split.

    Attributes:
        counts: int32 [n], number of ids of every text.
    """

    def __init__(self, texts: Sequence[str], tokenizer: Encoder):
        """Counts the ids, or maps the counts that an earlier start has saved.

        Args:
            texts: Texts of the split.
            tokenizer: Tokenizer of the group.

        Raises:
            TextError: A text cannot be encoded.
        """
        self._texts = texts
        self._encode = functools.lru_cache(_CACHED)(tokenizer.encode)
        self.counts = _kept_counts(texts, tokenizer)

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, index):
        return self._encode(self._texts[index])


def _kept_counts(texts: Sequence[str], tokenizer: Encoder) -> np.ndarray:
    """Token counts, from the user's cache folder if texts and tokenizer have not changed."""
    if len(texts) < KEPT_FROM or not isinstance(texts, Column):
        return _counts(texts, tokenizer)
    if not isinstance(tokenizer, Tokenizer):
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
