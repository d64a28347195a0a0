"""Free-running decoding: frames a second with cached keys and values, and without any cache.

    python launch/benchmark.py decode --like=progressive_transformers --frames=50,300 --clips=1
    python launch/benchmark.py decode --like=progressive_transformers --variants=cached
    python launch/benchmark.py decode --against=progressive_transformers    # after make peer-env

`cached` is `pose_decoding.generate` as the package uses it. `uncached` runs the decoder over all
previous frames for every further one, as decoders without a cache do. `parallel` is `cached` with
`config.model.decoder=parallel`, one pass for all frames; `patches` is the same with eight frames in
a row of the products. No clip ends before the last frame, so that the flags give the lengths.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from launch.benchmarks import against, rounds, workload
from launch.benchmarks.rows import clip_figures, numbers
from signllm_jax.core.config import Config
from signllm_jax.core.typing import Array, Tree
from signllm_jax.inference import pose_decoding
from signllm_jax.models import mlsf
from signllm_jax.models.layers.steps import packed_steps
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.parallel import sharding

FRAMES = flags.DEFINE_list("frames", ["50", "300"], "lengths of the clips")
CLIPS = flags.DEFINE_list("clips", ["1", "8"], "clips that are decoded together")
CHOSEN = flags.DEFINE_list(
    "variants", ["cached", "uncached"], "cached, uncached, parallel, patches"
)
DECODERS = {
    "parallel": {"decoder": "parallel"},
    "patches": {"decoder": "parallel", "patch": 8},
}
"""Variant -> changes of `config.model`."""
GROWTH = 32  # frames by which the window of `uncached` grows


def uncached(model: Text2Pose, params: Tree, text: Array, frames: int) -> Array:
    """Clips float32 [B, T, D - 1] of a fixed length, decoded without a cache.

    The window that is computed for a frame has all frames made so far, rounded up to GROWTH.

    Args:
        model: Model with patches of one frame.
        params: Parameters of the model.
        text: Token ids, int32 [B, S].
        frames: Number of frames, T.
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

    `over_uncached` is the median, over the rounds, of the rate divided by that of `uncached` in the
    same round. With --against, the rows are those of `against.rows`.
    """
    lengths, clips = (numbers(flag, "give numbers, such as 1,300") for flag in (FRAMES, CLIPS))
    if peer := against.AGAINST.value:
        jobs = against.decode_jobs(clips, lengths, workload.TOKENS.value)
        yield from against.rows("decode", jobs, peer)
        return
    chosen = list(itertools.product(CHOSEN.value, lengths, clips))
    config, runs = generations(chosen)
    measured = rounds.measure({f"{v}-{f}-{c}": run for (v, f, c), run in runs.items()})
    for variant, frames, count in runs:
        rates = measured[f"{variant}-{frames}-{count}"]
        baseline = measured.get(f"uncached-{frames}-{count}")
        more: dict = {"length": frames, "clips": count}
        more |= {} if baseline is None else {"over_uncached": rounds.ratio(rates, baseline)}
        more |= clip_figures(float(np.median(rates[:, 2] / rates[:, 1])), frames, count)
        more |= workload.describe(config)
        yield rounds.row("decode", f"{variant}-{frames}-{count}", rates, **more)
    yield from rounds.other_rows("decode", measured)


def generations(
    chosen: Sequence[tuple[str, int, int]],
) -> tuple[Config, dict[tuple[str, int, int], Callable[[], float]]]:
    """The config of the flags, and functions that generate and return the number of frames.

    Args:
        chosen: Variant, frames per clip and number of clips for each function.
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
        model = Text2Pose(config.model)
        runs[variant, frames, clips] = _run(variant, mesh, model, params, text, frames)
    return config, runs


def _endless(params: Tree) -> Tree:
    """The parameters, changed so that no clip ends before the greatest number of frames."""
    if "length" in params:  # of a parallel decoder, which predicts the logarithm of the frames
        pace = params["length"]["pace"]
        endless = {
            "kernel": jnp.zeros_like(pace["kernel"]),
            "bias": jnp.full_like(pace["bias"], 20),
        }
        return {**params, "length": {**params["length"], "pace": endless}}
    return {**params, "counter_head": jax.tree.map(jnp.zeros_like, params["counter_head"])}


def _run(variant: str, mesh, model: Text2Pose, params: Tree, text: np.ndarray, frames: int):
    def generate(params, text):
        if variant == "uncached":
            made = uncached(model, params, text, frames)
            return jnp.isfinite(made).all((0, 2)).sum() * len(text), made
        made = pose_decoding.generate(model, params, text, frames)
        return made.length.sum(), made.frames  # returned, or a parallel decoder is not run

    function = jax.jit(generate, compiler_options=pose_decoding.compiler_options(mesh))

    def run():
        with sharding.use_mesh(mesh):
            count, made = function(params, text)
            made.block_until_ready()
            return float(count)

    return run
