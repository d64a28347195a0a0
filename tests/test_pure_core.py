"""Losses, clips, the buffer, search and masks against plain code, one clip after the other."""

import dataclasses
import itertools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny

from signllm_jax.core.config import Config, ReadingConfig, RLConfig
from signllm_jax.core.errors import DataError
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.core.typing import TokenScores
from signllm_jax.inference.beam_search import beam_search, length_penalty, mean_of_tokens
from signllm_jax.metrics import masks
from signllm_jax.metrics.frechet import frechet_distance
from signllm_jax.metrics.pairs import pad_pairs, score_clips
from signllm_jax.models.layers.variety import Told
from signllm_jax.models.losses import (
    clip_losses,
    divergence,
    gloss_loss,
    line_losses,
    reading_losses,
)
from signllm_jax.models.pose2text import END, Memory
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.poses.clip import PoseClip
from signllm_jax.rl import clips, plc, policy, replay
from signllm_jax.rl.clips import Clips

CONFIG = dataclasses.replace(
    tiny.CONFIG,
    rl=RLConfig(plc=True, strata=2, capacity=16, clip_frames=12, clip_tokens=6, rollout_clips=3),
)


def log_softmax(logits):
    return np.asarray(logits - np.log(np.exp(logits).sum(-1, keepdims=True)))


def test_the_losses_of_a_reader_are_those_of_its_clips():
    random = np.random.default_rng(0)
    logits = random.normal(size=(2, 7, 9)).astype(np.float32)
    target = np.array([[3, 5, END, 7, END, 0, 0], [2, 2, 4, END, 0, 0, 0]])
    segment = np.array([[1, 1, 1, 2, 2, 0, 0], [1, 1, 1, 1, 0, 0, 0]])
    steps = np.array([[1, 1, 1, 2, 2], [1, 1, 0, 0, 0]])
    total = np.array([[2.5, 2.5, 2.5, 4, 4], [3.25, 3.25, 9, 9, 9]], np.float32)
    gloss_logits = random.normal(size=(2, 5, 6)).astype(np.float32)
    gloss = np.array([[[2, 3, 0, 0], [4, 0, 0, 0]], [[5, 0, 0, 0], [0, 0, 0, 0]]])
    memory = Memory((), steps, np.zeros((2, 5)), total, gloss_logits)
    config = ReadingConfig(smoothing=0.0, count=0.5, gloss=2.0)
    found = jax.jit(reading_losses, static_argnums=5)(
        logits, target, segment, memory, gloss, config
    )
    real = segment > 0
    token = -np.take_along_axis(log_softmax(logits), target[..., None], -1)[..., 0][real].mean()
    count = (abs(2.5 - 2) + abs(4 - 1) + abs(3.25 - 3)) / 3  # of the three texts, ends apart
    ctc = 0.0
    for row, part, ids in ((0, slice(0, 3), [2, 3]), (0, slice(3, 5), [4]), (1, slice(0, 2), [5])):
        values, padding = gloss_logits[row : row + 1, part], np.zeros((1, part.stop - part.start))
        ctc += float(optax.ctc_loss(values, padding, np.array([ids]), np.zeros((1, len(ids))))[0])
    np.testing.assert_allclose(found["token"], token, rtol=1e-5)
    np.testing.assert_allclose(found["count"], count, rtol=1e-6)
    np.testing.assert_allclose(found["gloss"], ctc / 4, rtol=1e-5)
    np.testing.assert_allclose(found["loss"], token + 0.5 * count + 2 * ctc / 4, rtol=1e-5)


def test_a_gloss_that_comes_twice_needs_a_step_between():
    """Two steps have no path of two equal glosses, three have."""
    logits = np.random.default_rng(0).normal(size=(1, 5, 4)).astype(np.float32)
    gloss = np.array([[[2, 2], [3, 3]]])
    total, count = gloss_loss(logits, np.array([[1, 1, 2, 2, 2]]), gloss)
    alone = optax.ctc_loss(logits[:, 2:], np.zeros((1, 3)), gloss[0, 1:], np.zeros((1, 2)))
    assert float(count) == 2 and float(total) == pytest.approx(float(alone[0]), rel=1e-5)
    assert [float(x) for x in gloss_loss(logits, np.ones((1, 5), int), 0 * gloss)] == [0, 0]


