"""The reader of poses as a network: packed rows, views, counts, decoding and sharding."""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tiny import CONFIG, LANGUAGES, SGD, mesh_of, one_device, packed_batch

from signllm_jax.aot.collectives import cross_language_bytes, read_collectives
from signllm_jax.core.config import ReadingConfig
from signllm_jax.inference import text_decoding
from signllm_jax.models.losses import gloss_loss
from signllm_jax.models.pose2text import END, Pose2Text, onsets, with_ends
from signllm_jax.parallel import language_axis, sharding
from signllm_jax.text.glosses import UNKNOWN, encode_glosses, gloss_vocabulary
from signllm_jax.train.augment import distort
from signllm_jax.train.state import make_state
from signllm_jax.train.step import gather_metrics, make_train_step
from signllm_jax.train.task import get_task

READING = ReadingConfig(view=1, gloss_vocab=16, row_glosses=4)
READER = dataclasses.replace(CONFIG, task="back_translation", reading=READING)
MODEL = dataclasses.replace(CONFIG.model, patch=2)


def _glossed(languages=LANGUAGES):
    """A packed batch with two to four glosses a clip."""
    batch = packed_batch(languages)
    random = np.random.default_rng(3)
    gloss = random.integers(1, 16, (*batch.example.shape, 4))
    count = random.integers(1, 4, batch.example.shape)
    kept = (np.arange(4) < count[..., None]) & (batch.example >= 0)[..., None]
    return batch._replace(gloss=(gloss * kept).astype(np.int32))


def _reader():
    """A reader with random weights, drawn by numpy: compiling their initialisation takes long."""
    module = Pose2Text(MODEL, READING)
    frames, ones = jnp.zeros((1, 4, 150)), jnp.ones((1, 4), jnp.int32)
    shapes = language_axis.abstract(
        lambda key: module.init(key, frames, ones, ones, ones)["params"]
    )
    random = np.random.default_rng(1)

    def draw(leaf):
        deviation = leaf.shape[0] ** -0.5 if leaf.ndim == 2 else 0.5
        return random.normal(0, deviation, leaf.shape).astype(np.float32)

    return module, jax.tree.map(draw, nn.unbox(shapes))


@pytest.fixture(scope="module")
def reader():
    return _reader()


def _jitted(module, method=None):
    call = functools.partial(module.apply, method=method)
    return jax.jit(lambda params, *parts: call({"params": params}, *parts))


def test_an_end_follows_each_text_of_a_row():
    text = np.array([[5, 6, 7, 8, 0, 0], [9, 0, 0, 0, 0, 0]])
    segment = np.array([[1, 1, 2, 2, 0, 0], [1, 0, 0, 0, 0, 0]])
    target, place = with_ends(text, segment, 2)
    assert target.tolist() == [[5, 6, END, 7, 8, END, 0, 0], [9, END, 0, 0, 0, 0, 0, 0]]
    assert place.tolist() == [[1, 1, 1, 2, 2, 2, 0, 0], [1, 1, 0, 0, 0, 0, 0, 0]]


def test_a_packed_clip_is_read_as_it_is_alone(reader):
    module, params = reader
    random = np.random.default_rng(0)
    frames = random.standard_normal((1, 16, 150)).astype(np.float32)
    segment = np.array([[1] * 7 + [0] + [2] * 6 + [0, 0]])
    history = np.array([[0, 3, 0, 4, 5, 0]])
    text_segment = np.array([[1, 1, 2, 2, 2, 0]])
    alone = np.zeros((1, 16, 150), np.float32)
    alone[:, :6] = frames[:, 8:14]
    with sharding.use_mesh(one_device()):
        packed, memory = _jitted(module)(params, frames, segment, history, text_segment)
        single, own = _jitted(module)(
            params,
            alone,
            np.array([[1] * 6 + [0] * 10]),
            np.array([[0, 4, 5, 0, 0, 0]]),
            np.array([[1, 1, 1, 0, 0, 0]]),
        )
    np.testing.assert_allclose(packed[0, 2:5], single[0, :3], atol=1e-5)
    np.testing.assert_allclose(memory.count[0, 4:7], own.count[0, :3], atol=1e-5)
    np.testing.assert_allclose(memory.gloss[0, 4:7], own.gloss[0, :3], atol=1e-5)


