"""Calls of a module's methods with its parameters, which no method here changes."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn

from signllm_jax.core.typing import Tree


def apply(
    module: nn.Module,
    params: Tree,
    *args: Any,
    method: str | Callable[..., Any] | None = None,
    **more: Any,
) -> Any:
    """What a method returns: `module.apply`, whose type also has the variables that it may return.

    Args:
        module: the module.
        params: its parameters.
        args: of the method.
        method: its name, or a function whose first argument is the module; None = `__call__`.
        more: further arguments of the method, and `rngs`.
    """
    return module.apply({"params": params}, *args, method=method, **more)
