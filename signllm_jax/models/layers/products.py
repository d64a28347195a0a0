"""Products of activations with weights, laid out so that a CPU multiplies what it is given."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from signllm_jax.core.typing import Array
from signllm_jax.parallel import sharding


def product(x: Float[Array, "... N"], kernel: Float[Array, "N M"]) -> Float[Array, "... M"]:
    """x [..., N] times kernel [N, M] -> [..., M], in the type of x.

    On a CPU all axes of x but the last become one. XLA's CPU compiler otherwise writes every x
    anew, transposed, for the gradient of its kernel, whose sum runs over several axes. On any
    other device this is `jnp.dot`, since there the compiler chooses the layout of its products.

    Args:
        x: activations.
        kernel: weights.
    """
    if x.ndim < 3 or not sharding.on_cpu():
        return jnp.dot(x, kernel)
    return _flat(x.reshape(-1, x.shape[-1]), kernel).reshape(*x.shape[:-1], -1)


@jax.custom_vjp
def _flat(x, kernel):
    return jnp.dot(x, kernel)


def _flat_back(kept, gradient):
    x, kernel = kept
    # without the barrier XLA moves the reshape behind the product, and transposes again
    x, gradient = jax.lax.optimization_barrier((x, gradient))
    # `x.T @ gradient` would write the transposed x; summed over the first axes, it is read as it is
    of_kernel = jax.lax.dot_general(x, gradient, (((0,), (0,)), ((), ())))
    return jnp.dot(gradient, kernel.T), of_kernel


_flat.defvjp(lambda x, kernel: (jnp.dot(x, kernel), (x, kernel)), _flat_back)
