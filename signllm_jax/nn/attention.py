"""Multi-head attention written as einsums, in two halves so that a decoder can cache the first.

No key bias: it adds the same number to every logit of a query, its gradient is only rounding
noise, and Adam would turn that noise into steps.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from signllm_jax.parallel.sharding import constrain


class Attention(nn.Module):
    """Scaled dot-product attention of H heads.

    Attributes:
        width: M, a multiple of heads.
        heads: H.
        dtype: compute type; the softmax is float32.
    """

    width: int
    heads: int
    dtype: jnp.dtype = jnp.float32

    def setup(self):
        """Declares the projections: matrices, whose heads are told apart after the product."""
        init = nn.initializers.variance_scaling(1.0, "fan_in", "normal")
        zeros = nn.initializers.zeros

        def param(name, init, shape, *axes):
            return self.param(name, nn.with_logical_partitioning(init, axes), shape)

        square = (self.width, self.width)
        self.query_kernel = param("query_kernel", init, square, "embed", "heads")
        self.query_bias = param("query_bias", zeros, square[:1], "heads")
        self.key_kernel = param("key_kernel", init, square, "embed", "heads")
        self.value_kernel = param("value_kernel", init, square, "embed", "heads")
        self.value_bias = param("value_bias", zeros, square[:1], "heads")
        self.out_kernel = param("out_kernel", init, square, "heads", "embed")
        self.out_bias = param("out_bias", zeros, square[:1], "norm")

    def _project(self, x, kernel, bias=None):
        out = jnp.einsum("bnm,mk->bnk", x.astype(self.dtype), kernel.astype(self.dtype))
        if bias is not None:
            out = out + bias.astype(self.dtype)
        out = out.reshape(*x.shape[:2], self.heads, -1)
        return constrain(out, "rows", "time", "heads", "head_dim")

    def keys_values(self, memory):
        """Keys and values, each [B, S, H, M / H], of a memory [B, S, M]."""
        key = self._project(memory, self.key_kernel)
        return key, self._project(memory, self.value_kernel, self.value_bias)

    def __call__(self, x, keys_values, mask, bias=None):
        """Attends from x to what `keys_values` made of a memory.

        Args:
            x: [B, N, M].
            keys_values: the pair of [B, S, H, M / H].
            mask: bool [B, N, S] (or broadcastable), True where a query may look; a query that
                may look nowhere gets zeros.
            bias: [B, H, N, S] float32 added to the logits, or None.

        Returns:
            [B, N, M].
        """
        key, value = keys_values
        query = self._project(x, self.query_kernel, self.query_bias) * key.shape[-1] ** -0.5
        logits = jnp.einsum("bnhd,bshd->bhns", query, key).astype(jnp.float32)
        if bias is not None:
            logits = logits + bias
        mask = mask[:, None]
        weights = jax.nn.softmax(jnp.where(mask, logits, -1e9), axis=-1)
        weights = jnp.where(mask, weights, 0.0).astype(self.dtype)
        out = jnp.einsum("bhns,bshd->bnhd", weights, value)
        out = out.reshape(*x.shape[:2], -1)
        out = jnp.einsum("bnk,km->bnm", out, self.out_kernel.astype(self.dtype))
        return out + self.out_bias.astype(self.dtype)