def test_the_losses_of_a_line_are_of_its_glosses_and_of_its_marks():
    random = np.random.default_rng(1)
    gloss, marks = (random.normal(size=(2, 4, n)).astype(np.float32) for n in (7, 3))
    # mark * 7 + gloss; an end has no mark, padding neither
    line = np.array([[10, 19, 1, 0], [8, 1, 0, 0]])
    segment = np.array([[1, 1, 1, 0], [1, 1, 0, 0]])
    found = line_losses(TokenScores(gloss, marks), line, segment, 0.1)
    rows, at = (0, 0, 0, 1, 1), (0, 1, 2, 0, 1)
    logp = log_softmax(gloss)[rows, at]
    right = logp[np.arange(5), [3, 5, 1, 1, 1]]
    marked = log_softmax(marks)[(0, 0, 1), (0, 1, 0), (1, 2, 1)]
    np.testing.assert_allclose(found["gloss"], -right.mean(), rtol=1e-5)
    np.testing.assert_allclose(found["mark"], -marked.sum() / 5, rtol=1e-5)
    smoothed = -(0.9 * right + 0.1 * logp.mean(-1)).mean()
    np.testing.assert_allclose(found["loss"], smoothed - marked.sum() / 5, rtol=1e-5)
    assert float(found["tokens"]) == 5


def test_two_passes_disagree_by_the_mean_of_both_divergences():
    random = np.random.default_rng(2)
    first, second = (
        TokenScores(*(random.normal(size=(1, 3, n)).astype(np.float32) for n in (5, 3)))
        for _ in range(2)
    )
    expected = 0.0
    for one, two in zip(first, second):
        p, q = (np.exp(log_softmax(x[0, :2])) for x in (one, two))
        expected += ((p * np.log(p / q)).sum(-1) + (q * np.log(q / p)).sum(-1)).mean() / 2
    found = divergence(first, second, np.array([[1, 1, 0]]))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_clip_counts_in_the_losses_of_clips_by_its_importance_and_an_absent_one_not_at_all():
    segment = np.array([[1, 1, 2, 2, 2, 0]])
    surplus, length = np.array([[2.0, 5.0, 70.0]]), np.log([[4.0, 3.0, 9.0]])
    found = clip_losses(Told(surplus, length), segment)
    np.testing.assert_allclose(found["latent"], 3.5, rtol=1e-6)
    np.testing.assert_allclose(found["length"], np.log(2) ** 2 / 2, rtol=1e-5)
    weighted = clip_losses(Told(surplus, None), segment, np.array([[3.0, 1.0, 1.0]]))
    np.testing.assert_allclose(weighted["latent"], 2.75, rtol=1e-6)
    assert set(weighted) == {"latent"}


def rows_of(count=3):
    """Packed rows of one language, each clip with an index of its own."""
    batch = jax.tree.map(lambda x: x[0], tiny.packed_batch(("asl",), rows=count))
    number = np.arange(batch.example.size).reshape(batch.example.shape)
    return batch._replace(example=np.where(batch.example >= 0, number, -1).astype(np.int32))


def test_clips_are_cut_out_of_rows_as_slices_are():
    batch = rows_of()
    found = jax.jit(clips.unpack, static_argnums=(1, 2))(batch, 8, 3)
    lengths = set()
    for index, example in enumerate(np.ravel(batch.example)):
        row, number = divmod(index, batch.example.shape[1])
        at, spoken = batch.segment[row] == number + 1, batch.text_segment[row] == number + 1
        fits = example >= 0 and at.sum() <= 8 and spoken.sum() <= 3
        lengths.add((bool(fits), int(at.sum())))
        size = int(at.sum()) if fits else 0
        assert found.length[index] == size and found.example[index] == example
        if fits:
            frames, mask = batch.frames[row, at, :-1], batch.joint_mask[row, at]
            np.testing.assert_array_equal(found.frames[index, :size], frames)
            np.testing.assert_array_equal(found.mask[index, :size], mask)
            words = batch.text[row, spoken]
            np.testing.assert_array_equal(found.text[index, : len(words)], words)
            assert not np.asarray(found.text[index, len(words) :]).any()
        assert not np.asarray(found.frames[index, size:]).any()
        assert not np.asarray(found.mask[index, size:]).any()
    assert {fits for fits, _ in lengths} == {True, False}


