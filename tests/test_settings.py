"""Settings of training and decoding: each does what its name says."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny

from signllm_jax.core.config import LossConfig, OptimizerConfig, ReadingConfig, RLConfig
from signllm_jax.core.typing import TokenScores
from signllm_jax.inference.beam_search import beam_search, length_penalty, mean_of_tokens
from signllm_jax.models.layers.blocks import Block, Dropout
from signllm_jax.models.losses import line_losses, reading_losses
from signllm_jax.models.pose2text import END, Memory
from signllm_jax.parallel import sharding
from signllm_jax.rl import plc, policy
from signllm_jax.train.mlsf import MlsfTask, corrupt
from signllm_jax.train.optimizer import make_optimizer
from signllm_jax.train.task import Learning


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_label_smoothing_spreads_a_share_over_all_glosses(smoothing):
    logits = np.random.default_rng(0).normal(size=(1, 3, 7)).astype(np.float32)
    line, segment = np.array([[10, 12, 1]]), np.array([[1, 1, 1]])  # marks 1, 1 and none
    scores = TokenScores(logits, np.zeros((1, 3, 2), np.float32))
    terms = line_losses(scores, line, segment, smoothing)
    target = (1 - smoothing) * np.eye(7)[[3, 5, 1]] + smoothing / 7
    expected = -(target * np.asarray(jax.nn.log_softmax(logits[0]))).sum(-1).mean()
    assert float(terms["loss"] - terms["mark"]) == pytest.approx(expected, rel=1e-5)
    unsmoothed = line_losses(scores, line, segment, 0.0)
    assert float(terms["gloss"]) == pytest.approx(float(unsmoothed["gloss"]))


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_label_smoothing_of_a_reader_spreads_a_share_over_all_tokens(smoothing):
    logits = np.random.default_rng(0).normal(size=(1, 3, 7)).astype(np.float32)
    target, segment = np.array([[3, 5, END]]), np.array([[1, 1, 1]])
    memory = Memory((), np.ones((1, 2)), np.zeros((1, 2)), 2 * np.ones((1, 2)), None)
    config = ReadingConfig(smoothing=smoothing, count=0.0)
    found = reading_losses(logits, target, segment, memory, None, config)["token"]
    labels = (1 - smoothing) * np.eye(7)[target[0]] + smoothing / 7
    expected = -(labels * np.asarray(jax.nn.log_softmax(logits[0]))).sum(-1).mean()
    assert float(found) == pytest.approx(expected, rel=1e-5)


def best_line(normalize, beams=3):
    """The best of two lines, `` with probability 0.5 and `2 3 4` with 0.5 * 0.9 * 0.9 * 0.9."""
    end, vocab = 1, 6
    table = np.full((5, vocab), 1e-6)  # by the step: the most probable continuations
    table[0, [end, 2]] = 0.5
    for place, token in ((1, 3), (2, 4), (3, end)):
        table[place, token] = 0.9

    def step(before, index, caches):
        logp = jnp.broadcast_to(jnp.log(table)[index], (len(before), vocab))
        return logp, jnp.zeros(len(before), jnp.int32), caches

    empty = jnp.zeros(1, bool)
    found = beam_search(step, (), empty, 5, beams, start=0, end=end, normalize=normalize)
    return [token for token in found.tokens[0].tolist() if token], found


def test_the_length_penalty_makes_up_for_what_a_longer_line_costs():
    short, found = best_line(length_penalty(0.0))
    assert short == [] and float(found.logp[0]) == pytest.approx(np.log(0.5), rel=1e-4)
    line, found = best_line(length_penalty(2.0))
    assert line == [2, 3, 4]
    logp = np.log(0.5 * 0.9**3)
    assert float(found.logp[0]) == pytest.approx(logp, rel=1e-4)
    assert float(found.score[0]) == pytest.approx(logp / ((5 + 4) / 6) ** 2, rel=1e-4)
    line, found = best_line(mean_of_tokens)
    assert line == [2, 3, 4] and float(found.score[0]) == pytest.approx(logp / 4, rel=1e-4)


def test_a_share_of_known_words_is_hidden_from_half_of_the_prompts(prompt_data):
    """`text.word_drop`; the letters themselves stay."""
    stage, data = prompt_data
    none, full = (
        dataclasses.replace(stage, config=dataclasses.replace(stage.config, word_drop=share))
        for share in (0.0, 1.0)
    )
    kept, plain, changed = data._stage, [], []
    try:
        for chosen, into in ((none, plain), (full, changed)):
            data._stage = chosen
            into += [data.batch(step, [0], [0, 1]).prompts for step in range(4)]
    finally:
        data._stage = kept
    first = [(a.units[..., :40, :], b.units[..., :40, :]) for a, b in zip(plain, changed)]
    # the first prompt of a row is drawn before any word is hidden
    lengths = [min((a.unit_segment[0, r] == 1).sum(), 40) for a in plain for r in (0, 1)]
    rows = [(a[0, r], b[0, r]) for a, b in first for r in (0, 1)]
    same = [np.array_equal(a[:n, 0], b[:n, 0]) for (a, b), n in zip(rows, lengths)]
    hidden = [not np.array_equal(a[:n, 1:], b[:n, 1:]) for (a, b), n in zip(rows, lengths)]
    assert all(same) and 0 < sum(hidden) < len(hidden)


def test_row_dropout_drops_the_same_numbers_in_all_steps_of_a_row():
    x = jnp.ones((3, 16, 32))

    def dropped(by_row):
        module = Dropout(0.5, by_row)
        with sharding.use_mesh(tiny.one_device()):
            made = module.apply({}, x, False, rngs={"dropout": jax.random.key(0)})
        return np.asarray(made) == 0

    together, apart = dropped(True), dropped(False)
    np.testing.assert_array_equal(together, together[:, :1].repeat(16, 1))
    assert 0.3 < together.mean() < 0.7 and (together[0] != together[1]).any()
    assert (apart != apart[:, :1]).any()
    block = Block(32, 4, 64, 0.5, row_dropout=True).bind({})
    assert block.drop.by_row and not Block(32, 4, 64, 0.5).bind({}).drop.by_row


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_noise_on_the_counter_leaves_the_start_of_a_clip(noise):
    counter = jnp.asarray(np.tile([0.0, 5.0, 6.0, 7.0], (64, 16)))
    config = LossConfig(noise=0.0, history_drop=0.0, counter_noise=noise)
    history, made = corrupt(jnp.ones((64, 64, 3)), counter, jax.random.key(0), config)
    begun = np.asarray(counter) > 0
    assert not np.asarray(made)[~begun].any() and (np.asarray(made)[begun] > 0).all()
    assert np.std(np.asarray(made - counter)[begun]) == pytest.approx(noise, rel=0.1)
    np.testing.assert_array_equal(history[begun], 1)


def test_the_policys_deviation_goes_to_its_last_value(monkeypatch):
    rl = RLConfig(loss="policy_gradient", deviation=0.2, final_deviation=0.05, supervised=0.0)
    task = MlsfTask(dataclasses.replace(tiny.CONFIG, rl=rl))
    # the loss is then the deviation that the policy is given
    monkeypatch.setattr(policy, "policy_loss", lambda *args: args[4])
    batch = jax.tree.map(lambda x: x[0, :2], tiny.packed_batch(("asl",)))
    with sharding.use_mesh(tiny.one_device()):
        params = nn.unbox(jax.jit(task.init_lane)(jax.random.key(0)))
        sigma = jax.jit(
            lambda progress: task.loss(params, batch, jax.random.key(1), Learning(None, progress))[
                1
            ]["policy"]
        )
        found = [float(sigma(jnp.float32(progress))) for progress in (0.0, 0.5, 1.0)]
    np.testing.assert_allclose(found, [0.2, 0.1, 0.05], rtol=1e-5)


def test_so_many_clips_of_a_stratum_are_measured_anew_in_a_step_as_the_config_says():
    strata, clips = 2, 1
    rl = RLConfig(
        plc=True, share=0.5, strata=strata, capacity=24, clip_frames=12, rollout_clips=clips
    )
    config = dataclasses.replace(tiny.CONFIG, rl=rl)
    host = tiny.packed_batch(("asl",), rows=4)
    keys = jax.random.split(jax.random.key(0), 1)
    with sharding.use_mesh(tiny.one_device()):
        begin = sharding.on_own_rows(lambda *args: plc.begin(*args, config=config))
        replay = jax.jit(begin)(plc.init(config, 1), host, keys, jnp.zeros((), jnp.int32))[0]
    replay = jax.tree.map(lambda x: x[0], replay)
    filled = np.asarray(replay.inserted)
    assert (filled > clips).all() and RLConfig().rollout_clips != clips

    def measured(replay, step):
        after = plc.rescore(replay, lambda c: jnp.ones(len(c.length)), jnp.int32(step), config)
        return after, (np.asarray(after.error) == 1).sum(1)

    once, first = measured(replay, 0)
    _, second = measured(once, 1)
    np.testing.assert_array_equal(first, [clips] * strata)
    np.testing.assert_array_equal(second, np.minimum(filled, 2 * clips))


@pytest.mark.parametrize("b1", [0.0, 0.9])
def test_the_optimizer_remembers_gradients_as_long_as_b1_says(b1):
    config = OptimizerConfig(learning_rate=0.1, warmup=0, weight_decay=0.0, clip=100.0, b1=b1)
    optimizer, params = make_optimizer(config, jnp.int32(1000)), {"a": jnp.ones(2)}
    state = optimizer.init(params)
    for sign in (1.0, 1.0, 1.0, -1.0):
        updates, state = optimizer.update({"a": sign * jnp.ones(2)}, state, params)
    forgotten = b1 == 0
    assert (np.asarray(updates["a"]) > 0).all() == forgotten
    assert optax.tree.norm(updates) > 0
