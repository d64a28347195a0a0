"""Free-running decoding: frames a second with cached keys and values, and without any cache.

    python launch/benchmark.py decode --like=progressive_transformers --frames=50,300 --clips=1
    python launch/benchmark.py decode --like=progressive_transformers --variants=cached
    python launch/benchmark.py decode --against=progressive_transformers    # after make peer-env

`cached` is `decoding.generate` as it is used; `uncached` runs the decoder over all frames so far
for every further one, as decoders without a cache do; `parallel` is `cached` with
`config.model.decoder=parallel`, one pass for all frames, and `patches` is that with eight frames in
a row of the products. Clips never end before the last frame, so
that lengths are what the flags say.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from launch.benchmarks import against, rounds, workload
from launch.benchmarks.rows import clip_figures
from signllm_jax.core.config import Config
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.typing import Array, Tree
from signllm_jax.inference import pose_decoding
from signllm_jax.models import mlsf
from signllm_jax.models.layers.steps import packed_steps
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.parallel import sharding

FRAMES = flags.DEFINE_list("frames", ["50", "300"], "lengths of the clips")
CLIPS = flags.DEFINE_list("clips", ["1", "8"], "clips that are decoded together")
CHOSEN = flags.DEFINE_list("variants", ["cached", "uncached"], "which run")
DECODERS = {
    "parallel": {"decoder": "parallel"},
    "patches": {"decoder": "parallel", "patch": 8},
}
"""Variant -> its settings of the model, where they differ."""
GROWTH = 32  # frames by which the window of `uncached` grows


def uncached(model: Text2Pose, params: Tree, text: Array, frames: int) -> Array:
    """Clips float32 [B, T, D - 1] of a fixed length, decoded without a cache.

    The window that is computed for a frame is what has been made so far, rounded up to GROWTH.

    Args:
        model: of the group, with patches of one frame.
        params: its parameters.
        text: int32 [B, S].
        frames: T.
    """
    segment = (text > 0).astype(jnp.int32)
    memory = model.apply({"params": params}, text, segment, method="encode")
    shape = (len(text), frames + 1)
    history = jnp.zeros((*shape, model.config.frame_size - 1))
    counter = jnp.zeros(shape)

    def step(index, carry, window):
        history, counter = carry
        predicted, _ = model.apply(
            {"params": params},
            memory,
            history[:, :window],
            counter[:, :window],
            packed_steps(jnp.ones((len(text), window), jnp.int32)),
            method="decode",
        )
        update = jax.lax.dynamic_update_index_in_dim
        history = update(history, predicted.frames[:, index, 0], index + 1, 1)
        return history, update(counter, predicted.counter[:, index, 0], index + 1, 1)

    carry = history, counter
    for start in range(0, frames, GROWTH):
        end = min(start + GROWTH, frames)
        carry = jax.lax.fori_loop(start, end, lambda i, c, end=end: step(i, c, end), carry)
    return carry[0][:, 1:]


def rows() -> Iterator[dict]:
    """Yields a row for every variant, length and number of clips; compilation is not counted.

    `over_uncached` is the median over rounds of the rate by that of `uncached` in the same round.
    With --against, the rows are those of `against.rows`.
    """
    try:
        lengths, clips = ([int(n) for n in flag.value] for flag in (FRAMES, CLIPS))
    except ValueError:
        lengths = clips = []
    if not lengths or not clips or min(lengths + clips) < 1:
        raise ConfigError("--frames and --clips are whole numbers, such as 50,300")
    if peer := against.AGAINST.value:
        jobs = against.decode_jobs(clips, lengths, workload.TOKENS.value)
        yield from against.rows("decode", jobs, peer)
        return
    chosen = list(itertools.product(CHOSEN.value, lengths, clips))
    config, runs = generations(chosen)
    measured = rounds.measure({f"{v}-{f}-{c}": run for (v, f, c), run in runs.items()})
    for variant, frames, count in runs:
        own = measured[f"{variant}-{frames}-{count}"]
        other = measured.get(f"uncached-{frames}-{count}")
        more = {} if other is None else {"over_uncached": rounds.ratio(own, other)}
        rate = float(np.median(own[:, 2] / own[:, 1]))
        more |= clip_figures(rate, frames, count)
        yield rounds.row(
            "decode",
            f"{variant}-{frames}-{count}",
            own,
            length=frames,
            clips=count,
            **more,
            **workload.describe(config),
        )
    yield from rounds.other_rows("decode", measured)


def generations(
    chosen: Sequence[tuple[str, int, int]],
) -> tuple[Config, dict[tuple[str, int, int], Callable[[], float]]]:
    """The config of the flags, and functions that generate and return how many frames they made.

    Args:
        chosen: a variant, the frames of a clip and the number of clips, for each function.
    """
    mesh = sharding.make_mesh({}, jax.devices()[:1])
    runs = {}
    for variant, frames, clips in chosen:
        config = workload.make_config(model={"patch": 1} | DECODERS.get(variant, {}))
        with sharding.use_mesh(mesh):
            params = jax.jit(lambda c=config: mlsf.init(c.model, jax.random.key(0), ("asl",)))()
        params = _endless(jax.tree.map(lambda leaf: leaf[0], params))
        ids = workload.CountedTokens(workload.TOKENS.value, config.model.vocab).encode("")
        text = np.tile(np.array(ids, np.int32), (clips, 1))
        runs[variant, frames, clips] = _run(
            variant, mesh, Text2Pose(config.model), params, text, frames
        )
    return config, runs


def _endless(params: Tree) -> Tree:
    """The parameters, with those of the end such that no clip ends before the longest frame."""
    params = dict(params)
    if "length" in params:  # of a parallel decoder, which tells the logarithm of the frames
        pace = {"kernel": jnp.zeros_like, "bias": lambda old: jnp.full_like(old, 20.0)}
        ends = {name: pace[name](old) for name, old in params["length"]["pace"].items()}
        return params | {"length": params["length"] | {"pace": ends}}
    return params | {"counter_head": jax.tree.map(jnp.zeros_like, params["counter_head"])}


def _run(variant: str, mesh, model: Text2Pose, params: Tree, text: np.ndarray, frames: int):
    def generate(params, text):
        if variant == "uncached":
            made = uncached(model, params, text, frames)
            return jnp.isfinite(made).all((0, 2)).sum() * len(text), made
        made = pose_decoding.generate(model, params, text, frames)
        return made.length.sum(), made.frames  # asked for, or a parallel decoder makes none

    function = jax.jit(generate, compiler_options=pose_decoding.compiler_options(mesh))

    def run():
        with sharding.use_mesh(mesh):
            count, made = function(params, text)
            made.block_until_ready()
            return float(count)

    return run