def test_what_was_cut_out_of_rows_is_packed_into_the_same_rows():
    batch = rows_of()
    cut = clips.unpack(batch, 32, 12)
    of_row = lambda x: x.reshape(*batch.example.shape, *x.shape[1:])  # noqa: E731
    inside = batch.segment[:, None] == np.arange(1, 4)[:, None]
    spoken = batch.text_segment[:, None] == np.arange(1, 4)[:, None]
    made = clips.pack(
        of_row(jnp.where(jnp.repeat(cut.mask, 3, -1), cut.frames, jnp.nan)),
        of_row(cut.text),
        of_row(cut.length),
        jnp.asarray(spoken.sum(-1)),
        of_row(cut.example),
        jnp.asarray(inside.argmax(-1)),
        jnp.asarray(spoken.argmax(-1)),
        row_frames=32,
        row_tokens=12,
    )
    for name in ("text", "text_segment", "joint_mask", "segment", "position", "example"):
        np.testing.assert_array_equal(getattr(made, name), getattr(batch, name), err_msg=name)
    np.testing.assert_allclose(made.frames, batch.frames, rtol=1e-6)


def test_a_buffer_holds_whole_clips_and_only_half_precision_is_lost():
    empty = replay.init(4, 12, 6, tiny.MODEL.frame_size)
    assert empty.clip == (12, 150) and empty.text.shape == (4, 6)
    assert empty.frames.shape == (4, 16, 128)  # 1,800 numbers in whole tiles of 16 lines
    # 6,150 numbers take a tile more than 48 lines hold
    assert replay.init(1, 41, 6, tiny.MODEL.frame_size).frames.shape == (1, 64, 128)
    cut = clips.unpack(rows_of(1), 12, 6)
    state, slot = replay.add(empty, cut)
    kept = np.asarray(cut.length) > 0
    held = replay.unobserved_to_nan(cut.frames, cut.mask)
    inside = np.arange(12) < np.asarray(cut.length)[:, None]
    expected = np.where(inside[..., None], held, np.nan).astype(np.float16)[kept]
    np.testing.assert_array_equal(state.frames_at(slot[kept]), expected)
    np.testing.assert_array_equal(slot[~kept], 4)
    absent = cut._replace(length=jnp.zeros_like(cut.length))
    again, slot = replay.add(state, absent)
    np.testing.assert_array_equal(slot, 4)
    np.testing.assert_array_equal(again.example, state.example)


@pytest.mark.parametrize("slot", [0, 1])
def test_one_measured_clip_changes_its_slot_alone(slot):
    state, _ = replay.add(
        replay.init(3, 12, 6, tiny.MODEL.frame_size), clips.unpack(rows_of(1), 12, 6)
    )
    state = dataclasses.replace(state, error=jnp.array([5.0, 6.0, 7.0]))
    after = replay.update(state, jnp.array([slot]), jnp.array([0.5]), 9)
    one = np.arange(3) == slot
    np.testing.assert_array_equal(after.error, np.where(one, 0.5, [5, 6, 7]))
    np.testing.assert_array_equal(after.previous, np.where(one, [5, 6, 7], np.nan))
    np.testing.assert_array_equal(after.seen_step, np.where(one, 9, 0))


def lane_of_clips():
    """A lane's buffer of two strata with 2 and 5 clips, each frame of a clip its index + 1."""
    made = []
    for first, count in ((0, 2), (10, 5)):
        length = np.arange(count) + 3
        inside = np.arange(12) < length[:, None]
        index = np.arange(first, first + count)
        frames = np.where(inside[..., None], index[:, None, None] + 1.0, 0) * np.ones(150)
        text = np.where(np.arange(6) < 2, index[:, None] + 2, 0)
        mask = inside[..., None] & (np.arange(50) != 7)
        parts = (text, frames.astype(np.float32), mask, length, index)
        empty = replay.init(8, 12, 6, tiny.MODEL.frame_size)
        made.append(replay.add(empty, Clips(*map(jnp.asarray, parts)))[0])
    return jax.tree.map(lambda *x: jnp.stack(x), *made)


