"""Pre-norm transformer blocks from layers with logical axes."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Bool, Float, Int

from signllm_jax.core.typing import Array
from signllm_jax.models.layers.attention import Attention, put
from signllm_jax.models.layers.bfloat16 import add_bias, gelu
from signllm_jax.models.layers.named import named
from signllm_jax.models.layers.products import product
from signllm_jax.parallel.sharding import constrain


class Dense(nn.Module):
    """x [..., N] -> [..., features] by one matrix whose axes carry logical names.

    Attributes:
        features: size of the last axis of the result.
        names: logical names of the matrix's two axes.
        dtype: compute type; parameters stay float32.
        scale: variance of the initial weights times the number of inputs.
    """

    features: int
    names: tuple[str, str]
    dtype: DTypeLike = jnp.float32
    scale: float = 1.0

    @nn.compact
    def __call__(self, x: Float[Array, "... N"]) -> Float[Array, "... features"]:
        """Applies the layer."""
        init = nn.initializers.variance_scaling(self.scale, "fan_in", "normal")
        kernel = self.param(
            "kernel",
            named(init, *self.names),
            (x.shape[-1], self.features),
        )
        # a bias over the fsdp axis would be gathered for no gain
        bias_name = "norm" if self.names[1] == "embed" else self.names[1]
        bias = self.param(
            "bias",
            named(nn.initializers.zeros, bias_name),
            (self.features,),
        )
        return add_bias(product(x.astype(self.dtype), kernel.astype(self.dtype)), bias)


class Norm(nn.Module):
    """Layer normalization in float32 with a learned scale and shift."""

    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "... M"]) -> Float[Array, "... M"]:
        """x [..., M] -> [..., M]."""
        shape = x.shape[-1:]
        ones, zeros = named(nn.initializers.ones, "norm"), named(nn.initializers.zeros, "norm")
        scale, bias = self.param("scale", ones, shape), self.param("bias", zeros, shape)
        x = x.astype(jnp.float32)
        # both moments in one pass over x, and both of its gradient's sums in one over the gradient
        mean = x.mean(-1, keepdims=True)
        variance = jnp.maximum(jnp.square(x).mean(-1, keepdims=True) - jnp.square(mean), 0.0)
        x = (x - mean) * jax.lax.rsqrt(variance + 1e-6)
        return (x * scale + bias).astype(self.dtype)


class Dropout(nn.Module):
    """Drops a share of x while training, rounded to 256ths, and scales the rest up.

    A random word decides for four numbers and is kept: drawn for each number, and again in every
    product of the backward pass that needs them, the words took a fifth of a TPU's step.

    Attributes:
        rate: the share.
        by_row: whether all N of a row share their draws (as in Mesh TensorFlow's and T5's models),
            which costs a TPU next to nothing.
    """

    rate: float
    by_row: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "B N M"], deterministic: bool) -> Float[Array, "B N M"]:
        """x [B, N, M] -> [B, N, M]."""
        dropped = round(256 * self.rate)
        if deterministic or not dropped:
            return x
        if self.by_row:
            bits = jax.random.bits(self.make_rng("dropout"), (len(x), 1, x.shape[-1]), jnp.uint32)
            bits = constrain(bits, "rows", None, "width")
            scale = jnp.where(bits >> 24 >= dropped, 256 / (256 - dropped), 0.0)
            return x * scale.astype(x.dtype)
        rows, time, width = x.shape
        shape = (rows, -(-time // 4), width)
        words = jax.random.bits(self.make_rng("dropout"), shape, jnp.uint32)
        words = jax.lax.optimization_barrier(constrain(words, "rows", "time", "width"))
        shift = jnp.arange(0, 32, 8, dtype=jnp.uint32)[:, None, None]
        parts = (words[:, None] >> shift) & 255
        keep = parts.reshape(rows, -1, width)[:, :time] >= dropped
        return jnp.where(keep, x * (256 / (256 - dropped)), 0).astype(x.dtype)


class Mlp(nn.Module):
    """Two dense layers with GELU between."""

    hidden: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B N M"]) -> Float[Array, "B N M"]:
        """x [B, N, M] -> [B, N, M]."""
        hidden = gelu(Dense(self.hidden, ("embed", "mlp"), self.dtype, name="up")(x))
        hidden = constrain(hidden, "rows", "time", "mlp")
        return Dense(x.shape[-1], ("mlp", "embed"), self.dtype, name="down")(hidden)


class Block(nn.Module):
    """Self-attention, cross-attention where there is a memory, and an MLP, all residual.

    Attributes:
        width: M.
        heads: attention heads H.
        mlp: hidden width of the MLP.
        dropout: share of each residual branch's outputs dropped while training.
        cross: whether the block attends to a memory.
        dtype: compute type.
        row_dropout: whether a row's frames (or tokens) share their draws of dropout.
        kernel: what computes self-attention where a call gives segments, see `kernels.py`.
    """

    width: int
    heads: int
    mlp: int
    dropout: float = 0.0
    cross: bool = False
    dtype: DTypeLike = jnp.float32
    row_dropout: bool = False
    kernel: str = "xla"

    def setup(self):
        """Declares the layers."""
        self.norm_self = Norm(self.dtype)
        self.self_attention = Attention(self.width, self.heads, self.dtype, self.kernel)
        if self.cross:
            self.norm_cross = Norm(self.dtype)
            self.cross_attention = Attention(self.width, self.heads, self.dtype)
        self.norm_mlp = Norm(self.dtype)
        self.mlp_layer = Mlp(self.mlp, self.dtype)
        self.drop = Dropout(self.dropout, self.row_dropout)

    def memory(
        self, x: Float[Array, "B S M"]
    ) -> tuple[Float[Array, "B H S head"], Float[Array, "B H S head"]]:
        """Keys and values of cross-attention for a memory [B, S, M]."""
        return self.cross_attention.keys_values(x)

    def __call__(
        self,
        x: Float[Array, "B N M"],
        mask: Bool[Array, "#B N seen"],
        memory: tuple | None = None,
        cache: tuple | None = None,
        training: bool = False,
        bias: Float[Array, "#B H N N"] | None = None,
        causal: bool = False,
        segment: Int[Array, "B N"] | None = None,
    ) -> tuple[
        Float[Array, "B N M"], tuple[Float[Array, "B H T head"], Float[Array, "B H T head"]]
    ]:
        """Runs the block.

        Args:
            x: [B, N, M].
            mask: bool [B, N, N] of self-attention; with a cache [B, N, cache length].
            memory: (keys and values, mask bool [B, N, S], bias [B, H, N, S]) to attend to.
            cache: (keys and values, index) for N = 1: attention runs over the whole cache, in which
                the new keys and values count as written at `index`.
            training: whether dropout is on.
            bias: [B, H, N, N] float32 added to the logits of self-attention, or None.
            causal: whether the mask of self-attention hides all that comes later.
            segment: int32 [B, N] that says the same as a causal mask, for the kernel; or None.

        Returns:
            [B, N, M], and the keys and values of self-attention (the whole updated cache).
        """
        y = self.norm_self(x)
        keys_values, new_keys_values = self.self_attention.keys_values(y), None
        if cache is not None:
            # the cache is read before it is written: XLA then writes in place
            (held, index), new_keys_values = cache, keys_values
            mask = mask & (jnp.arange(mask.shape[-1]) != index)
        keys_values_seen = keys_values if new_keys_values is None else held
        y = self.self_attention(y, keys_values_seen, mask, bias, causal, new_keys_values, segment)
        if new_keys_values is not None:
            keys_values = tuple(put(old, new, index) for old, new in zip(held, new_keys_values))
        x = x + self._branch(y, training)
        if self.cross:
            assert memory is not None, "a block with cross-attention needs a memory"
            memory_keys_values, memory_mask, memory_bias = memory
            y = self.cross_attention(
                self.norm_cross(x), memory_keys_values, memory_mask, memory_bias
            )
            x = x + self._branch(y, training)
        return x + self._branch(self.mlp_layer(self.norm_mlp(x)), training), keys_values

    def _branch(self, y: Float[Array, "B N M"], training: bool) -> Float[Array, "B N M"]:
        y = constrain(y, "rows", "time", "width")
        return self.drop(y, deterministic=not training)


def block_class(remat: str) -> type[Block]:
    """Block, or Block whose intermediate results are computed anew for the backward pass.

    Called as Block, with all arguments by position: two are flags, no arrays.

    Args:
        remat: `none`; `products` keeps the products with weights and computes the rest anew;
            `blocks` keeps only what enters a block.
    """
    if remat == "none":
        return Block
    policy = jax.checkpoint_policies.dots_with_no_batch_dims_saveable
    flags = (5, 7)  # training and causal, self counted
    return nn.remat(Block, policy=policy if remat == "products" else None, static_argnums=flags)
