"""One latent a clip: its distributions, its way through packed rows, and what a seed draws."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from absl.testing import flagsaver
from fastapi.testclient import TestClient
from tiny import CONFIG, MODEL, one_device, packed_batch
from tiny_run import tiny_config, write_run

from launch import produce
from signllm_jax import SignLLM
from signllm_jax.core.errors import ConfigError
from signllm_jax.inference.request import Draw
from signllm_jax.models import mlsf
from signllm_jax.models.layers.clip_latent import Normal
from signllm_jax.models.text2pose import Text2Pose, teacher_forcing
from signllm_jax.parallel import sharding
from signllm_jax.poses.files import read_clip
from signllm_jax.poses.smooth import smoothed
from signllm_jax.serve.app import make_app
from signllm_jax.train.mlsf import MlsfTask

pytestmark = pytest.mark.usefixtures("cheap_compiles", "mesh")
LATENT = dataclasses.replace(MODEL, latent=5)
CLIPS = CONFIG.data.row_clips


@pytest.fixture(scope="module")
def mesh():
    with sharding.use_mesh(one_device()) as mesh:
        yield mesh


@pytest.fixture(scope="module")
def params():
    """Drawn at random; nothing is compiled for it."""
    random = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: jnp.float32(0.2 * random.normal(size=leaf.shape)),
        nn.unbox(mlsf.abstract_group(LATENT)),
    )


@pytest.fixture(scope="module")
def batch():
    return jax.tree.map(lambda field: field[0], packed_batch(("asl",), rows=2))


def run(params, method, *args):
    return Text2Pose(LATENT).apply({"params": params}, *args, method=method)


def test_the_divergence_is_that_of_samples():
    one = Normal(jnp.array([0.3, -1.0]), jnp.array([-0.5, 0.7]))
    other = Normal(jnp.array([0.0, 0.5]), jnp.array([0.2, -0.3]))
    points = one.at(np.random.default_rng(0).normal(size=(100_000, 2)))

    def log_density(normal):
        away = jnp.square(points - normal.mean) * jnp.exp(-normal.log_variance)
        return -0.5 * (away + normal.log_variance).sum(-1)

    sampled = (log_density(one) - log_density(other)).mean()
    np.testing.assert_allclose(one.divergence(other), sampled, atol=0.02)
    assert one.divergence(one) == 0 and one.divergence(other) > 0.5


def test_the_latent_is_small_and_only_there_where_it_is_asked_for():
    for frame_size in (151, 385):
        sizes = dataclasses.replace(MODEL, frame_size=frame_size)
        with_latent = dataclasses.replace(sizes, latent=16)
        more = mlsf.count_parameters(with_latent) - mlsf.count_parameters(sizes)
        assert 50_000 < more < 200_000
    assert not {"latent", "read_latent"} & set(mlsf.abstract_group(MODEL))


def test_no_clip_of_a_row_reaches_the_latent_of_another(params, batch):
    """Planted: all of a row's first clip is changed, its text and its frames."""
    first = batch.segment == 1
    other = batch._replace(
        frames=np.where(first[..., None], batch.frames + 1, batch.frames),
        joint_mask=batch.joint_mask ^ first[..., None],
        text=np.where(batch.text_segment == 1, 3, batch.text),
    )

    @jax.jit
    def found(batch):
        text = batch.text, batch.text_segment
        seen = batch.frames[..., :-1], batch.joint_mask, batch.segment
        posterior = run(params, "posterior", *seen, batch.text_segment, CLIPS)
        return posterior, run(params, "prior", *text, CLIPS)

    for one, changed in zip(*map(jax.tree.leaves, (found(batch), found(other)))):
        np.testing.assert_allclose(one[:, 1:], changed[:, 1:], atol=1e-6)
        assert np.abs(one[:, 0] - changed[:, 0]).min() > 1e-5


def test_a_latent_reaches_all_patches_of_its_clip_and_no_other(params, batch):
    given = teacher_forcing(batch.frames, batch.segment, LATENT.patch)

    @jax.jit
    def predict(latent):
        args = batch.text, batch.text_segment, *given
        return Text2Pose(LATENT).apply({"params": params}, *args, latent=latent)

    latent = np.random.default_rng(0).normal(size=(2, CLIPS, LATENT.latent)).astype(np.float32)
    changed = latent.copy()
    changed[:, 1] += 1  # the second clip's
    for one, other in zip(predict(latent), predict(changed)):
        moved = np.abs(one - other).reshape(*batch.segment.shape, -1).max(-1)
        assert (moved[batch.segment == 2] > 1e-6).all()
        np.testing.assert_allclose(moved[np.isin(batch.segment, (1, 3))], 0, atol=1e-6)


