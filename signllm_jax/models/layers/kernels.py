"""Causal self-attention of packed rows by kernels that jax brings, in place of XLA's.

They keep no [N, N] of logits, which is what long rows are short of. A kernel is one operation to
the compiler, which cannot split it: each device runs it on the rows and heads that it holds.
"""

import functools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from signllm_jax.core.errors import ConfigError
from signllm_jax.core.typing import Array
from signllm_jax.parallel import sharding

PLATFORMS = {"splash": "tpu", "cudnn": "gpu"}
"""What a kernel runs on; `xla` and `splash_interpreted` run anywhere."""
LARGEST_BLOCK = 512
"""Most queries or keys of a block of splash attention."""
_BLOCKS = ("block_q", "block_kv", "block_q_dkv", "block_kv_dkv", "block_q_dq", "block_kv_dq")


def check_platform(kind: str, platform: str) -> None:
    """Raises ConfigError when the kernel `kind` has no such `platform` (`cpu`, `gpu`, `tpu`)."""
    if PLATFORMS.get(kind, platform) != platform:
        raise ConfigError(
            f"config.model.attention: {kind} needs a {PLATFORMS[kind].upper()}, and this is a "
            f"{platform.upper()}: leave it at xla"
        )


def attend_by_kernel(
    kind: str,
    query: Float[Array, "B H N head"],
    key: Float[Array, "B H N head"],
    value: Float[Array, "B H N head"],
    segment: Int[Array, "B N"],
) -> Float[Array, "B H N head"]:
    """Attention to what came before in the same clip, a query's own place included.

    Args:
        kind: `splash`, `splash_interpreted` or `cudnn`.
        query: [B, H, N, M / H], scaled.
        key: [B, H, N, M / H].
        value: [B, H, N, M / H].
        segment: int32 [B, N], which clip of the row a place belongs to, 0 = padding.

    Returns:
        [B, H, N, M / H], zeros on padding.
    """
    attend = _cudnn if kind == "cudnn" else functools.partial(_splash, kind != "splash")
    out = sharding.on_own_heads(attend)(query, key, value, segment)
    return out * (segment > 0)[:, None, :, None]


def _splash(
    interpret: bool,
    query: Float[Array, "B H N head"],
    key: Float[Array, "B H N head"],
    value: Float[Array, "B H N head"],
    segment: Int[Array, "B N"],
) -> Float[Array, "B H N head"]:
    from jax.experimental.pallas.ops.tpu import splash_attention as splash

    _, heads, count, _ = query.shape
    block = math.gcd(count, LARGEST_BLOCK)
    kernel = splash.make_splash_mha_single_device(
        splash.MultiHeadMask([splash.CausalMask((count, count))] * heads),
        block_sizes=splash.BlockSizes(**dict.fromkeys(_BLOCKS, block)),
        interpret=interpret,
    )
    return jax.vmap(lambda q, k, v, s: kernel(q, k, v, splash.SegmentIds(s, s)))(
        query, key, value, segment
    )


def _of_all_rows(function):
    """A function of rows which under `vmap` is one call of the rows of all lanes.

    jax's own rule for cuDNN's attention takes no mask that a row's heads share.
    """
    run = jax.custom_batching.custom_vmap(function)

    @run.def_vmap
    def _in_lanes(lanes, batched, *args):
        args = (
            x if has else jnp.broadcast_to(x, (lanes, *x.shape)) for x, has in zip(args, batched)
        )
        out = run(*(x.reshape(-1, *x.shape[2:]) for x in args))
        out = jax.tree.map(lambda x: x.reshape(lanes, -1, *x.shape[1:]), out)
        return out, jax.tree.map(lambda _: True, out)

    return run


def _of_rows(
    query: Float[Array, "B H N head"],
    key: Float[Array, "B H N head"],
    value: Float[Array, "B H N head"],
    segment: Int[Array, "B N"],
) -> Float[Array, "B H N head"]:
    """cuDNN's attention of one lane, in which padding looks at padding."""
    by_head = lambda x: jnp.moveaxis(x, 1, 2)  # noqa: E731
    out = jax.nn.dot_product_attention(
        *map(by_head, (query, key, value)),
        mask=segment[:, None, :, None] == segment[:, None, None, :],
        is_causal=True,
        scale=1.0,
        implementation="cudnn",
    )
    return by_head(out)


def _gradients_of_rows(query, key, value, segment, gradient):
    attend = lambda q, k, v: _of_rows(q, k, v, segment)  # noqa: E731
    return jax.vjp(attend, query, key, value)[1](gradient)


@jax.custom_vjp
def _cudnn(query, key, value, segment):
    return _of_all_rows(_of_rows)(query, key, value, segment)


_cudnn.defvjp(
    lambda *args: (_cudnn(*args), args),
    # forth once more before it goes back: `_of_all_rows` has no gradient of its own
    lambda args, gradient: (*_of_all_rows(_gradients_of_rows)(*args, gradient), None),
)
