"""The Priority Learning Channel: what is drawn, from what, and what never is."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from tiny import DATA, MODEL, mesh_of, packed_batch

from signllm_jax.aot.collectives import read_collectives
from signllm_jax.core.config import RLConfig
from signllm_jax.rl import replay, reward, sampling
from signllm_jax.rl.clips import Clips, unpack
from signllm_jax.rl.sampling import RowShape

F, S, J = 12, 6, (MODEL.frame_size - 1) // 3
SHAPE = RowShape(DATA.row_frames, DATA.row_tokens, DATA.row_clips, MODEL.patch)
PAPER = RLConfig(plc=True)
ETAS = [0.0, 0.5, 1.0, 4.0]
ON_MESHES = [((2, 2, 2, 1), 1.0)] + [
    pytest.param(shape, eta, marks=pytest.mark.slow)
    for shape in ((1, 8, 1, 1), (2, 2, 2, 1), (1, 2, 4, 1))
    for eta in ETAS
    if (shape, eta) != ((2, 2, 2, 1), 1.0)
]
DRAWS = 10**6


# compiled as a whole, which is quicker than one operation after the other
init = functools.partial(replay.init, frames=F, tokens=S, frame_size=MODEL.frame_size)
add, update = jax.jit(replay.add), jax.jit(replay.update)
reweight = jax.jit(sampling.reweight, static_argnums=2)
log_priority = jax.jit(sampling.log_priority, static_argnums=2)
draw = jax.jit(sampling.draw, static_argnums=2)
sample = jax.jit(sampling.sample, static_argnums=(3, 4, 5))
sweep = jax.jit(sampling.sweep, static_argnums=(1, 2))
to_clips = jax.jit(unpack, static_argnums=(1, 2))


def clips_of(count, first=0, seed=0):
    """`count` random clips of 5 to 8 frames with examples first, first + 1, ..."""
    random = np.random.default_rng(seed + first)
    length = random.integers(5, 9, count)
    inside = np.arange(F) < length[:, None]
    mask = (random.random((count, F, J)) < 0.9) & inside[..., None]
    frames = random.normal(size=(count, F, 3 * J)) * np.repeat(mask, 3, -1)
    text = random.integers(2, 60, (count, S)) * (np.arange(S) < random.integers(2, 5, (count, 1)))
    return Clips(
        jnp.asarray(text, jnp.int32),
        jnp.asarray(frames, jnp.float32),
        jnp.asarray(mask),
        jnp.asarray(length, jnp.int32),
        jnp.arange(first, first + count, dtype=jnp.int32),
    )


def filled(errors, capacity=None):
    """A buffer with a clip of each of the given errors."""
    errors = jnp.asarray(errors, jnp.float32)
    state = init(capacity or len(errors))
    state, slot = add(state, clips_of(len(errors)))
    return update(state, slot, errors, jnp.int32(0))


def probabilities(errors, rl):
    """P(i) of the paper in float64, of errors that are finite."""
    q = 2.0 ** (-np.asarray(errors, np.float64) / np.median(errors))
    p = np.where(q >= rl.threshold, q**rl.eta, 0.0)
    return p / p.sum()


def chi_square(counts, expected):
    """The p-value that counts were drawn from expected; never drawn where expected is 0."""
    assert (counts[expected == 0] == 0).all()
    kept = expected > 0
    return scipy.stats.chisquare(counts[kept], expected[kept] * counts.sum()).pvalue


ERRORS = np.random.default_rng(3).lognormal(size=60)


@pytest.mark.parametrize("threshold", [0.0, 0.5])
@pytest.mark.parametrize("eta", ETAS)
def test_a_million_draws_follow_the_papers_probabilities(eta, threshold):
    rl = dataclasses.replace(PAPER, eta=eta, threshold=threshold)
    weights = reweight(filled(ERRORS, capacity=70), jnp.int32(0), rl)
    drawn = draw(weights, jax.random.key(int(8 * eta)), DRAWS)
    counts = np.bincount(drawn, minlength=70)
    expected = np.pad(probabilities(ERRORS, rl), (0, 10))
    assert chi_square(counts, expected) > 0.001
    if threshold == 0 and eta == 4:  # that the test would see another exponent
        other = probabilities(ERRORS, dataclasses.replace(rl, eta=3.9))
        assert chi_square(counts[:60], other) < 0.001


def test_a_clip_is_compared_within_its_group():
    """Planted: half of the clips are by a signer whose errors are a tenth of the others'."""
    signer = np.arange(60) % 2
    errors = ERRORS * np.where(signer == 0, 0.1, 1.0)
    errors[:2], errors[2:6] = np.nan, np.inf
    state = init(70, grouped=True)
    state, slot = add(state, clips_of(60)._replace(group=jnp.asarray(7 + signer, jnp.int32)))
    np.testing.assert_array_equal(state.group[:60], 7 + signer)
    state = update(state, slot, jnp.asarray(errors, jnp.float32), jnp.int32(0))
    known = np.isfinite(errors)
    medians = np.array([np.median(errors[known & (signer == s)]) for s in (0, 1)])
    found = jax.jit(reward.group_medians)(state.error, state.group)
    np.testing.assert_allclose(found[:60], medians[signer], rtol=1e-6)
    np.testing.assert_allclose(found[60:], np.median(errors[known]), rtol=1e-6)  # empty slots
    priority = log_priority(state, jnp.int32(0), PAPER)[:60]
    np.testing.assert_allclose(priority[known], -(errors / medians[signer])[known], rtol=1e-5)

    def easier(state):
        weights = np.asarray(reweight(state, jnp.int32(0), PAPER))[:60]
        return weights[signer == 0].sum() / weights.sum()

    assert easier(dataclasses.replace(state, group=None)) > 0.9
    assert 0.4 < easier(state) < 0.6


