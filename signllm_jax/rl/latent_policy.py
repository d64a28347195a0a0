"""A policy gradient over samples of the latent: how likely a text draws a clip that reads well.

The policy is p(latent | text) of a model with a latent; a clip follows from its latent. The reward
of a clip is the log-probability that a reader of letters gives to the text. Only the policy is
changed: the text's features and the decoder are left as they are.
"""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, Int

from signllm_jax.core.typing import Array, Tree
from signllm_jax.models import generation
from signllm_jax.models.apply import apply
from signllm_jax.models.back_translation import BLANK
from signllm_jax.models.layers.pooling import clip_means
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.rl import policy

LOWEST = -10.0
"""The least log-probability of a letter; a clip too short for its text would have none."""


def log_probability(
    logits: Float[Array, "N steps ids"], padding: Float[Array, "N steps"], text: Int[Array, "N S"]
) -> Float[Array, " N"]:
    """The log-probability that a reader gives to texts, by letter, float32 [N].

    Args:
        logits: float32 [N, steps, ids] of CTC, the blank is id 0.
        padding: float32 [N, steps], 1 beyond a clip's end.
        text: int32 [N, S], 0 = padding.
    """
    missing = (text == BLANK).astype(jnp.float32)
    loss = optax.ctc_loss(logits, padding, text, missing, blank_id=BLANK)
    return jnp.maximum(-loss / jnp.maximum((1 - missing).sum(-1), 1), LOWEST)


def advantages(rewards: Float[Array, "B S"]) -> Float[Array, "B S"]:
    """Rewards [B, S] of S samples of each text, less the mean of the text's other samples.

    That baseline leaves the gradient unbiased (Kool et al. 2019, Buy 4 REINFORCE samples).
    """
    others = (rewards.sum(-1, keepdims=True) - rewards) / (rewards.shape[-1] - 1)
    return rewards - others


def sample(
    model: Text2Pose,
    params: Tree,
    text: Int[Array, "N S"],
    noise: Float[Array, "N draws"],
    frames: int,
) -> tuple[Float[Array, "N frames coords"], Int[Array, " N"], Float[Array, "N 1 latent"]]:
    """Clips by the latents that noise draws.

    Args:
        model: of the group, with a latent.
        params: its parameters.
        text: int32 [N, S], 0 = padding.
        noise: float32 [N, draws], see `Variety.draw`.
        frames: of the longest clip, a multiple of the patch.

    Returns:
        Frames float32 [N, frames, D - 1], 0 for joints that are not shown and after a clip's end;
        the length int32 [N]; the latent float32 [N, 1, Z + 4].
    """
    memory = generation.read_text(model, params, text, noise)
    values, shown, _, length = policy.unroll(model, params, memory, frames // model.config.patch)
    kept = jnp.repeat(shown, 3, -1) & (jnp.arange(frames) < length[:, None])[..., None]
    return jnp.where(kept, values, 0.0), length, memory.latent


def surrogate(
    model: Text2Pose,
    params: Tree,
    text: Int[Array, "N S"],
    latent: Float[Array, "N 1 latent"],
    advantage: Float[Array, " N"],
) -> Float[Array, ""]:
    """A scalar [] whose gradient is the policy gradient's estimate, to be made small.

    Args:
        model: of the group.
        params: its parameters, which the gradient is for.
        text: int32 [N, S].
        latent: float32 [N, 1, Z + 4], as they were drawn.
        advantage: float32 [N].
    """
    segment = (text > 0).astype(jnp.int32)
    memory = apply(model, params, text, segment, method="encode")
    features = jax.lax.stop_gradient(clip_means(memory.text, segment, 1))
    drawn = jax.lax.stop_gradient(latent)
    chosen = apply(model, params, features, drawn, method=_log_probability)[:, 0]
    return -(jax.lax.stop_gradient(advantage) * chosen).mean()


def _log_probability(
    model: Text2Pose, text: Float[Array, "N 1 M"], latent: Float[Array, "N 1 latent"]
) -> Float[Array, "N 1"]:
    return model.variety.log_probability(text, latent)
