"""Prepared clips of both layouts train and are produced; D follows from the layout."""

import dataclasses
import json

import numpy as np
import pytest
from commands import TINY
from test_prepare import PHX, clip_of, corpus, prepare

from configs.mlsf import get_config
from signllm_jax.api import SignLLM
from signllm_jax.core.config import read_config
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.skeleton import DWPOSE128, DWPOSE_TO_OPENPOSE50
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.skels import write_skels
from signllm_jax.train import loop


def with_face(clip):
    """A dwpose128 clip whose arms and hands move as an openpose50 clip's."""
    positions = np.zeros((len(clip), 128, 3), np.float32)
    positions[:, 60:, :2] = np.random.default_rng(0).normal([0, -0.7], 0.1, (68, 2))
    positions[:, list(DWPOSE_TO_OPENPOSE50)] = clip.positions
    positions[..., 2] = 0.9
    return PoseClip(positions, positions[..., 2], clip.fps, DWPOSE128.name)


def config_of(dataset, data_dir, **values):
    config = get_config(f"{dataset},tiny")
    config.update_from_flattened_dict(TINY | {"data.data_dir": str(data_dir)} | values)
    return config


@pytest.mark.parametrize(
    "layout, dataset, size",
    [
        pytest.param("openpose50", "prompt2sign/gsl", 151, marks=pytest.mark.slow),
        pytest.param("dwpose128", "prompt2sign/dwpose128", 385, marks=pytest.mark.slow),
    ],
)
def test_a_layout_trains_and_produces_clips_of_its_own(tmp_path, layout, dataset, size):
    folder, data_dir = corpus(tmp_path / "corpus", train=3), tmp_path / "data"
    if layout == DWPOSE128.name:
        write_skels(folder / "train.skels", (with_face(clip_of(n)) for n in range(3)))
    prepare(folder, data_dir, dataclasses.replace(PHX, layout=layout))
    values = {"data.languages": (), "data.row_tokens": 24, "train.steps": 30}
    values |= {"optimizer.warmup": 2, "checkpoint.every": 30, "eval.every": 30}
    config = read_config(config_of(dataset, data_dir, **values).to_dict())
    assert config.model.frame_size == size and config.data.layout == layout
    assert loop.train(config, tmp_path / "run") is not None
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(x)["gsl"]["loss"] for x in lines if json.loads(x)["kind"] == "train"]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    clip = SignLLM.load(tmp_path / "run").produce("text 1", "gsl")
    assert clip.layout == layout and np.isfinite(clip.positions).all()
    if layout == DWPOSE128.name:
        np.testing.assert_array_equal(clip.positions[..., 2], clip.confidence)


def test_numbers_of_a_frame_that_no_layout_has_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="frame_size"):
        read_config(config_of("prompt2sign", tmp_path, **{"model.frame_size": 200}).to_dict())
