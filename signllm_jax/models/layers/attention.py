"""Multi-head attention written as einsums, in two halves so that a decoder can cache the first.

No key bias: it adds the same number to every logit of a query, its gradient is only rounding
noise, and Adam would turn that noise into steps.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Bool, Float, Int

from signllm_jax.core.typing import Array
from signllm_jax.models.layers.bfloat16 import add_bias
from signllm_jax.models.layers.kernels import attend_by_kernel
from signllm_jax.models.layers.named import named
from signllm_jax.models.layers.products import product
from signllm_jax.parallel.sharding import constrain

BLOCK, WIDE_BLOCK = 64, 256
"""Least queries of a block of causal attention, which looks at no later block of keys; the second
in bfloat16, where a TPU's products are too quick for small blocks to be worth their copies."""
FEWEST = 8
"""Queries in bfloat16 that are worth a product of matrices: a TPU would sum the products of fewer
with its vector unit, which takes four times as long."""


def empty_cache(
    rows: int, steps: int, width: int, heads: int, dtype: DTypeLike
) -> tuple[Float[Array, "B H N head"], Float[Array, "B H N head"]]:
    """Keys and values [B, H, N, M / H] of N steps that are not there yet."""
    zeros = jnp.zeros((rows, heads, steps, width // heads), dtype)
    return zeros, zeros


@jax.custom_batching.custom_vmap
def put(
    cache: Float[Array, "... N head"], new: Float[Array, "... 1 head"], index: Int[Array, ""]
) -> Float[Array, "... N head"]:
    """The cache [..., N, M / H] with `new` [..., 1, M / H] at step `index` of N, written in place.

    `vmap` would make a scatter of the write, even where all lanes write to one place, and XLA
    copies the cache several times for a scatter.
    """
    return jax.lax.dynamic_update_slice_in_dim(cache, new, index, axis=cache.ndim - 2)


@put.def_vmap
def _put_in_lanes(size, batched, cache, new, index):
    cache, new = (
        x if has else jnp.broadcast_to(x, (size, *x.shape)) for x, has in zip((cache, new), batched)
    )
    if batched[2]:
        write = lambda c, n, i: jax.lax.dynamic_update_slice_in_dim(c, n, i, axis=c.ndim - 2)  # noqa: E731
        return jax.vmap(write)(cache, new, index), True
    return put(cache, new, index), True


class Attention(nn.Module):
    """Scaled dot-product attention of H heads.

    Attributes:
        width: M, a multiple of heads.
        heads: H.
        dtype: compute type; the softmax is float32.
        kernel: what attends where a call gives segments, see `kernels.py`.
    """

    width: int
    heads: int
    dtype: DTypeLike = jnp.float32
    kernel: str = "xla"

    def setup(self):
        """Declares the projections: matrices, whose heads are told apart after the product."""
        init = nn.initializers.variance_scaling(1.0, "fan_in", "normal")
        zeros = nn.initializers.zeros

        def param(name, init, shape, *axes):
            return self.param(name, named(init, *axes), shape)

        square = (self.width, self.width)
        self.query_kernel = param("query_kernel", init, square, "embed", "heads")
        self.query_bias = param("query_bias", zeros, square[:1], "heads")
        self.key_kernel = param("key_kernel", init, square, "embed", "heads")
        self.value_kernel = param("value_kernel", init, square, "embed", "heads")
        self.value_bias = param("value_bias", zeros, square[:1], "heads")
        self.out_kernel = param("out_kernel", init, square, "heads", "embed")
        self.out_bias = param("out_bias", zeros, square[:1], "norm")

    def _project(
        self,
        x: Float[Array, "B N M"],
        kernel: Float[Array, "M M"],
        bias: Float[Array, " M"] | None = None,
    ) -> Float[Array, "B H N head"]:
        """x [B, N, M] -> [B, H, N, M / H]."""
        out = product(x.astype(self.dtype), kernel.astype(self.dtype))
        if bias is not None:
            out = add_bias(out, bias)
        out = out.reshape(*x.shape[:2], self.heads, -1)
        return jnp.moveaxis(constrain(out, "rows", "time", "heads", "head_dim"), 2, 1)

    def keys_values(
        self, memory: Float[Array, "B S M"]
    ) -> tuple[Float[Array, "B H S head"], Float[Array, "B H S head"]]:
        """Keys and values, each [B, H, S, M / H], of a memory [B, S, M]."""
        key = self._project(memory, self.key_kernel)
        return key, self._project(memory, self.value_kernel, self.value_bias)

    def __call__(
        self,
        x: Float[Array, "B N M"],
        keys_values: tuple[Float[Array, "B H S head"], Float[Array, "B H S head"]],
        mask: Bool[Array, "#B #N S"],
        bias: Float[Array, "#B H N S"] | None = None,
        causal: bool = False,
        new_keys_values: tuple[Float[Array, "B H 1 head"], Float[Array, "B H 1 head"]]
        | None = None,
        segment: Int[Array, "B N"] | None = None,
    ) -> Float[Array, "B N M"]:
        """Attends from x to what `keys_values` made of a memory.

        Args:
            x: [B, N, M].
            keys_values: the pair of [B, H, S, M / H].
            mask: bool [B, N, S] (or broadcastable), True where a query may look; a query that
                may look nowhere gets zeros.
            bias: [B, H, N, S] float32 added to the logits, or None.
            causal: whether the mask hides all that comes later (N = S), so that blocks above the
                diagonal are left out.
            new_keys_values: keys and values of x itself, N = 1, which is looked at as well.
            segment: int32 [B, N] that says the same as a causal mask, 0 = padding, for the kernel
                to attend by; None = XLA attends by the mask.

        Returns:
            [B, N, M].
        """
        key, value = keys_values
        query = self._project(x, self.query_kernel, self.query_bias) * key.shape[-1] ** -0.5
        if x.shape[1] == 1 and self.dtype == jnp.bfloat16:
            query = jnp.pad(query, ((0, 0), (0, 0), (0, FEWEST - 1), (0, 0)))
        if new_keys_values is not None:
            out = _attend_with_own(query, key, value, mask, *new_keys_values)
            return self._output(out[:, :, : x.shape[1]])
        if segment is not None:
            return self._output(attend_by_kernel(self.kernel, query, key, value, segment))
        count = query.shape[2]
        least = WIDE_BLOCK if self.dtype == jnp.bfloat16 else BLOCK
        block = max(least, key.shape[-1]) if causal and bias is None else count
        parts = [
            _attend(
                query[:, :, start : start + block],
                key[:, :, : start + block] if causal else key,
                value[:, :, : start + block] if causal else value,
                mask[:, start : start + block, : start + block] if causal else mask,
                bias,
            )
            for start in range(0, count, block)
        ]
        seen = mask.any(-1)[:, None, :, None]
        return self._output((jnp.concatenate(parts, 2) * seen)[:, :, : x.shape[1]])

    def _output(self, out: Float[Array, "B H N head"]) -> Float[Array, "B N M"]:
        """[B, H, N, M / H] -> [B, N, M]."""
        out = jnp.moveaxis(out, 1, 2)
        out = out.reshape(*out.shape[:2], -1)
        out = product(out, self.out_kernel.astype(self.dtype))
        return add_bias(out, self.out_bias)


def _attend(
    query: Float[Array, "B H N head"],
    key: Float[Array, "B H S head"],
    value: Float[Array, "B H S head"],
    mask: Bool[Array, "#B #N S"],
    bias: Float[Array, "#B H #N S"] | None,
) -> Float[Array, "B H N head"]:
    """Of queries [B, H, N, M / H], the means of the values that they look at."""
    # summed and kept in float32: a TPU's product gives it, and the softmax is fused behind it
    logits = jnp.einsum("bhnd,bhsd->bhns", query, key, preferred_element_type=jnp.float32)
    if bias is not None:
        logits = logits + bias
    weights = jax.nn.softmax(jnp.where(mask[:, None], logits, -1e9), axis=-1)
    return jnp.einsum("bhns,bhsd->bhnd", weights.astype(value.dtype), value)


def _attend_with_own(
    query: Float[Array, "B H N head"],
    key: Float[Array, "B H S head"],
    value: Float[Array, "B H S head"],
    mask: Bool[Array, "#B #N S"],
    own_key: Float[Array, "B H 1 head"],
    own_value: Float[Array, "B H 1 head"],
) -> Float[Array, "B H N head"]:
    """`_attend` of one query a row, to a cache and to itself."""
    logits = jnp.einsum("bhnd,bhsd->bhns", query, key).astype(jnp.float32)
    new_logit = (query * own_key).sum(-1, keepdims=True).astype(jnp.float32)
    logits = jnp.where(mask[:, None], logits, -1e9)
    # a softmax in two parts: one array of both would be copied together and apart again
    highest = jnp.maximum(logits.max(-1, keepdims=True), new_logit)
    weights, new_logit = jnp.exp(logits - highest), jnp.exp(new_logit - highest)
    total = weights.sum(-1, keepdims=True) + new_logit
    out = jnp.einsum("bhns,bhsd->bhnd", (weights / total).astype(value.dtype), value)
    return out + (new_logit / total).astype(value.dtype) * own_value
