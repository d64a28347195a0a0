"""Runs of a model shared by languages: where its group comes from, and adding languages."""

import dataclasses
import os
from collections.abc import Sequence

from signllm_jax.artifacts.extend import extend_group, extend_stage
from signllm_jax.artifacts.group import Group, load_group, save_group
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import Config
from signllm_jax.core.errors import CheckpointError, ConfigError
from signllm_jax.core.tasks import SHARED, get_info
from signllm_jax.text.language_names import known_code
from signllm_jax.train.task import get_task


def frozen_group(config: Config, languages: Sequence[str], workdir: Workdir) -> Group | None:
    """The group of a run or of `config.init_from` without parameters; None if there is none yet.

    Raises ConfigError if the group lacks one of the languages.
    """
    group = None
    if (workdir.group(SHARED) / "group.json").exists():
        group = load_group(workdir.group(SHARED), with_params=False)
    elif config.init_from:
        start = load_group(Workdir(config.init_from.partition(":")[0]).group(SHARED))
        group = dataclasses.replace(start, params=None, step=0, dev_score=None)
    if group is not None:
        missing = set(languages) - set(group.needed_text_stage.vocabulary.languages)
        if missing:
            raise ConfigError(
                f"the model has no mark for {min(missing)!r}: add it with launch/extend.py"
            )
    return group


def extend_run(
    workdir: str | os.PathLike,
    languages: Sequence[str],
    output: str | os.PathLike,
    data_dir: str | None = None,
) -> str:
    """Adds languages to the model of a run and writes it to a folder for `config.init_from`.

    Args:
        workdir: Work directory of a trained run whose languages share a model.
        languages: Codes or names of the new languages; their train splits are read.
        output: Output folder, which appears when it is complete.
        data_dir: Data folder of the new languages, by default that of the run.

    Returns:
        One line with the flags for training the model.

    Raises:
        ConfigError: The run is of another kind or has one of the languages, or the output folder
            is not empty.
        CheckpointError: The run cannot be read, or the output is a run already or cannot be
            written.
    """
    config, codes = Workdir(workdir).read_config()
    if not get_info(config.task).shared:
        raise ConfigError(f"{os.fspath(workdir)}: languages are added to a shared model only")
    languages = [known_code(name) for name in languages]
    if again := [code for code in languages if code in codes]:
        raise ConfigError(f"{os.fspath(workdir)}: has {again[0]!r} already")
    target = Workdir(output)
    if target.config_file.exists():
        raise CheckpointError(f"{os.fspath(output)}: holds a run already")
    target.check_empty()
    every = (*codes, *languages)
    data = dataclasses.replace(config.data, languages=every)
    if data_dir is not None:
        data = dataclasses.replace(data, data_dir=data_dir)
    config = dataclasses.replace(config, data=data, init_from="")
    group = load_group(Workdir(workdir).group(SHARED))
    texts, lines = get_task(config).material(tuple(languages))
    stage = extend_stage(group.needed_text_stage, texts, lines)
    group = extend_group(group, stage)
    grown = dataclasses.replace(config, model=group.model, text=group.needed_text_stage.config)
    with target.appearing() as made:
        save_group(made.group(SHARED), group)
        made.claim(grown, every)
    return (
        f"--config.init_from={os.fspath(output)} --config.model.vocab={group.model.vocab} "
        f"--config.text.units={grown.text.units} --config.text.languages={grown.text.languages} "
        f"--config.data.languages={every}"
    )
