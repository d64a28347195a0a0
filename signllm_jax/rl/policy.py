"""A policy gradient over whole clips: REINFORCE with a self-critical baseline.

The policy is Gaussian around the predicted frames; a clip is rolled out free-running, each patch
of frames fed back to the decoder as it was drawn, but for joints that are not shown, which are 0.
The baseline is the reward of the greedy rollout (Rennie et al. 2017, Self-critical sequence
training), so that what is learned from is whether the noise made the clip better. The deviation is
annealed and not learned, hence the policy's entropy is constant and an entropy term would have no
gradient.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int, Num

from signllm_jax.core.typing import Array, Tree
from signllm_jax.models import generation
from signllm_jax.models.apply import apply
from signllm_jax.models.history import fed_back, teacher_forcing
from signllm_jax.models.layers.steps import Memory
from signllm_jax.models.layers.variety import Seen
from signllm_jax.models.losses import frame_error
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.rl.clips import Clips
from signllm_jax.rl.reward import sequence_errors


def deviation(
    step: Num[Array, ""] | int, steps: Int[Array, ""] | int, first: float, last: float
) -> Float[Array, ""]:
    """The policy's deviation [] at a step: from `first` to `last`, geometrically."""
    progress = jnp.clip(step / jnp.maximum(steps, 1), 0.0, 1.0)
    return first * (last / first) ** progress


def log_probability(
    actions: Float[Array, "... A"], mean: Float[Array, "... A"], deviation: Float[Array, ""] | float
) -> Float[Array, "..."]:
    """log N(actions; mean, deviation^2) [...] up to a constant, summed over the last axis."""
    return -0.5 * (jnp.square(actions - mean) / jnp.square(deviation)).sum(-1)


def rewards_to_go(rewards: Float[Array, "B N"]) -> Float[Array, "B N"]:
    """The sum of this and all later rewards [B, N], along the last axis."""
    return jnp.flip(jnp.cumsum(jnp.flip(rewards, -1), -1), -1)


def surrogate(
    log_probability: Float[Array, "B N"],
    rewards: Float[Array, "B N"],
    baseline: Float[Array, "B N"],
) -> Float[Array, ""]:
    """A scalar whose gradient is the policy gradient's estimate, to be made small.

    `-sum_t (R_t - b_t) log p(a_t | a_<t)`, R_t the reward from patch t on: what came before an
    action does not depend on it. A baseline that does not depend on the action at t or later
    leaves the estimate unbiased.

    Args:
        log_probability: float32 [B, N], of every patch.
        rewards: float32 [B, N], of every patch; 0 after a clip's end.
        baseline: float32 [B, N], what the rewards from a patch on were expected to sum to.

    Returns:
        float32 [], the mean over the B clips.
    """
    advantage = jax.lax.stop_gradient(rewards_to_go(rewards) - baseline)
    return -(advantage * log_probability).sum(-1).mean()


def policy_loss(
    model: Text2Pose,
    params: Tree,
    clips: Clips,
    weights: Float[Array, " J"],
    deviation: Float[Array, ""] | float,
    key: Array,
    kind: str,
) -> Float[Array, ""]:
    """The surrogate of clips rolled out once with noise and once without.

    Args:
        model: of the group.
        params: its parameters, which the gradient is for.
        clips: N true clips; those of length 0 do not count.
        weights: float32 [J] of the joints.
        deviation: float32 [], of the policy, in standard deviations.
        key: random key.
        kind: of the reward: `mse`, patch by patch, or `dtw`, once at the end.

    Returns:
        float32 [].
    """
    count, time, size = clips.frames.shape
    patches = time // model.config.patch
    noise = deviation * jax.random.normal(key, (count, patches, size * model.config.patch))
    seen = shown(model, clips)
    # both rollouts in one loop, which no gradient goes into: its caches are written in place
    frames, visible, counter, ends = rollout(
        model,
        jax.lax.stop_gradient(params),
        jnp.concatenate([clips.text, clips.text]),
        patches,
        jnp.concatenate([noise, jnp.zeros_like(noise)]),
        jax.tree.map(lambda x: jnp.concatenate([x, x]), seen),
    )

    def rewards(frames, ends):
        if kind == "dtw":
            error = sequence_errors(clips.frames, clips.mask, clips.length, frames, ends, kind)
            error = jnp.where(jnp.isfinite(error), error, 0.0)
            last = jnp.maximum(clips.length - 1, 0) // model.config.patch
            return -error[:, None] * (jnp.arange(patches) == last[:, None])
        observed = clips.mask * weights
        error = (frame_error(clips.frames, frames) * observed).sum(-1)
        total = jnp.maximum(observed.sum((1, 2)), 1e-6)[:, None]
        return -error.reshape(count, patches, -1).sum(-1) / total

    sampled, greedy = rewards(frames[:count], ends[:count]), rewards(frames[count:], ends[count:])
    real = (jnp.arange(time) < clips.length[:, None]).astype(jnp.int32)
    if model.config.decoder == "parallel":
        memory = generation.read_text(model, params, clips.text, seen=seen)
        mean = generation.make_at_once(model, params, memory, patches, ends[:count]).frames
        segment = real[:, :: model.config.patch]
    else:
        fed = fed_back(frames[:count], visible[:count])
        with_counter = jnp.concatenate([fed, counter[:count, :, None]], -1)
        history, before, segment = teacher_forcing(with_counter, real, model.config.patch)
        spoken = (clips.text > 0).astype(jnp.int32)
        given = clips.text, spoken, history, before, segment
        mean = apply(model, params, *given, seen=seen)[0].frames
    actions, mean = (x.reshape(count, patches, -1) for x in (frames[:count], mean))
    chosen = log_probability(actions, mean, deviation) * (segment > 0)
    # the mean is over the clips that there are
    share = count / jnp.maximum((clips.length > 0).sum(), 1)
    return surrogate(chosen, sampled, rewards_to_go(greedy)) * share


