"""Cutting, packing, buffering and rescoring of clips against plain code, one clip at a time."""

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from signllm_jax.core.config import Config, RLConfig
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.rl import clips, plc, policy, replay
from signllm_jax.rl.clips import Clips

CONFIG = dataclasses.replace(
    tiny.CONFIG,
    rl=RLConfig(plc=True, strata=2, capacity=16, clip_frames=12, clip_tokens=6, rollout_clips=3),
)


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


def test_a_run_without_a_buffer_has_none():
    assert plc.init(tiny.CONFIG, 2) is None and isinstance(tiny.CONFIG, Config)
    made = plc.init(CONFIG, 3)
    assert made.example.shape == (3, 2, 8) and made.group is None
