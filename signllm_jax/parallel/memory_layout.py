"""How a batch lies in a TPU's memory, where the compiler's own choice costs more.

Elsewhere nothing is done.
"""

import jax
from jax.experimental.layout import Layout, with_layout_constraint

from signllm_jax.core.typing import Batch

# from the slowest to the fastest axis of a lane's own array [B, ...]
_TOKENS, _FRAMES = (0, 1), (0, 2, 1)
_ORDERS = {
    "text": _TOKENS,
    "text_segment": _TOKENS,
    "frames": _FRAMES,
    "segment": _TOKENS,
    "position": _TOKENS,
}


def lay(batch: Batch, names: tuple[str, ...] = tuple(_ORDERS)) -> Batch:
    """A lane's batch [B, ...] with tokens and segments row by row, and frames along registers.

    The compiler would give the former the layout of what made them, and the model's statistics,
    which follow it, are then copied to and fro. Frames from the host it lays out by single lines
    where B is not a multiple of 8, which all that reads them is slow in.
    """

    def laid(own):
        return {
            name: with_layout_constraint(value, Layout(_ORDERS[name]))
            for name, value in own.items()
        }

    own = {name: getattr(batch, name) for name in names}
    return batch._replace(**jax.lax.platform_dependent(own, tpu=laid, default=lambda own: own))