def test_the_clips_whose_turn_it_is_are_measured_anew_as_they_are():
    seen = []

    def errors(measured):
        seen.append(jax.tree.map(np.asarray, measured))
        return measured.example + 0.25

    after = plc.rescore(lane_of_clips(), errors, jnp.int32(1), CONFIG)
    # slots 3, 4, 5 of each stratum, counted round the clips that are there
    expected = [1, 0, 1, 13, 14, 10]
    (measured,) = seen
    assert measured.example.tolist() == expected
    for index, example in enumerate(expected):
        length = measured.length[index]
        assert measured.text[index].tolist() == [example + 2] * 2 + [0] * 4
        inside = np.arange(12) < length
        shown = inside[:, None] & (np.arange(50) != 7)
        np.testing.assert_array_equal(measured.mask[index], shown)
        frames = np.where(np.repeat(shown, 3, -1), example + 1.0, 0)
        np.testing.assert_array_equal(measured.frames[index], frames)
    found = np.full((2, 8), np.nan)
    found[0, :2], found[1, [0, 3, 4]] = [0.25, 1.25], [10.25, 13.25, 14.25]
    np.testing.assert_array_equal(after.error, found)
    assert after.seen_step.tolist() == [[1, 1] + [0] * 6, [1, 0, 0, 1, 1, 0, 0, 0]]


def test_a_saved_buffer_gets_its_clips_back():
    one = jax.tree.map(lambda x: x[None], lane_of_clips())  # one lane

    @dataclasses.dataclass(frozen=True)
    class State:
        replay: object

    saved = plc.without_clips(State(one))
    assert saved.replay.frames is None and saved.replay.text is None
    asked = []

    def clip(lane, example):
        asked.append((lane, example))
        count = example % 10 + 3
        frames = np.full((count, 151), example + 1.0)
        return [example + 2] * 2, frames, np.tile(np.arange(50) != 7, (count, 1))

    restored = plc.with_clips(saved, one, clip).replay
    held = np.asarray(one.example) >= 0
    np.testing.assert_array_equal(np.asarray(restored.frames)[held], np.asarray(one.frames)[held])
    np.testing.assert_array_equal(np.asarray(restored.text)[held], np.asarray(one.text)[held])
    assert {example for _, example in asked} == {0, 1, *range(10, 15)}
    assert {lane for lane, _ in asked} == {0}
    assert plc.with_clips(saved, None, clip) is saved
    nothing = State(None)
    assert plc.without_clips(nothing) is nothing


def test_the_rows_of_a_stratum_lie_together_those_from_the_host_first():
    rl = dataclasses.replace(CONFIG.rl, share=0.5)
    config = dataclasses.replace(CONFIG, rl=rl)
    assert config.batch_rows == (4, 4)
    assert plc.host_rows(config).tolist() == [0, 1, 4, 5]
    assert plc.host_rows(tiny.CONFIG).tolist() == list(range(8))
    assert plc.clip_shape(config) == (12, 6)
    whole = dataclasses.replace(rl, clip_frames=0, clip_tokens=999)
    assert plc.clip_shape(dataclasses.replace(config, rl=whole)) == (32, 12)


def test_a_resident_buffer_takes_from_the_host_what_fills_it():
    resident = dataclasses.replace(CONFIG.rl, resident=True)
    asked = []
    data = SimpleNamespace(first_pass=lambda *sizes: asked.append(sizes) or 7)
    for steps, expected in ((5, 5), (9, 7)):
        config = dataclasses.replace(CONFIG, rl=resident)
        assert plc.host_steps(config, data, steps) == expected
    assert set(asked) == {(8, 12, 6)}  # clips a stratum, F and S
    assert plc.host_steps(CONFIG, data, 9) == 9
    off = dataclasses.replace(CONFIG, rl=dataclasses.replace(resident, plc=False))
    assert plc.host_steps(off, data, 9) == 9


def test_the_deviation_reaches_its_last_value_in_the_last_step():
    found = [float(policy.deviation(jnp.float32(step), 1, 0.4, 0.1)) for step in (0, 0.5, 1)]
    np.testing.assert_allclose(found, [0.4, 0.2, 0.1], rtol=1e-6)
    assert float(policy.deviation(jnp.float32(1), 0, 0.4, 0.1)) == pytest.approx(0.1)


