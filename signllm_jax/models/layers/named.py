"""Parameters whose axes have logical names, by which they are laid out on a mesh."""

from collections.abc import Callable

import flax.linen as nn

from signllm_jax.core.typing import Array


def named(init: Callable[..., Array], *names: str | None) -> Callable[..., Array]:
    """An initializer of a parameter with a logical name for each of its axes.

    It makes a box with the array and the names, which `Module.param` opens: a module has the array.
    """
    return nn.with_logical_partitioning(init, names)
