"""The groups of a run: tokenizer and statistics frozen at step 0, and the best parameters."""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np

from signllm_jax.artifacts.group import Group, load_group, save_group
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import Config
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.typing import Tree
from signllm_jax.corpora.published import is_spelled
from signllm_jax.data.corruption import open_train
from signllm_jax.parallel import hosts, sharding
from signllm_jax.poses.features import collect_statistics
from signllm_jax.text.glosses import gloss_vocabulary
from signllm_jax.text.spoken_signs import spoken_signs
from signllm_jax.text.tokenizer import train_tokenizer


def open_groups(config: Config, languages: Sequence[str], workdir: Workdir) -> list[Group]:
    """The frozen group of every language without parameters, made from train if it is missing.

    Nothing is written. Raises DataError if a train split is empty and ConfigError if its tokens do
    not fit.
    """
    return [
        load_group(workdir.group(code), with_params=False)
        if (workdir.group(code) / "group.json").exists()
        else make_group(config, code)
        for code in languages
    ]


def make_group(config: Config, language: str) -> Group:
    """A group without parameters, made from the train split of its language."""
    data = open_train(config.data, language)
    units = [unit for word in data.units for unit in word]
    tokenizer = train_tokenizer(data.texts, units, config.text.kind, config.model.vocab, language)
    spelled = is_spelled(config.data.dataset)
    lengths = [len(tokenizer.encode(text)) for text in data.texts] if spelled else []
    return new_group(
        config,
        language,
        tokenizer=tokenizer,
        statistics=collect_statistics(data.sound_examples(config.data.max_bad), config.data.layout),
        glosses=gloss_vocabulary(data.units, config.reader.gloss_vocab if config.reader else 0),
        trained_tokens=(min(lengths), max(lengths)) if lengths else None,
        signs=() if spelled else spoken_signs(data.texts, data.units),
    )


def new_group(config: Config, language: str, **parts) -> Group:
    """A group without parameters; `parts` are attributes that do not follow from the config."""
    limits = {"max_frames": config.eval.max_frames, "row_tokens": config.data.row_tokens}
    values = {"tokenizer": None, "statistics": None, **limits, **parts}
    return Group(language=language, model=config.model, dataset=config.data.dataset, **values)


def freeze(workdir: Workdir, groups: Sequence[Group]) -> None:
    """Writes the groups that the work directory does not have yet, on the first host."""
    for group in groups if hosts.is_first() else ():
        if not (workdir.group(group.language) / "group.json").exists():
            save_group(workdir.group(group.language), group)


def keep(
    workdir: Workdir, group: Group, params: Tree, index: int, step: int, score: float | None
) -> None:
    """Writes lane `index` of the stacked parameters as the best of its group, on the first host.

    All hosts call it, because each may hold a part of the parameters.
    """
    best = dataclasses.replace(
        group, params=hosts.gather(params, index), step=step, dev_score=score
    )
    if hosts.is_first():
        save_group(workdir.group(group.language), best)


def initial_params(config: Config, languages: Sequence[str], fresh: Tree) -> Tree:
    """Stacked parameters of another run, `config.init_from` = WORKDIR or WORKDIR:language.

    Every language starts from the named group, or without a name from the group of the same
    language. Raises ConfigError if the sizes of the model differ from the config.
    """
    path, _, named = config.init_from.partition(":")
    return from_groups(Workdir(path), [named or code for code in languages], config, fresh)


def from_groups(workdir: Workdir, names: Sequence[str], config: Config, fresh: Tree) -> Tree:
    """The parameters [L, ...] of the named groups of a run, sharded like those of `fresh`.

    Raises ConfigError if the sizes of the model differ from the config.
    """
    params = []
    for name in names:
        group = load_group(workdir.group(name), reading=config.reader)
        if group.model != config.model:
            raise ConfigError(
                f"config.init_from: the group {name} of {workdir.path} has another model"
            )
        params.append(group.params)
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *params)
    return jax.tree.map(lambda new, old: sharding.place(new, old.sharding), stacked, fresh)


def comparable(record: dict, lead: str) -> dict:
    """A checkpoint's record, without best scores if they are of another metric than `lead`.

    Runs older than the metric `score` used a DTW ratio, which their record does not name.
    """
    if record.get("lead", "dtw_mean_pose_ratio" if lead == "score" else lead) == lead:
        return record
    return {key: value for key, value in record.items() if key not in ("best", "waiting", "lead")}
