"""Prompt2LangGloss at a size that compiles in seconds, and fixtures of it."""

import dataclasses

import flax.linen as nn
import jax
import numpy as np
import pytest
import tiny

from signllm_jax.artifacts.group import Group
from signllm_jax.core.config import EvalConfig, ModelConfig, TextConfig
from signllm_jax.core.tasks import SHARED
from signllm_jax.data import splits
from signllm_jax.data.made_up import words_of
from signllm_jax.data.packing import Packing
from signllm_jax.data.prompt_sampling import PromptData
from signllm_jax.parallel import sharding
from signllm_jax.poses.features import collect_statistics
from signllm_jax.text.asking import ask
from signllm_jax.text.stage import make_stage
from signllm_jax.train.loop import train
from signllm_jax.train.task import get_task

CODES = ("asl", "tsl")
MODEL = ModelConfig(
    vocab=330, width=32, heads=2, mlp=64, patch=8, encoder_layers=1, decoder_layers=1, head=48
)
TEXT = TextConfig(
    kind="characters",
    units=160,
    buckets=512,
    languages=4,
    encoder_layers=1,
    distances=4,
    dropout=0.0,
    unit_drop=0.0,
    longest=160,
    line=12,
    beams=1,
)


def config_for(data_dir, **others):
    config = dataclasses.replace(
        tiny.CONFIG,
        name="prompt2langgloss",
        task="prompt2langgloss",
        model=MODEL,
        text=TEXT,
        data=dataclasses.replace(
            tiny.DATA,
            languages=CODES,
            data_dir=data_dir,
            row_frames=192,
            row_tokens=16,
            row_clips=2,
            row_units=192,
        ),
        train=dataclasses.replace(tiny.CONFIG.train, steps=2, batch_size=2),
        eval=EvalConfig(every=2, clips=2, max_frames=16, batch_size=2),
        log=dataclasses.replace(tiny.CONFIG.log, progress=False),
    )
    return dataclasses.replace(config, **others)


@pytest.fixture(scope="module")
def prompt_data(data_dir):
    """PromptData of two languages."""
    sources = [splits.open_split("fingerspelling", code, "train", data_dir) for code in CODES]
    random = np.random.default_rng(0)
    prompts = [ask(text, s.language, random)[0] for s in sources for text in s.texts]
    stage = make_stage(TEXT, MODEL.vocab, prompts, {s.language: s.units for s in sources})
    statistics = collect_statistics((s[i] for s in sources for i in range(20)), "openpose50")
    config = config_for(data_dir)
    return stage, PromptData(
        sources,
        stage,
        statistics,
        Packing.of(config),
        row_units=config.data.row_units,
        temperature=2.0,
        made_up=[words_of(source) for source in sources],
        cache_mb=8,
    )


@pytest.fixture(scope="module")
def prompted_run(data_dir, tmp_path_factory):
    """A run of two steps: what it has learnt is nothing, but it is whole."""
    workdir = tmp_path_factory.mktemp("prompted") / "run"
    assert train(config_for(data_dir), workdir)["step"] == 2
    return workdir


@pytest.fixture(scope="module")
def untrained_group(prompt_data, data_dir):
    """A group that has learnt nothing."""
    stage, train_data = prompt_data
    init = jax.jit(lambda key: nn.unbox(get_task(config_for(data_dir)).init_lane(key)))
    with sharding.use_mesh(tiny.one_device()):
        params = jax.tree.map(np.asarray, init(jax.random.key(0)))
    return Group(
        language=SHARED,
        model=MODEL,
        tokenizer=None,
        statistics=train_data._statistics[0],
        dataset="fingerspelling",
        max_frames=16,
        row_tokens=16,
        text_stage=stage,
        params=params,
    )
