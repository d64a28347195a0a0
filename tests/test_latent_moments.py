"""What a latent code is read from: the mean of a clip over its time, and cosines of that time."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft
from tiny import MODEL

from signllm_jax.core.config import check_model
from signllm_jax.core.errors import ConfigError
from signllm_jax.models.layers.pooling import clip_means, clip_moments
from signllm_jax.models.layers.variety import Seen, Variety

FRAMES, JOINTS = 32, 50


def test_the_moments_of_a_clip_are_its_discrete_cosine_transform():
    values = np.random.default_rng(0).normal(size=(2, 9, 3)).astype(np.float32)
    segment = np.array([[1, 1, 1, 2, 2, 2, 2, 0, 0], [1, 1, 0, 0, 0, 0, 0, 0, 0]])
    parts = clip_means(values, segment, 3), clip_moments(values, segment, 3, 2)
    found = np.concatenate(parts, -1).reshape(2, 3, 3, 3)
    for row, clip, frames in ((0, 0, slice(0, 3)), (0, 1, slice(3, 7)), (1, 0, slice(0, 2))):
        own = values[row, frames]
        known = scipy.fft.dct(own, axis=0)[:3] / (2 * len(own))
        np.testing.assert_allclose(found[row, clip, : len(known)], known, atol=1e-6)
    assert not found[1, 1:].any()


@pytest.mark.parametrize("moments", [0, 4])
def test_only_with_moments_does_the_code_tell_a_movement_from_its_reverse(moments):
    random = np.random.default_rng(1)
    frames = random.normal(size=(1, FRAMES, 3 * JOINTS)).astype(np.float32)
    patches = frames.reshape(1, FRAMES // MODEL.patch, MODEL.patch, -1)
    reverse = patches[:, ::-1].reshape(frames.shape)  # of the patches, each of which stays as it is
    module = Variety(5, MODEL.patch * 3 * JOINTS, moments)
    text = random.normal(size=(1, 1, MODEL.width)).astype(np.float32)

    def seen_of(frames):
        shown, segment = np.ones((1, FRAMES, JOINTS), bool), np.ones((1, FRAMES), np.int32)
        return Seen(frames, shown, segment, jnp.zeros((1, 1, 5)), jnp.ones(1, bool))

    def given(frames):
        return text, seen_of(frames), MODEL.patch, np.full((1, 1), 3.0)

    made = module.init(jax.random.key(0), *given(frames), method="recognize")["params"]
    params = jax.tree.map(
        lambda leaf: 0.1 * random.normal(size=leaf.shape).astype(np.float32), nn.unbox(made)
    )
    there, back = (
        module.apply({"params": params}, *given(clip), method="recognize")[0]
        for clip in (frames, reverse)
    )
    apart = float(np.abs(there - back).max())
    assert (apart > 1e-3) if moments else (apart < 1e-5)


def test_moments_without_a_latent_code_are_refused():
    check_model(dataclasses.replace(MODEL, latent=2, latent_moments=8))
    with pytest.raises(ConfigError, match=r"model\.latent_moments: 8 need latent above 0"):
        check_model(dataclasses.replace(MODEL, latent_moments=8))
