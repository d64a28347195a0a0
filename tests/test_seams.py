"""The seams between patches: what jumps there is spread over both."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import MODEL, one_device

from signllm_jax.inference import pose_decoding
from signllm_jax.models import mlsf
from signllm_jax.models.generation import eased
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.parallel import sharding

TEXT = np.array([[5, 6, 7, 0, 0], [9, 8, 7, 6, 5]], np.int32)
LINE = np.outer(np.arange(12.0), np.ones(6)).astype(np.float32)
JUMPING = LINE + 4 * (np.arange(12) >= 4)[:, None].astype(np.float32)


def ease(frames, seen, *share):
    return np.asarray(eased(jnp.array(frames), seen, 4, *share))


def test_what_jumps_between_patches_is_spread_over_both_and_all_else_stays():
    seen = np.ones((12, 2), bool)
    found = ease(JUMPING, seen)
    np.testing.assert_allclose(np.diff(found[:, 0]), [1, 2, 2, 1, 2, 2, 1, 1, 1, 1, 1])
    np.testing.assert_allclose(ease(LINE, seen), LINE)
    np.testing.assert_allclose(ease(JUMPING, seen, 0.5), (found + JUMPING) / 2)
    seen[5, 1] = False
    np.testing.assert_allclose(ease(JUMPING, seen), np.hstack([found[:, :3], JUMPING[:, 3:]]))


@pytest.mark.slow
def test_a_clip_is_eased_where_the_settings_say_so():
    def made(ease):
        module = Text2Pose(dataclasses.replace(MODEL, ease=ease))
        return jax.jit(lambda p: pose_decoding.generate(module, p, TEXT, 16))(params)

    with sharding.use_mesh(one_device()):
        params = jax.tree.map(lambda x: x[0], mlsf.init(MODEL, jax.random.key(0), ("asl",)))
        head = {"bias": jnp.arange(1, MODEL.patch + 1) / 11}
        head["kernel"] = 0 * params["counter_head"]["kernel"]
        params |= {"counter_head": head}
        plain, smooth = made(0.0), made(0.5)
    expected = eased(plain.frames, plain.seen, MODEL.patch, 0.5)[:, :11]
    assert smooth.length.tolist() == [11, 11]
    assert np.abs(expected - plain.frames[:, :11]).max() > 1e-3
    np.testing.assert_allclose(smooth.frames[:, :11], expected, atol=1e-5)
    assert not smooth.frames[:, 11:].any()