def test_the_encoder_sees_as_far_as_its_view_and_the_decoder_no_later_token(reader):
    module, params = reader
    segment, steps = jnp.ones((1, 32), jnp.int32), jnp.ones((1, 5), jnp.int32)
    history = jnp.array([[0, 3, 4, 5, 6]])
    frames = jnp.ones((1, 32, 150))

    def gloss(frames):
        return module.apply({"params": params}, frames, segment, method="encode").gloss

    with sharding.use_mesh(one_device()):
        seen = jax.jit(jax.grad(lambda x: jnp.square(gloss(x)[0, 8]).sum()))(frames)
        first = _jitted(module)(params, frames, segment, history, steps)[0]
        other = _jitted(module)(params, frames, segment, history.at[0, 3].set(9), steps)[0]
    places = np.flatnonzero(np.abs(seen[0]).sum(-1))
    assert (places.min(), places.max()) == (14, 19)  # one layer, one step of two frames each way
    np.testing.assert_array_equal(first[0, :3], other[0, :3])
    assert np.abs(first[0, 3] - other[0, 3]).max() > 1e-4


def test_a_gloss_begins_where_the_path_changes():
    path = np.array([[0, 3, 3, 0, 3, 5, 5, 0]])
    certain = 50.0 * np.eye(8)[path]
    one, two = np.ones((1, 8), int), np.array([[1, 1, 2, 2, 2, 2, 2, 2]])
    assert np.round(onsets(certain, one))[0].tolist() == [0, 1, 0, 0, 1, 1, 0, 0]
    assert np.round(onsets(certain, two))[0].tolist() == [0, 1, 1, 0, 1, 1, 0, 0]


def test_ctc_over_packed_clips_equals_ctc_of_each_alone():
    random = np.random.default_rng(0)
    logits = random.standard_normal((1, 12, 6)).astype(np.float32)
    segment = np.array([[1] * 5 + [2] * 4 + [3] * 2 + [0]])
    gloss = np.array([[[2, 3, 0], [4, 4, 0], [5, 2, 3]]])  # the third does not fit its two steps
    total, count = jax.jit(gloss_loss)(logits, segment, gloss)
    alone = [
        optax.ctc_loss(logits[:, part], np.zeros((1, size)), ids[None, :2], np.zeros((1, 2)))[0]
        for part, size, ids in ((slice(0, 5), 5, gloss[0, 0]), (slice(5, 9), 4, gloss[0, 1]))
    ]
    assert float(total) == pytest.approx(float(sum(alone)), rel=1e-5)
    assert float(count) == 4


def test_glosses_beyond_the_rows_are_unknown():
    lines = [["A", "B"], ["B", "C"], ["D"]]
    assert gloss_vocabulary(lines, 4) == ("B", "A")
    assert encode_glosses(lines, ("B", "A")) == [[3, 2], [2, UNKNOWN], [UNKNOWN]]
    assert gloss_vocabulary(lines, 0) == ()


def test_distortion_keeps_padding_and_stays_within_a_clip():
    batch = jax.tree.map(lambda x: x[0], packed_batch(("asl",)))
    # every clip's frames hold its number, so whatever is taken from another clip shows
    numbers = batch.segment.astype(np.float32)[..., None]
    frames = np.concatenate([np.broadcast_to(numbers, (*batch.segment.shape, 150)), numbers], -1)
    batch = batch._replace(frames=frames, joint_mask=np.ones_like(batch.joint_mask))
    still = dataclasses.replace(READING, noise=0.0, offset=0.0, blank=0.0, scale=0.0, tempo=0.9)
    moved = jax.jit(functools.partial(distort, config=still))(batch, jax.random.key(0))
    np.testing.assert_array_equal(moved, frames[..., :-1])
    rough = jax.jit(functools.partial(distort, config=READING))(batch, jax.random.key(0))
    assert not np.asarray(rough)[batch.segment == 0].any()
    real = np.asarray(rough - frames[..., :-1])[batch.segment > 0]
    assert 0.05 < np.abs(real).mean() < 0.6


