"""A shared start: one language is trained alone, and all languages start from its parameters.

What a model learns about joints, time and letters helps with the next language. The first language
of a run is trained in a separate work directory, `start/` in that of the run, so that it resumes
after a stop like any run.
"""

import dataclasses
from collections.abc import Callable

from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import Config
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.tasks import get_info
from signllm_jax.core.typing import Tree
from signllm_jax.parallel import hosts
from signllm_jax.train import groups
from signllm_jax.train.setup import make_run_mesh

FOLDER = "start"


def config_of(config: Config, languages: tuple[str, ...]) -> Config | None:
    """The config of the first language's run; None without a shared start.

    Args:
        config: Config of the run.
        languages: Languages of the run.

    Raises:
        ConfigError: A shared start is not possible: the languages share one model or start from
            another run, there are several hosts, or the mesh does not fit one language.
    """
    steps, where = config.train.shared_start, "config.train.shared_start"
    if not steps:
        return None
    if get_info(config.task).shared:
        raise ConfigError(f"{where}: the languages of {config.task} share one model anyway")
    for key in ("init_from", "extend_from"):
        if getattr(config, key):
            raise ConfigError(f"{where}: config.{key} says already what a group begins from")
    if hosts.count() > 1:
        raise ConfigError(
            f"{where} is for a single host: train one language, and give config.init_from"
        )
    first = dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, languages=languages[:1]),
        train=dataclasses.replace(config.train, steps=steps, shared_start=0, language_steps={}),
        eval=dataclasses.replace(config.eval, every=steps),
    )
    make_run_mesh(first, languages[:1])
    return first


def begin(
    first: Config,
    workdir: Workdir,
    run: Callable[[Config, Workdir], dict | None],
    lanes: tuple[str, ...],
    fresh: Tree,
) -> tuple[dict, Tree] | None:
    """Trains the first language, or resumes it, and copies its parameters to all lanes.

    Args:
        first: Config from `config_of`.
        workdir: Work directory of the run that has a shared start.
        run: Trains a config in a work directory; returns its `final.json`, or None if a signal
            stopped it.
        lanes: Names of the models on the leading axis.
        fresh: Parameters [L, ...] that give the sharding of the new ones.

    Returns:
        The first run's `final.json` and the parameters [L, ...]; None if a signal stopped it.
    """
    start = Workdir(workdir.path / FOLDER)
    final = run(first, start)
    if final is None:
        return None
    return final, groups.from_groups(start, [*first.data.languages] * len(lanes), first, fresh)


def describe(config: Config, languages: tuple[str, ...]) -> str:
    """The shared start as one line of text."""
    return f"all begin from {languages[0]}, trained alone for {config.train.shared_start} steps"
