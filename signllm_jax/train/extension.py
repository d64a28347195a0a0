"""Adding languages to a trained MLSF: a run takes along the groups of another as they are.

The new languages are trained by themselves, which gives what training all at once would give (see
parallel/lanes.py); the groups of the others are copied byte for byte.
"""

from signllm_jax.artifacts.group import copy_group, load_group
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import Config
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.tasks import get_info


def kept_languages(config: Config, workdir: Workdir) -> tuple[str, ...]:
    """Codes of the languages that a run takes along: all of the one it extends, () if none.

    A run that goes on knows them itself.

    Raises:
        ConfigError: the config or the run that is extended is no MLSF.
        CheckpointError: there is no run to extend, or one of its groups cannot be read.
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
    for code in kept:  # refuses what is damaged before anything is written
        load_group(extended.group(code))
    return kept


def _extends(config: Config) -> bool:
    """Whether it is a run with one producing group per language."""
    info = get_info(config.task)
    return info.makes_poses and not info.shared


def take_along(config: Config, workdir: Workdir, languages: tuple[str, ...]) -> None:
    """Copies the groups of `languages` from the extended run, those that are not here yet.

    A group's folder appears when it is whole. Raises CheckpointError when one cannot be copied.
    """
    for code in languages:
        if not (workdir.group(code) / "group.json").exists():
            copy_group(Workdir(config.extend_from).group(code), workdir.group(code))
