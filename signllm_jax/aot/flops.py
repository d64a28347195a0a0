"""Model operations of a function: the matrix products that its mathematics needs."""

import math
from collections.abc import Callable

import jax


def matmul_flops(function: Callable, *args) -> int:
    """Operations of all matrix products in one call of `function`; nothing is computed.

    A scan counts as often as it runs; a `while` loop's body counts once.

    Args:
        function: Any function that jax can trace.
        args: Its arguments, arrays or ShapeDtypeStructs.
    """
    return _count(jax.make_jaxpr(function)(*args).jaxpr)


def _count(jaxpr) -> int:
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            left, out = equation.invars[0].aval.shape, equation.outvars[0].aval.shape
            total += 2 * math.prod(out) * math.prod(left[axis] for axis in contracted)
        times = equation.params.get("length", 1) if equation.primitive.name == "scan" else 1
        total += times * sum(map(_count, _inner(equation.params)))
    return total


def _inner(params):
    for value in params.values():
        for part in value if isinstance(value, (tuple, list)) else (value,):
            inner = getattr(part, "jaxpr", part)
            if hasattr(inner, "eqns"):
                yield inner
