"""Which of a text's clips is meant: seeds, samples and temperatures, from all doors."""

import numpy as np
import pytest
from absl.testing import flagsaver
from fastapi.testclient import TestClient
from tiny_run import tiny_config, write_run

from launch import produce
from signllm_jax import SignLLM
from signllm_jax.core.errors import ConfigError
from signllm_jax.inference.request import Draw
from signllm_jax.poses.files import read_clip
from signllm_jax.poses.smooth import smoothed
from signllm_jax.serve.app import make_app


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