def test_a_policy_is_sampled_with_its_deviation_and_held_against_no_noise(monkeypatch):
    given = []

    def rollout(model, params, text, patches, noise, seen):
        given.append(np.asarray(noise))
        raise InterruptedError

    monkeypatch.setattr(policy, "rollout", rollout)
    parts = (np.zeros((6, 5), int), np.zeros((6, 16, 150)), np.ones((6, 16, 50), bool))
    made = Clips(*map(jnp.asarray, (*parts, np.full(6, 16), np.arange(6))))
    model, sigma = Text2Pose(tiny.MODEL), jnp.float32(0.2)
    with pytest.raises(InterruptedError):
        policy.policy_loss(model, {}, made, np.ones(50), sigma, jax.random.key(0), "mse")
    (noise,) = given
    assert noise.shape == (12, 4, 600) and not noise[6:].any()
    assert noise[:6].std() == pytest.approx(0.2, rel=0.02) and abs(noise.mean()) < 0.01


def every_line(vocab, most, end):
    """All lines of up to `most` tokens, with the end and without."""
    tokens = [token for token in range(vocab) if token != end]
    for count in range(most + 1):
        for line in itertools.product(tokens, repeat=count):
            if count < most:
                yield (*line, end)
            if count == most:
                yield line


@pytest.mark.parametrize("normalize", [length_penalty(0.0), length_penalty(1.5), mean_of_tokens])
def test_a_search_with_room_for_all_lines_finds_the_best_of_each_row(normalize):
    vocab, most, end, start = 3, 3, 1, 2
    random = np.random.default_rng(3)
    # by row, step, the token two steps before, the token before
    shape = (3, most, vocab, vocab, vocab)
    logits = 2 * random.normal(size=shape).astype(np.float32)
    logits[:, :2, ..., end] -= 4  # long lines win
    table = log_softmax(logits)
    beams = 27

    def step(before, index, caches):
        row, earlier = caches
        token = before[:, 0] % 10
        logp = jnp.asarray(table)[row, index, earlier, token]
        return logp, jnp.full(len(before), 10), (row, token)  # tokens come back with a mark of 10

    caches = jnp.repeat(jnp.arange(3), beams), jnp.full(3 * beams, start)
    empty = jnp.array([False, True, False])
    found = beam_search(step, caches, empty, most, beams, start=start, end=end, normalize=normalize)
    lengths = []
    for row in (0, 2):
        scores = {}
        for line in every_line(vocab, most, end):
            known = (start, start, *line)
            logp = sum(table[row, i, *known[i : i + 3]] for i in range(len(line)))
            if line[-1] == end:
                scores[line] = logp / float(normalize(jnp.float32(len(line)))), logp
        best = max(scores, key=scores.get)
        lengths.append(len(best))
        line = [token + 10 for token in best if token != end]
        assert found.tokens[row].tolist() == line + [0] * (most - len(line))
        np.testing.assert_allclose(found.score[row], scores[best][0], rtol=1e-5)
        np.testing.assert_allclose(found.logp[row], scores[best][1], rtol=1e-5)
    assert max(lengths) == most
    assert found.tokens[1].tolist() == [0] * most
    assert float(found.logp[1]) == float(found.score[1]) == 0


@pytest.mark.parametrize("beams", [1, 3])
def test_of_lines_that_never_end_the_best_unfinished_one_is_taken(beams):
    logp = np.log([0.5, 1e-30, 0.3, 0.2])

    def step(before, index, caches):
        return jnp.broadcast_to(logp, (len(before), 4)), jnp.full(len(before), 4), caches

    found = beam_search(
        step, (), jnp.zeros(2, bool), 4, beams, start=0, end=1, normalize=mean_of_tokens
    )
    assert found.tokens.tolist() == [[4, 4, 4, 4]] * 2
    np.testing.assert_allclose(found.logp, 4 * np.log(0.5), rtol=1e-5)
    np.testing.assert_allclose(found.score, np.log(0.5), rtol=1e-5)


