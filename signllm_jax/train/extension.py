"""Adds languages to a trained MLSF: a run copies the groups of another run unchanged.

Only the new languages are trained. The result is the same as if all had been trained together,
because lanes do not interact (see parallel/language_axis.py).
"""

from signllm_jax.artifacts.group import copy_group, load_group
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import Config
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.tasks import get_info


def kept_languages(config: Config, workdir: Workdir) -> tuple[str, ...]:
    """Codes of the languages whose groups a run copies from the run that it extends.

    A resumed run has saved them itself. Without `config.extend_from` there are none.

    Raises:
        ConfigError: The run or the extended run is not an MLSF.
        CheckpointError: There is no run to extend, or one of its groups cannot be read.
    """
    if not config.extend_from:
        return ()
    if not _extends(config):
        raise ConfigError(
            f"config.extend_from: {config.task} is no MLSF: the tables of a model that languages "
            "share are grown by launch/extend.py"
        )
    if workdir.config_file.exists() and (kept := workdir.read_kept()):
        return kept
    extended = Workdir(config.extend_from)
    held, languages = extended.read_config()
    if not _extends(held):
        raise ConfigError(f"config.extend_from: {config.extend_from} is a {held.task}, no MLSF")
    kept = (*extended.read_kept(), *languages)
    for code in kept:  # a damaged group is an error before anything is written
        load_group(extended.group(code))
    return kept


def _extends(config: Config) -> bool:
    """Whether a run has one group per language, and these produce poses."""
    info = get_info(config.task)
    return info.makes_poses and not info.shared


def take_along(config: Config, workdir: Workdir, languages: tuple[str, ...]) -> None:
    """Copies those groups of `languages` from the extended run that are not here yet.

    A group's folder appears when it is complete. Raises CheckpointError if one cannot be copied.
    """
    for code in languages:
        if not (workdir.group(code) / "group.json").exists():
            copy_group(Workdir(config.extend_from).group(code), workdir.group(code))
