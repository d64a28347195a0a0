"""Adding languages to a trained Prompt2LangGloss."""

import dataclasses

import jax
import numpy as np
import pytest
import tiny
from prompted import CODES, TEXT, config_for

from signllm_jax.artifacts.group import load_group, save_group
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.errors import CheckpointError, ConfigError
from signllm_jax.core.tasks import SHARED
from signllm_jax.corpora import fingerspelling
from signllm_jax.inference.prompt_to_pose import PromptToPose
from signllm_jax.inference.request import Draw
from signllm_jax.train.loop import train
from signllm_jax.train.shared import extend_run


def stages(group):
    """Both stages of a group and its stacked parameters."""
    model = PromptToPose(group, tiny.one_device(), 1)
    return model, jax.device_put(jax.tree.map(lambda leaf: leaf[None], group.params))


@pytest.mark.slow
def test_a_language_added_leaves_what_is_understood_unchanged(prompted_run, data_dir, tmp_path):
    grown = tmp_path / "grown"
    flags = extend_run(prompted_run, ["gsl"], grown)
    assert f"--config.init_from={grown}" in flags
    old, new = load_group(prompted_run / "groups" / SHARED), load_group(grown / "groups" / SHARED)
    assert new.text_stage.vocabulary.languages == (*CODES, "gsl")
    both = stages(old), stages(new)
    prompts = [f"How do you sign '{word}'?" for word in fingerspelling.words("asl")["dev"][:4]]
    for code in CODES:
        lines = [model.unaided(params, [p], [code])[0] for model, params in both for p in prompts]
        assert lines[:4] == lines[4:]
        clips = [
            model.clips(params, [f"<{code}:A> <{code}:B> <{code}:A>"], [Draw()])[0]
            for model, params in both
        ]
        np.testing.assert_allclose(clips[0].positions, clips[1].positions, atol=1e-5)
    config, codes = Workdir(grown).read_config()
    assert codes == (*CODES, "gsl")
    config = dataclasses.replace(
        config,
        init_from=str(grown),
        train=dataclasses.replace(config.train, steps=1),
        eval=dataclasses.replace(config.eval, every=1),
    )
    assert train(config, tmp_path / "run")["step"] == 1
    assert load_group(tmp_path / "run" / "groups" / SHARED).text_stage == new.text_stage


@pytest.mark.slow
def test_tables_that_must_grow_do(prompted_run, tmp_path):
    group = load_group(prompted_run / "groups" / SHARED)
    tight = dataclasses.replace(TEXT, units=group.text_stage.units.size, languages=3)
    stage = group.text_stage
    units = dataclasses.replace(stage.units, marks=2)
    params = dict(group.params)
    first = stage.units.size - len(stage.units.known)
    table = group.params["text_stage"]["embed_unit"]["unit"]
    table = np.concatenate([table[: first - 1], table[first : stage.units.size]])
    params["text_stage"] = dict(params["text_stage"]) | {
        "embed_unit": dict(params["text_stage"]["embed_unit"]) | {"unit": table}
    }
    params["langgloss"] = {
        "gloss": params["langgloss"]["gloss"][: stage.vocabulary.size],
        "language": params["langgloss"]["language"][:3],
    }
    tight = dataclasses.replace(tight, units=len(table))
    tight_stage = dataclasses.replace(stage, config=tight, rows=stage.vocabulary.size, units=units)
    model = dataclasses.replace(group.model, vocab=stage.vocabulary.size)
    config, _ = Workdir(prompted_run).read_config()
    small = Workdir(tmp_path / "small")
    small.path.mkdir()
    small.claim(dataclasses.replace(config, text=tight, model=model), CODES)
    own = dataclasses.replace(group, model=model, text_stage=tight_stage, params=params)
    save_group(small.group(SHARED), own)
    extend_run(small.path, ["gsl"], tmp_path / "grown")
    new = load_group(tmp_path / "grown" / "groups" / SHARED)
    assert new.model.vocab == new.text_stage.vocabulary.size > model.vocab
    assert new.text_stage.config.languages == 4 and new.text_stage.units.marks == 3
    assert new.params["langgloss"]["gloss"].shape[0] == new.model.vocab
    assert new.params["langgloss"]["language"].shape[0] == 4
    prompts, asked = ["How do you sign 'cat'?"], ["asl"]
    lines = [model.unaided(params, prompts, asked) for model, params in (stages(own), stages(new))]
    assert lines[0] == lines[1]
    with pytest.raises(ConfigError, match="has 'asl' already"):
        extend_run(prompted_run, ["asl"], tmp_path / "other")
    with pytest.raises(CheckpointError, match="holds a run already"):
        extend_run(prompted_run, ["gsl"], tmp_path / "grown")


@pytest.mark.slow
def test_a_run_of_a_language_without_a_mark_is_refused(prompted_run, data_dir, tmp_path):
    config = config_for(data_dir, init_from=str(prompted_run))
    config = dataclasses.replace(
        config, data=dataclasses.replace(config.data, languages=("asl", "gsl"))
    )
    with pytest.raises(ConfigError, match="no mark for 'gsl'"):
        train(config, tmp_path / "run")
