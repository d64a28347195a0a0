"""Damage for the readers' fuzz tests: seeded, so that a failure can be repeated."""

from collections.abc import Callable

import numpy as np

from signllm_jax.core.errors import PoseFormatError

TOKENS = (b"nan", b"-inf", b"1e999", b"9" * 5000, b"1e30", b"null", b"{}", b"[]", b'"', b"\xff\xfe")
TOKENS += (b"-1", b"", b" ", b"\n", b"\x00", b"[" * 2000, b"true", b"0x10", b"1_0", "١".encode())


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """One damaged copy: cut, flipped, filled, repeated, or with a hostile token in it."""
    kind = rng.integers(6)
    place = int(rng.integers(len(content) + 1))
    other = int(rng.integers(len(content) + 1))
    low, high = sorted((place, other))
    if kind == 0:
        return content[:place]
    if kind == 1:
        out = bytearray(content)
        for _ in range(int(rng.integers(1, 20))):
            out[int(rng.integers(len(out)))] = int(rng.integers(256))
        return bytes(out)
    if kind == 2:
        return content[:low] + content[min(high, low + 64) :]
    if kind == 3:
        return content[:high] + content[low:]
    if kind == 4:
        return rng.bytes(int(rng.integers(200)))
    return content[:place] + TOKENS[int(rng.integers(len(TOKENS)))] + content[place:]


def survives(read: Callable[[], object], name: str) -> bool:
    """Whether the reader took the input; if it refused, it did so in a line that names the file."""
    try:
        read()
    except PoseFormatError as error:
        assert name in str(error)
        assert "\n" not in str(error)
        assert len(str(error)) < 1000
        return False
    return True
