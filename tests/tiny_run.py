"""A run as it lies after an evaluation, with a tiny model that was never trained."""

from pathlib import Path

import jax
import numpy as np
from commands import TINY

from configs import mlsf
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import Config, read_config
from signllm_jax.train import groups
from signllm_jax.train.state import abstract_state


def tiny_config(data_dir: str, languages: tuple[str, ...] = ("asl",), **changes) -> Config:
    given = mlsf.get_config("fingerspelling")
    for name, value in (TINY | {"data.data_dir": data_dir} | changes).items():
        section, key = name.split(".")
        given[section][key] = value
    given["data"]["languages"] = languages
    return read_config(given.to_dict())


def write_run(path: Path, config: Config) -> Workdir:
    """A work directory whose parameters are drawn at random."""
    workdir, languages = Workdir(path), config.data.languages
    random = np.random.default_rng(0)
    params = jax.tree.map(
        lambda leaf: 0.1 * random.normal(size=leaf.shape).astype(leaf.dtype),
        abstract_state(config, languages).params,
    )
    with workdir.lock():
        workdir.claim(config, languages)
        for place, language in enumerate(languages):
            groups.keep(workdir, groups.make_group(config, language), params, place, 1, None)
    return workdir