def test_the_weight_of_the_divergence_pushes_the_posterior_to_the_prior(params, batch):
    loss = dataclasses.replace(CONFIG.loss, latent=10.0)
    task = MlsfTask(dataclasses.replace(CONFIG, model=LATENT, loss=loss))
    step = jax.jit(jax.grad(lambda p: task.loss(p, batch, jax.random.key(0)), has_aux=True))
    found = []
    for _ in range(6):
        grads, terms = step(params)
        norm = optax.tree.norm(grads)
        params = jax.tree.map(lambda p, g, n=norm: p - 0.03 * g / n, params, grads)
        found.append(float(terms["latent"]))
        known = {name: float(value) for name, value in terms.items()}
        parts = known["frame"] + 10 * known["latent"]
        parts += sum(getattr(loss, n) * known[n] for n in ("velocity", "counter", "seen"))
        np.testing.assert_allclose(known["loss"], parts, rtol=1e-5)
    assert found[-1] < 0.7 * found[0]


@pytest.fixture(scope="module")
def model(data_dir, tmp_path_factory):
    config = tiny_config(data_dir, **{"model.latent": 4})
    return SignLLM.load(write_run(tmp_path_factory.mktemp("run") / "run", config).path)


def test_a_seed_gives_one_clip_and_another_seed_another(model):
    assert model.draws("asl")
    clips = [model.produce("abc", seed=seed) for seed in (1, 2, 1)]
    np.testing.assert_array_equal(clips[0].positions, clips[2].positions)
    assert differ(clips[0], clips[1])
    cold = [model.produce("abc", seed=seed, temperature=0) for seed in (1, 2)]
    np.testing.assert_array_equal(cold[0].positions, cold[1].positions)


def test_samples_are_several_clips_of_which_the_first_is_that_of_the_seed(model):
    samples = model.produce_samples("abc", samples=3, seed=7)
    np.testing.assert_allclose(
        samples[0].positions, model.produce("abc", seed=7).positions, atol=1e-5
    )
    assert differ(samples[0], samples[1]) and differ(samples[1], samples[2])
    again = model.sign(model.samples(model.read("abc", seed=7), 3))
    np.testing.assert_array_equal(again[2].clip.positions, samples[2].positions)


def test_a_request_names_its_seed(model):
    with TestClient(make_app(model), base_url="http://localhost") as client:
        assert [one["draws"] for one in client.get("/languages").json()["languages"]] == [True]

        def ask(seed):
            return client.post("/produce", json={"text": "abc", "seed": seed}).json()["clip"]

        assert ask(1) == ask(1) != ask(2)
        files = [client.get(f"/clip?text=abc&format=json&seed={seed}").content for seed in (1, 2)]
        assert files[0] != files[1]


def test_the_command_writes_a_file_for_each_sample(model, monkeypatch, tmp_path):
    monkeypatch.setattr(SignLLM, "load", lambda _: model)
    produce.flags.FLAGS(["produce"])
    wanted = {"workdir": "run", "text": "abc", "output": str(tmp_path / "a.npz"), "seed": 7}
    with flagsaver.flagsaver(**wanted, samples=2):
        produce.main()
    with flagsaver.flagsaver(**wanted, smooth=True):
        produce.main()
    made = [read_clip(tmp_path / name, 25) for name in ("a-1.npz", "a-2.npz", "a.npz")]
    assert len(list(tmp_path.iterdir())) == 3
    own = model.produce("abc", seed=7)
    np.testing.assert_allclose(made[0].positions, own.positions, atol=1e-5)
    assert differ(made[0], made[1])
    np.testing.assert_allclose(made[2].positions, smoothed(own).positions, atol=1e-5)
    with pytest.raises(ConfigError, match="samples: 0 is less than 1"):
        model.produce_samples("abc", samples=0)


def differ(one, other) -> bool:
    return one.positions.shape != other.positions.shape or bool(
        np.abs(one.positions - other.positions).max() > 1e-4
    )


def test_a_draw_depends_on_seed_and_sample_alone():
    assert Draw(3).noise(4).dtype == np.float32
    np.testing.assert_array_equal(Draw(3, 1).noise(4), Draw(3, 1).noise(4))
    assert len({tuple(Draw(*draw).noise(4)) for draw in ((0, 0), (0, 1), (1, 0), (1, 1))}) == 4
    np.testing.assert_array_equal(Draw(3, 1, 0.5).noise(4), 0.5 * Draw(3, 1).noise(4))
    noise = np.stack([Draw(seed).noise(16) for seed in range(500)])
    assert abs(noise.mean()) < 0.05 and abs(noise.std() - 1) < 0.05


@pytest.mark.parametrize("wanted", [{"seed": -1}, {"temperature": -1.0}, {"temperature": np.nan}])
def test_a_draw_out_of_range_is_refused(model, wanted):
    with pytest.raises(ConfigError, match=next(iter(wanted))):
        model.read("abc", **wanted)
