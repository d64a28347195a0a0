"""A shared start: one language is trained alone, and all languages begin from its parameters.

What a group learns of joints, of time and of letters serves the next language, too. The first of a
run's languages is trained in a work directory of its own, `start/` in that of the run, so that it
goes on after a stop as any run does.
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
    """The config of the first language's run; None where every language begins by itself.

    Args:
        config: Of the run.
        languages: That it trains.

    Raises:
        ConfigError: The run's groups cannot begin so: they are not one a language, they come from
            another run already, several hosts train them, or the mesh does not fit one language.
    """
    steps, where = config.train.shared_start, "config.train.shared_start"
    if not steps:
        return None
    if get_info(config.task).shared:
        raise ConfigError(f"{where}: the languages of {config.task} share one model anyway")
    for other in ("init_from", "extend_from"):
        if getattr(config, other):
            raise ConfigError(f"{where}: config.{other} says already what a group begins from")
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
    """Trains the first language, or goes on with it, and gives its parameters to all lanes.

    Args:
        first: From `config_of`.
        workdir: Of the run whose languages begin so.
        run: Trains a config in a work directory; returns its `final.json`, None where a signal
            stopped it.
        lanes: Names of the models on the leading axis.
        fresh: Parameters [L, ...], which say where the new ones are placed.

    Returns:
        The first run's `final.json` and the parameters [L, ...]; None where a signal stopped it.
    """
    own = Workdir(workdir.path / FOLDER)
    final = run(first, own)
    if final is None:
        return None
    (language,) = first.data.languages
    return final, groups.from_groups(own, [language] * len(lanes), first, fresh)


def told(config: Config, languages: tuple[str, ...]) -> str:
    """What a shared start was, in a line."""
    return f"all begin from {languages[0]}, trained alone for {config.train.shared_start} steps"