def test_masks_are_those_of_each_clip_alone():
    random = np.random.default_rng(0)
    n, m = np.array([5, 1, 0, 3, 4]), np.array([3, 4, 4, 0, 6])
    observed = random.random((5, 5, 3)) < 0.6
    expected = np.zeros((5, 6, 3), bool)
    for row in range(5):
        for frame in range(m[row] if n[row] else 0):
            share = frame * (n[row] - 1) / max(m[row] - 1, 1)
            expected[row, frame] = observed[row, int(np.round(share))]
    found = masks.stretch_mask(observed, n, m, 6)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(masks.real_frames(5, n).sum(-1), n)
    seen = masks.seen_joints(observed, n)
    np.testing.assert_array_equal(seen, observed & (np.arange(5) < n[:, None])[..., None])
    values = random.normal(size=(5, 6, 3, 2))
    stretched = masks.stretch(values, n, m, 5)
    for row, (to, size) in enumerate(zip(n, m)):
        if to and size:
            time = np.linspace(0, size - 1, to) if to > 1 else np.zeros(1)
            flat = values[row, :size].reshape(size, -1)
            lines = [np.interp(time, np.arange(size), line) for line in flat.T]
            np.testing.assert_allclose(
                stretched[row, :to].reshape(to, -1), np.stack(lines, -1), rtol=1e-5, atol=1e-6
            )
    means = masks.masked_mean(jnp.asarray(values[:, :5, :, 0]), jnp.asarray(seen))
    assert np.isnan(means[2])
    np.testing.assert_allclose(means[0], values[0, :5, :, 0][seen[0]].mean(), rtol=1e-5)


def test_what_is_not_observed_is_nought_in_a_padded_pair():
    random = np.random.default_rng(0)
    positions = random.normal(size=(4, 50, 3)).astype(np.float32)
    confidence = (random.random((4, 50)) < 0.5).astype(np.float32)
    clip = PoseClip(positions, confidence, 25.0)
    made = PoseClip(positions[:2] + 1, np.ones((2, 50)), 50.0)
    pairs = pad_pairs([clip], [made], multiple=8)
    expected = np.where(confidence[..., None] > 0, positions, 0)
    np.testing.assert_array_equal(pairs.reference[0, :4], expected)
    np.testing.assert_array_equal(pairs.observed[0, :4], confidence > 0)
    np.testing.assert_array_equal(pairs.produced[0, :2], positions[:2] + 1)
    assert pairs.reference.shape == (1, 8, 50, 3) and not pairs.reference[0, 4:].any()
    assert not pairs.produced[0, 2:].any() and not pairs.produced_observed[0, 2:].any()
    assert (pairs.n, pairs.m, pairs.fps, pairs.produced_fps) == (4, 2, 25, 50)


def test_a_clip_whose_joints_are_all_in_one_place_has_an_error_that_is_a_number():
    random = np.random.default_rng(0)
    clip = PoseClip(random.normal(size=(5, 50, 3)), np.ones((5, 50)), 25.0)
    point = PoseClip(np.zeros((5, 50, 3)), np.ones((5, 50)), 25.0)
    scores = score_clips([clip], [point], ("pa_mpjpe",))
    # the best that a point can do is the center of the group
    for name, groups in (
        ("pa_mpjpe_body", [OPENPOSE50.groups["body"]]),
        ("pa_mpjpe_hands", [OPENPOSE50.groups[f"{side}_hand"] for side in ("left", "right")]),
    ):
        parts = [clip.positions[:, list(group)] for group in groups]
        apart = [np.linalg.norm(part - part.mean(1, keepdims=True), axis=-1) for part in parts]
        expected = np.concatenate(apart, 1).mean()
        np.testing.assert_allclose(scores[name], expected, rtol=1e-4)


@pytest.mark.parametrize("shapes", [((3,), (3, 2)), ((3, 2), (3,)), ((3, 2), (3, 3))])
def test_embeddings_of_other_shapes_are_refused(shapes):
    with pytest.raises(DataError, match="embeddings must be"):
        frechet_distance(*(np.ones(shape) for shape in shapes))


def test_two_embeddings_on_a_side_are_enough():
    moved = np.array([[0.0, 0.0], [2.0, 0.0]])
    assert frechet_distance(moved, moved + 3) == pytest.approx(18)
    with pytest.raises(DataError, match="at least two"):
        frechet_distance(moved[:1], moved)


def test_a_run_without_a_buffer_has_none():
    assert plc.init(tiny.CONFIG, 2) is None and isinstance(tiny.CONFIG, Config)
    made = plc.init(CONFIG, 3)
    assert made.example.shape == (3, 2, 8) and made.group is None