def _search(module, params, frames, length, tokens):
    """The best text by trying all of them (two ids, at most `tokens`)."""
    best, found = -np.inf, None
    segment = (np.arange(frames.shape[1]) < length).astype(np.int32)[None]
    texts = [()]
    for _ in range(tokens):
        texts += [(*text, i) for text in texts if len(text) == len(texts[-1]) for i in (2, 3)]
    texts = sorted(set(texts))
    apply = _jitted(module)
    for text in texts:
        history = np.zeros((1, tokens + 1), np.int32)
        history[0, 1 : len(text) + 1] = text
        logits, _ = apply(params, frames, segment, history, np.ones_like(history))
        logits = np.asarray(logits[0])
        logits = np.where(np.isin(np.arange(logits.shape[-1]), (END, 2, 3)), logits, -1e9)
        scores = jax.nn.log_softmax(logits)
        score = sum(scores[i, t] for i, t in enumerate((*text, END))) / (len(text) + 1)
        if score > best:
            best, found = score, text
    return list(found), float(best)


def test_beam_search_finds_the_best_text_and_greedy_follows_the_best_token(reader):
    module, params = reader
    random = np.random.default_rng(4)
    frames = random.standard_normal((2, 16, 150)).astype(np.float32)
    allowed = np.isin(np.arange(MODEL.vocab), (END, 2, 3))
    with sharding.use_mesh(one_device()):
        run = jax.jit(text_decoding.read, static_argnums=(0, 5, 6))
        wide, score = run(module, params, frames, np.array([16, 0]), allowed, 2, 8)
        greedy, low = run(module, params, frames, np.array([16, 0]), allowed, 2, 1)
        best, its_score = _search(module, params, frames[:1], 16, 2)
    assert [t for t in wide[0].tolist() if t] == best
    assert float(score[0]) == pytest.approx(its_score, abs=1e-4)
    assert float(low[0]) <= float(score[0]) + 1e-5
    assert not wide[1].any() and not greedy[1].any()  # an empty clip reads as nothing


@functools.cache
def _run_on(shape):
    mesh = mesh_of(*shape) if shape else one_device()
    config = dataclasses.replace(READER, optimizer=SGD.optimizer)
    state = make_state(config, LANGUAGES, mesh)
    step = make_train_step(config, LANGUAGES, mesh)
    place = sharding.batch_sharding(mesh)
    with sharding.use_mesh(mesh):
        batch = jax.tree.map(lambda x: jax.device_put(x, place), _glossed())
        compiled = step.lower(state, batch).compile()
        _, metrics = compiled(state, batch)
        return compiled.as_text(), mesh, gather_metrics(metrics, mesh)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(8, 1, 1, 1), (2, 2, 2, 1), (2, 1, 2, 2)])
def test_reader_lanes_share_nothing_and_every_mesh_gives_the_same_step(shape):
    hlo, mesh, metrics = _run_on(shape)
    assert cross_language_bytes(hlo, mesh) == 0
    if shape[0] == 8:
        assert read_collectives(hlo, 8) == []
    _, _, alone = _run_on(())
    for name in ("loss", "token", "gloss", "count", "gradient_norm"):
        np.testing.assert_allclose(metrics[name], alone[name], rtol=2e-4)


def test_every_parameter_of_the_reader_has_a_place_on_the_mesh():
    boxed = language_axis.abstract(get_task(READER).init_lane)
    specs = sharding.tree_specs(boxed, leading=("language",))
    leaves = jax.tree.leaves(specs, is_leaf=lambda x: isinstance(x, jax.sharding.PartitionSpec))
    assert len(leaves) > 40 and all(spec[0] == "language" for spec in leaves)