def shown(model: Text2Pose, clips: Clips) -> Seen:
    """Clips as a model reads them, for their most probable latents.

    A production is held against one true clip, so it is of that clip's signer.
    """
    segment = (jnp.arange(clips.frames.shape[1]) < clips.length[:, None]).astype(jnp.int32)
    noise = jnp.zeros((len(clips.length), 1, model.config.latent))
    return Seen(clips.frames, clips.mask, segment, noise, jnp.ones(len(segment), bool))


def rollout(
    model: Text2Pose,
    params: Tree,
    text: Int[Array, "N S"],
    patches: int,
    noise: Float[Array, "N patches patch_coords"] | None = None,
    seen: Seen | None = None,
) -> tuple[Float[Array, "N F coords"], Bool[Array, "N F J"], Float[Array, "N F"], Int[Array, " N"]]:
    """Free-running clips of a fixed number of patches.

    Unlike `pose_decoding.generate` it takes noise, and does not wait for the last clip to end: a
    loop of a fixed length needs no word between devices. A parallel decoder has no loop.

    Args:
        model: of the group.
        params: its parameters.
        text: int32 [N, S], 0 = padding.
        patches: how many are produced.
        noise: float32 [N, patches, P (D - 1)], added to what is predicted; None = greedy.
        seen: the clips whose latents are read; None = the most probable of the texts.

    Returns:
        frames float32 [N, F, D - 1] as they were drawn, the joints bool [N, F, J] that are shown
        (the others were fed back as 0), the counter [N, F], and the length int32 [N] at which the
        counter says that the clip ends.
    """
    memory = generation.read_text(model, params, text, seen=seen)
    return unroll(model, params, memory, patches, noise)


def unroll(
    model: Text2Pose,
    params: Tree,
    memory: Memory,
    patches: int,
    noise: Float[Array, "N patches patch_coords"] | None = None,
) -> tuple[Float[Array, "N F coords"], Bool[Array, "N F J"], Float[Array, "N F"], Int[Array, " N"]]:
    """`rollout` of texts that have been read, with a latent where the model has one."""
    clips, time = len(memory.segment), patches * model.config.patch
    if model.config.decoder == "parallel":
        made = generation.make_at_once(model, params, memory, patches)
        frames = made.frames if noise is None else made.frames + noise.reshape(made.frames.shape)
        counter = jnp.arange(1, time + 1) / made.length[:, None]
        return frames, made.seen, counter, made.length
    if noise is None:
        noise = jnp.zeros((clips, patches, 1))

    def step(past, inputs):
        past, patch = generation.next_patch(model, params, memory, past, *inputs)
        return past, patch

    inputs = jnp.arange(patches), jnp.moveaxis(noise, 1, 0)
    made = jax.lax.scan(step, generation.begin(model, clips, patches), inputs)[1]
    made = generation.Patch(*(jnp.moveaxis(x, 0, 1).reshape(clips, -1) for x in made))
    frames, visible = (x.reshape(clips, time, -1) for x in (made.frames, made.seen))
    return frames, visible, made.counter, generation.first_end(made.counter)[1]
