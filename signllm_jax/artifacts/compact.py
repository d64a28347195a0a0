"""Parameters in a quarter of their bytes: int8 with a scale per column, for exports to download.

They are read back as float32, whose digest is the one in `group.json`.
"""

import numpy as np

from signllm_jax.core.errors import ConfigError
from signllm_jax.core.typing import Tree

FORMS = ("float32", "int8")
"""How parameters may be stored; float32 is what training writes."""
_CODES, _SCALE = "int8", "scale"
_LARGEST = 127


def compact(params: Tree) -> Tree:
    """The parameters for a file: every array of two axes or more as int8 and a scale per column.

    Args:
        params: nested dict of float32 arrays.

    Returns:
        The same dict; an array of two axes or more is `{"int8": int8 [..., N], "scale": float32
        [N]}` in it, and a vector is as it was.
    """
    return _each(params, _compacted)


def restore(stored: Tree) -> Tree:
    """The parameters float32 of what `compact` wrote; raises ConfigError where it is malformed."""
    if not isinstance(stored, dict):
        raise ConfigError("they are no parameters")
    return _each(stored, _restored)


def _each(tree: Tree, change) -> Tree:
    if isinstance(tree, dict) and tree.keys() != {_CODES, _SCALE}:
        return {name: _each(value, change) for name, value in tree.items()}
    return change(tree)


def _compacted(leaf) -> Tree:
    leaf = np.asarray(leaf)
    if leaf.ndim < 2:
        return leaf
    highest = np.abs(leaf).max(axis=tuple(range(leaf.ndim - 1)))
    scale = np.where(highest > 0, highest / _LARGEST, 1).astype(np.float32)
    return {_CODES: np.round(leaf / scale).astype(np.int8), _SCALE: scale}


def _restored(leaf: Tree) -> np.ndarray:
    if not isinstance(leaf, dict):
        return leaf
    codes, scale = leaf[_CODES], leaf[_SCALE]
    arrays = isinstance(codes, np.ndarray) and isinstance(scale, np.ndarray)
    if not arrays or (codes.dtype, scale.dtype) != (np.int8, np.float32):
        raise ConfigError("a compact array is not int8 with a scale in float32")
    if codes.ndim < 2 or scale.shape != codes.shape[-1:]:
        raise ConfigError(
            f"a compact array {list(codes.shape)} has a scale of {list(scale.shape)}, "
            "not one per column"
        )
    return codes.astype(np.float32) * scale
