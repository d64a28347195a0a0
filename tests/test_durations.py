"""Learned durations of tokens: where in its clip a model looks for each token of a text."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tiny import CONFIG, MODEL, one_device, packed_batch

from signllm_jax import PoseClip
from signllm_jax.artifacts.group import Group
from signllm_jax.core.config import check_model
from signllm_jax.core.errors import ConfigError
from signllm_jax.inference.letter_times import with_cues, with_gloss
from signllm_jax.inference.text_to_pose import Producer
from signllm_jax.models import mlsf
from signllm_jax.models.layers.durations import token_spans
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.parallel import sharding
from signllm_jax.poses.features import Statistics
from signllm_jax.text.tokenizer import train_tokenizer
from signllm_jax.train.mlsf import MlsfTask

DURATIONS = dataclasses.replace(MODEL, token_durations=True)
SEGMENT = np.array([[1, 1, 1, 2, 2, 0]])
STATISTICS = Statistics("openpose50", np.zeros((50, 3)), np.ones(50), 25.0, 8, np.ones(50))


def test_equal_weights_share_a_clip_equally():
    middle, rate = token_spans(jnp.full((1, 6), 3.0), SEGMENT)
    np.testing.assert_allclose(middle[0, :5], [1 / 6, 3 / 6, 5 / 6, 1 / 4, 3 / 4], rtol=1e-6)
    np.testing.assert_allclose(rate[0, :5], [3, 3, 3, 2, 2], rtol=1e-6)


def test_tokens_share_a_clip_by_their_weights():
    middle, rate = token_spans(jnp.array([[1.0, 2.0, 5.0, 3.0, 1.0, 9.0]]), SEGMENT)
    np.testing.assert_allclose(
        middle[0, :5], [0.5 / 8, 2 / 8, 5.5 / 8, 1.5 / 4, 3.5 / 4], rtol=1e-6
    )
    np.testing.assert_allclose(rate[0, :5], [8, 4, 8 / 5, 4 / 3, 4], rtol=1e-6)
    assert np.isfinite(middle).all()
    assert np.isfinite(rate).all()


@pytest.mark.slow
def test_a_model_learns_from_lengths_how_long_each_token_lasts():
    """Token 5 lasts 30 frames and token 6 lasts 10, alone and in any order."""
    model = Text2Pose(DURATIONS)
    text = np.array([[5, 0, 0], [6, 0, 0], [5, 6, 6], [6, 5, 6]])
    frames = np.array([30, 10, 50, 50])
    segment = (text > 0).astype(np.int32)
    size, optimizer = MODEL.frame_size - 1, optax.adam(1e-2)
    given = (
        *(text, segment, np.zeros((4, 1, MODEL.patch * size), np.float32)),
        *(np.zeros((4, 1), np.float32), np.ones((4, 1), np.int32)),
    )

    def error(params):
        memory = model.apply({"params": params}, text, segment, method="encode")
        told = model.apply({"params": params}, memory, 1, method="tell_length")
        return jnp.square(told[:, 0] - np.log(frames)).mean()

    @jax.jit
    def step(params, state):
        updates, state = optimizer.update(jax.grad(error)(params), state)
        return optax.apply_updates(params, updates), state

    with sharding.use_mesh(one_device()):
        params = nn.unbox(jax.jit(model.init)(jax.random.key(0), *given))["params"]
        state = optimizer.init(params)
        for _ in range(150):
            params, state = step(params, state)
        memory = model.apply({"params": params}, text, segment, method="encode")
    # each token is in the middle of its own frames
    np.testing.assert_allclose(memory.progress[2], [0.3, 0.7, 0.9], atol=0.1)
    np.testing.assert_allclose(memory.progress[3], [0.1, 0.5, 0.9], atol=0.1)


def test_a_loss_of_lengths_teaches_durations_while_training():
    batch = jax.tree.map(lambda leaf: leaf[0], packed_batch(("asl",), rows=1))
    key = jax.random.key(1)
    with sharding.use_mesh(one_device()):
        task = MlsfTask(dataclasses.replace(CONFIG, model=DURATIONS))
        params = nn.unbox(jax.jit(task.init_lane)(key))
        grads, terms = jax.jit(jax.grad(task.loss, has_aux=True))(params, batch, key)
        plain = MlsfTask(CONFIG)
        others = jax.eval_shape(lambda: plain.loss(nn.unbox(plain.init_lane(key)), batch, key))[1]
    assert terms["length"] > 0
    assert np.abs(grads["durations"]["weight"]["bias"]) > 1e-4
    assert "length" not in others


def test_durations_without_the_progress_bias_are_refused():
    with pytest.raises(ConfigError, match="token_durations: true needs progress_bias = true"):
        check_model(dataclasses.replace(DURATIONS, progress_bias=False))


def test_the_signs_of_a_text_are_lit_as_long_as_their_tokens_last():
    clip = PoseClip(np.zeros((40, 50, 3)), np.ones((40, 50)), 10)
    said = with_gloss(clip, "<asl:I> <asl:TEA> <asl:NO>", False, np.float32([10, 20, 10]))
    assert [(cue.label, cue.start, cue.end) for cue in said.cues] == [
        *(("I", 0, 1), ("TEA", 1, 3), ("NO", 3, 4)),
    ]
    signs = ("hello", "tea", "thank you")
    tokenizer = train_tokenizer(["hello tea", "thank you tea"] * 20, (), "pieces", 300, "asl")
    ids = tokenizer.encode("hello thank you tea")
    pieces = tokenizer.pieces(ids)
    long = np.float32([7.0 if "e" in piece else 0.1 for piece in pieces])
    cues = with_cues(clip, ids, tokenizer, signs, long).cues
    assert [cue.label for cue in cues] == ["hello", "thank you", "tea"]
    lengths = [cue.end - cue.start for cue in cues]
    assert lengths[1] < 0.2 * min(lengths[0], lengths[2])
    assert cues[-1].end == pytest.approx(4.0)


class Letters:
    """A tokenizer of one token a letter."""

    def encode(self, text):
        return [ord(letter) - 90 for letter in text]


def test_a_producer_says_how_long_tokens_last_where_its_model_does():
    def producer(model):
        group = Group("asl", model, Letters(), STATISTICS, "fingerspelling", 8, 8)
        return Producer([group], one_device(), 2)

    with sharding.use_mesh(one_device()):
        params = jax.jit(lambda: mlsf.init(DURATIONS, jax.random.key(0), ("asl",)))()
    found = producer(DURATIONS).durations(params, ["abc", "a", "ca"])
    assert [len(frames) for frames in found] == [3, 1, 2]
    assert all((frames > 0).all() for frames in found)
    assert producer(MODEL).durations(params, ["abc"]) == [None]
