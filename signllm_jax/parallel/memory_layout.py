"""The memory layout of a batch on TPUs, where the compiler's own choice is slower.

On other devices nothing is changed.
"""

import jax
from jax.experimental.layout import Layout, with_layout_constraint

from signllm_jax.core.typing import Batch

# axes of a lane's own array [B, ...] from the slowest to the fastest
_ORDERS = {name: (0, 1) for name in ("text", "text_segment", "segment", "position")}
_ORDERS |= {"frames": (0, 2, 1)}


def lay(batch: Batch, names: tuple[str, ...] = tuple(_ORDERS)) -> Batch:
    """A lane's batch [B, ...] with tokens and segments row by row, and frames along registers.

    The compiler would give tokens and segments the layout of the operation that made them, and
    would then copy the model's statistics, which follow it, back and forth. It lays out frames from
    the host by single lines if B is not a multiple of 8, and every operation that reads them is
    slow.
    """

    def laid(arrays):
        return {
            name: with_layout_constraint(value, Layout(_ORDERS[name]))
            for name, value in arrays.items()
        }

    arrays = {name: getattr(batch, name) for name in names}
    return batch._replace(**jax.lax.platform_dependent(arrays, tpu=laid, default=lambda x: x))
