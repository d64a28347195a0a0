"""Languages share a program and nothing else."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import CONFIG, one_device

from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.corpora.fingerspelling import LANGUAGES
from signllm_jax.data import splits
from signllm_jax.data.batches import TrainData
from signllm_jax.data.packing import Packing
from signllm_jax.parallel import sharding
from signllm_jax.train.groups import open_groups
from signllm_jax.train.state import make_state
from signllm_jax.train.step import make_train_step

STEPS = 6
FINISHED = "gsl"  # has fewer steps than the others
STOPPED = "tsl"  # stopped early


@dataclasses.dataclass(frozen=True)
class Trained:
    """What a run of real steps left: every loss, the parameters before and after, and the rest."""

    losses: np.ndarray
    rates: np.ndarray
    history: list
    buffers: list
    compilations: int

    def params(self, step, language):
        return jax.tree.map(lambda leaf: leaf[language], self.history[step])


def fetched(params):
    """A copy, for numpy's view of a buffer would keep it from being donated."""
    return jax.device_get(jax.tree.map(jnp.copy, params))


@pytest.fixture(scope="module")
def train(data_dir, tmp_path_factory):
    def run(languages, stopped=None, **model):
        config = dataclasses.replace(
            CONFIG,
            model=dataclasses.replace(CONFIG.model, **model),
            data=dataclasses.replace(CONFIG.data, data_dir=data_dir, row_frames=128),
            train=dataclasses.replace(CONFIG.train, batch_size=2, language_steps={FINISHED: 3}),
        )
        held = open_groups(config, languages, Workdir(tmp_path_factory.mktemp("none")))
        data = TrainData(
            [splits.open_split("fingerspelling", code, "train", data_dir) for code in languages],
            [group.tokenizer for group in held],
            [group.statistics for group in held],
            Packing.of(config),
            cache_mb=0,
        )
        mesh = one_device()
        state = make_state(config, languages, mesh)
        step_fn = make_train_step(config, languages, mesh)
        losses, rates, buffers = [], [], []
        history = [fetched(state.params)]
        with sharding.use_mesh(mesh):
            for step in range(STEPS):
                if step == 2 and stopped:
                    active = np.array([code != stopped for code in languages])
                    place = state.active.sharding
                    state = dataclasses.replace(state, active=jax.device_put(active, place))
                buffers = jax.tree.leaves((state.params, state.opt_state))
                batch = data.batch(step, range(len(languages)), range(2))
                state, metrics = step_fn(state, batch)
                losses.append(np.asarray(metrics["loss"]))
                rates.append(np.asarray(metrics["learning_rate"]))
                history.append(fetched(state.params))
        return Trained(np.stack(losses), np.stack(rates), history, buffers, step_fn._cache_size())

    return run


@pytest.fixture(scope="module")
def four(train):
    return train(LANGUAGES, STOPPED)


def unchanged(run, language, since, until):
    pairs = zip(*(jax.tree.leaves(run.params(step, language)) for step in (since, until)))
    return [np.array_equal(one, other) for one, other in pairs]


def test_asl_alone_is_asl_among_four(train, four):
    alone = train(("asl",))
    place = LANGUAGES.index("asl")
    np.testing.assert_allclose(alone.losses[:, 0], four.losses[:, place], rtol=0, atol=1e-6)
    assert len(set(alone.losses[:, 0].tolist())) == STEPS
    for one, other in zip(
        jax.tree.leaves(alone.params(0, 0)), jax.tree.leaves(four.params(0, place))
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("decoder", ["autoregressive", "parallel"])
def test_asl_alone_is_asl_among_others_with_a_latent_too(train, decoder):
    model = {"latent": 3, "decoder": decoder}
    alone, among = train(("asl",), **model), train(("gsl", "asl"), **model)
    np.testing.assert_allclose(alone.losses[:, 0], among.losses[:, 1], rtol=0, atol=1e-6)
    assert len(set(alone.losses[:, 0].tolist())) == STEPS


def test_a_language_that_has_made_its_steps_stays_bit_identical(four):
    place = LANGUAGES.index(FINISHED)
    assert not all(unchanged(four, place, 2, 3))
    assert all(unchanged(four, place, 3, STEPS))
    assert four.rates[:3, place].all() and not four.rates[3:, place].any()


def test_a_language_that_was_stopped_stays_bit_identical(four):
    place = LANGUAGES.index(STOPPED)
    assert not all(unchanged(four, place, 1, 2))
    assert all(unchanged(four, place, 2, STEPS))


def test_the_others_go_on_learning(four):
    for code in set(LANGUAGES) - {FINISHED, STOPPED}:
        assert not any(
            np.array_equal(one, other)
            for name in ("frame_head", "embed_history", "start")
            for one, other in zip(
                jax.tree.leaves(four.params(STEPS - 1, LANGUAGES.index(code))[name]),
                jax.tree.leaves(four.params(STEPS, LANGUAGES.index(code))[name]),
            )
        )


def test_the_old_state_is_donated(four):
    assert len(four.buffers) > 100 and all(leaf.is_deleted() for leaf in four.buffers)


def test_one_compilation_serves_batches_of_all_lengths(four):
    assert four.compilations == 1