@pytest.mark.parametrize("capacity", [3, 128, 300])
def test_draws_invert_the_cumulative_sum_of_weights_to_the_last_unit(capacity):
    weights = np.random.default_rng(capacity).integers(0, 7, capacity) << 20
    weights[-1] += 3  # a sum of no round number
    key, bits = jax.random.key(capacity), jax.random.bits(jax.random.key(capacity), (1000,))
    target = np.asarray(bits).astype(object) * int(weights.sum()) >> 32
    expected = np.searchsorted(np.cumsum(weights), target.astype(np.int64), side="right")
    drawn = sampling.draw(jnp.asarray(weights, jnp.int32), key, 1000)
    np.testing.assert_array_equal(drawn, expected)


@pytest.mark.parametrize(("shape", "eta"), ON_MESHES)
def test_every_stratum_draws_by_its_own_probabilities_and_alike_on_every_mesh(shape, eta):
    rl = dataclasses.replace(PAPER, eta=eta)
    errors = np.random.default_rng(5).lognormal(size=(2, 8, 20))
    state = jax.vmap(jax.vmap(filled))(jnp.asarray(errors))
    keys = jax.random.split(jax.random.key(1), (2, 8))

    def draw(state, keys):
        one = lambda s, k: sampling.draw(sampling.reweight(s, 0, rl), k, DRAWS // 16)  # noqa: E731
        return jax.vmap(jax.vmap(one))(state, keys)

    place = jax.NamedSharding(
        mesh_of(*shape), jax.sharding.PartitionSpec("language", ("data", "fsdp"))
    )
    placed = jax.device_put((state, keys), place)
    program = jax.jit(draw, out_shardings=place).lower(*placed).compile()
    assert read_collectives(program.as_text(), 8) == []
    drawn = np.asarray(program(*placed))
    np.testing.assert_array_equal(drawn, jax.jit(draw)(state, keys))
    for language, strata in enumerate(errors):
        for stratum, own in enumerate(strata):
            counts = np.bincount(drawn[language, stratum], minlength=20)
            assert chi_square(counts, probabilities(own, rl)) > 0.001 / 16


def test_clips_below_the_threshold_are_never_drawn_and_the_others_are():
    state = filled(ERRORS)
    rl = dataclasses.replace(PAPER, threshold=0.7)
    drawn = set(np.asarray(draw(reweight(state, 0, rl), jax.random.key(0), 5000)))
    good = np.flatnonzero(2 ** (-ERRORS / np.median(ERRORS)) >= 0.7)
    assert drawn == set(good) and 0 < len(good) < 60


@pytest.mark.parametrize(("direction", "drawn"), [("high_reward", {0, 1}), ("high_error", {1, 2})])
def test_the_direction_says_which_half_is_drawn(direction, drawn):
    rl = dataclasses.replace(PAPER, direction=direction)
    weights = reweight(filled([1.0, 2.0, 4.0]), jnp.int32(0), rl)
    assert set(np.flatnonzero(weights)) == drawn


def test_learning_progress_draws_the_clip_whose_error_falls():
    state = filled([1.0, 1.0, 1.0])
    state = update(state, jnp.arange(3), jnp.array([1.0, 0.2, 3.0]), jnp.int32(1))
    rl = dataclasses.replace(PAPER, direction="learning_progress", threshold=0.0, half_life=0.0)
    weights = np.asarray(reweight(state, jnp.int32(1), rl))
    assert weights[1] > weights[0] > weights[2]


def test_a_stale_error_fades_to_the_median_by_half_in_a_half_life():
    state = filled([1.0, 3.0, 9.0])
    rl = dataclasses.replace(PAPER, half_life=10.0, threshold=0.0)
    fresh = log_priority(state, jnp.int32(0), rl)
    stale = log_priority(state, jnp.int32(10), rl)
    np.testing.assert_allclose(fresh, [-1 / 3, -1, -3], rtol=1e-6)
    np.testing.assert_allclose(stale, [-2 / 3, -1, -2], rtol=1e-6)


def test_importance_weights_undo_the_priorities_at_beta_one():
    state = filled(ERRORS)
    rl = dataclasses.replace(PAPER, threshold=0.0)
    weights = reweight(state, jnp.int32(0), rl)
    slots = jnp.flatnonzero(weights)
    assert len(slots) > 50
    full = np.asarray(sampling.importance(weights, slots, 1.0)) * np.asarray(weights)[slots]
    np.testing.assert_allclose(full, full[0], rtol=1e-5)
    assert (sampling.importance(weights, slots, 0.0) == 1).all()
    assert sampling.importance(weights, slots, 0.5).max() == 1


@pytest.mark.parametrize("direction", ["high_reward", "high_error", "learning_progress"])
@pytest.mark.parametrize("errors", [[0.0] * 5, [2.0] * 5, [1e-38] * 5, [1e38] * 5, [7.0]])
def test_equal_errors_are_drawn_alike(errors, direction):
    rl = dataclasses.replace(PAPER, direction=direction, threshold=0.0, eta=4.0)
    weights = reweight(filled(errors), jnp.int32(3), rl)
    assert (weights == weights[0]).all() and weights[0] > 0


def test_no_quality_underflows_to_nothing():
    """The qualities are 2^-1 and 2^-1000: a power of 100 leaves a float only by its ratio."""
    rl = dataclasses.replace(PAPER, eta=100.0, threshold=0.0)
    weights = reweight(filled([1.0, 1.0, 1000.0]), jnp.int32(0), rl)
    assert weights[0] == weights[1] > 0 == weights[2]


def test_an_empty_buffer_draws_nothing():
    state = init(4)
    state, batch, slots, weight = sample(state, 0, jax.random.key(0), 2, SHAPE, PAPER)
    assert not batch.segment.any() and (batch.example == -1).all() and (slots == 4).all()
    assert np.isfinite(batch.frames).all() and (weight == 1).all() and state.deferred == -1


def test_a_clip_that_was_not_measured_counts_as_the_median():
    state, _ = add(filled([1.0, 2.0, 4.0], capacity=8), clips_of(2, first=3))
    rl = dataclasses.replace(PAPER, threshold=0.0)
    np.testing.assert_allclose(log_priority(state, jnp.int32(0), rl)[:5], [-0.5, -1, -2, -1, -1])


def test_a_clip_whose_error_is_not_a_number_is_quarantined_and_counted_until_it_is_one():
    state = filled([1.0, np.nan, 1.0, np.inf])
    for eta, threshold in ((0.0, 0.0), (1.0, 0.5)):
        rl = dataclasses.replace(PAPER, eta=eta, threshold=threshold)
        assert set(np.flatnonzero(reweight(state, jnp.int32(0), rl))) == {0, 2}
    assert replay.summary(state)["quarantined"] == 2
    state = update(state, jnp.array([1]), jnp.array([1.0]), jnp.int32(1))
    assert set(np.flatnonzero(reweight(state, jnp.int32(1), PAPER))) == {0, 1, 2}
    everything = filled([np.nan, np.nan])
    assert not reweight(everything, jnp.int32(0), PAPER).any()


def test_clips_are_inserted_over_the_oldest_and_never_twice():
    state = init(5)
    state, slot = add(state, clips_of(3))
    assert slot.tolist() == [0, 1, 2]
    state = update(state, slot, jnp.array([1.0, 2.0, 3.0]), jnp.int32(0))
    twice = jax.tree.map(lambda x: x[jnp.array([1, 3, 3, 2])], clips_of(5))
    state, slot = add(state, twice)
    assert slot.tolist() == [1, 3, 3, 2] and state.inserted == 4
    np.testing.assert_array_equal(state.error, [1, 2, 3, np.nan, np.nan])
    state, slot = add(state, clips_of(2, first=10))
    assert slot.tolist() == [4, 0] and state.example.tolist() == [10 + 1, 1, 2, 3, 10]
    assert np.isnan(state.error[0])  # what the slot held before is forgotten


def test_a_clip_that_is_pushed_out_in_the_step_it_comes_again_has_no_slot():
    state, _ = add(init(2), clips_of(2))
    both = jax.tree.map(lambda *x: jnp.concatenate(x), clips_of(1, first=0), clips_of(1, first=7))
    state, slot = add(state, both)
    assert slot.tolist() == [2, 0] and state.example.tolist() == [7, 1]


def test_the_last_error_of_a_clip_drawn_twice_counts():
    state = filled([1.0, 1.0])
    state = update(state, jnp.array([0, 0, 9]), jnp.array([5.0, 6.0, 7.0]), jnp.int32(2))
    assert state.error.tolist() == [6, 1] and state.previous[0] == 1
    assert state.seen_step.tolist() == [2, 0]


def language(batch, index):
    return jax.tree.map(lambda field: jnp.asarray(field[index]), batch)


def test_what_is_drawn_is_what_was_put_in():
    """Rows of the pipeline -> clips -> the buffer -> rows again: the same numbers."""
    batch = language(packed_batch(), 0)
    batch = batch._replace(example=jnp.where(batch.example >= 0, jnp.arange(24).reshape(8, 3), -1))
    clips = to_clips(batch, F, S)
    state, _ = add(init(24), clips)
    original = {int(e): i for i, e in enumerate(clips.example) if e >= 0}
    state, rows, slots = sweep(state, 8, SHAPE)
    again = to_clips(rows, F, S)
    found = [(i, int(e)) for i, e in enumerate(again.example) if e >= 0]
    assert len(found) == len(original) == int(state.swept)
    for at, example in found:
        for name in clips._fields[:-1]:
            values = getattr(again, name)
            expected = np.asarray(getattr(clips, name)[original[example]])
            if name == "frames":
                expected = expected.astype(np.float16)
            np.testing.assert_array_equal(values[at], expected)
    counter = np.asarray(rows.frames[..., -1])
    ends = np.asarray(rows.position > 0) & (np.roll(rows.position, -1, 1) != rows.position + 1)
    np.testing.assert_allclose(counter[ends], 1)
    assert (np.asarray(slots).reshape(-1)[[i for i, _ in found]] < 24).all()


def test_the_cyclic_share_visits_every_clip_once_in_a_period():
    state, visits = filled(np.ones(20), capacity=23), np.zeros(20, int)
    while visits.sum() < 60:
        state, batch, _ = sweep(state, 2, SHAPE)
        for example in np.asarray(batch.example).ravel():
            visits[example] += example >= 0
        assert visits.max() - visits.min() <= 1
    assert visits.min() >= 3


def test_packed_draws_follow_the_probabilities_though_long_clips_find_no_room():
    """A draw that does not fit is put off, not dropped: else short clips would be favoured."""
    state = filled(np.ones(12))
    length = jnp.array([5] * 6 + [12] * 6)
    state = dataclasses.replace(state, length=length)
    rl = dataclasses.replace(PAPER, threshold=0.0)

    @functools.partial(jax.jit, static_argnums=1)
    def run(state, steps):
        def step(state, key):
            state, batch, _, _ = sampling.sample(state, jnp.int32(0), key, 1, SHAPE, rl)
            return state, batch.example

        return jax.lax.scan(step, state, jax.random.split(jax.random.key(0), steps))

    state, drawn = run(state, 20000)
    counts = np.bincount(np.asarray(drawn)[np.asarray(drawn) >= 0], minlength=12)
    assert state.deferrals > 1000
    # per length, for draws within a row are not independent of its room
    assert abs(counts[6:].sum() / counts.sum() - 0.5) < 0.01
    assert chi_square(counts, np.full(12, 1 / 12)) > 0.001


def test_a_clip_that_is_too_long_for_the_buffer_is_not_put_in():
    clips = to_clips(language(packed_batch(), 0), 6, S)
    state, slot = add(init(30, frames=6), clips)
    lengths = np.asarray(state.length)
    assert lengths.max() == 6 and (np.asarray(slot) == 30).sum() > 0


def test_clips_are_padded_alike_on_a_tpu():
    clips = clips_of(5)
    length = clips.length.at[2].set(0)
    on_cpu = np.asarray(replay._padded_last(clips.frames, length))
    elsewhere = np.asarray(replay._padded_first(clips.frames, length))
    assert on_cpu.dtype == elsewhere.dtype and np.isnan(on_cpu[2, : F * 3 * J]).all()
    np.testing.assert_array_equal(on_cpu.view(np.uint16), elsewhere.view(np.uint16))
