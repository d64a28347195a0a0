"""A run's work directory: what lies where, the lock on it, and the config it belongs to."""

import contextlib
import fcntl
import json
import os
from pathlib import Path

from signllm_jax.config import Config, read_config, to_dict
from signllm_jax.errors import CheckpointError, ConfigError
from signllm_jax.group import write_file

# parts of the config that may differ when a run is resumed: they change no number of it, but for
# train.steps, which makes a finished run longer
_MAY_DIFFER = ("mesh", "log", "checkpoint")


class Workdir:
    """Paths of a run.

    Attributes:
        path: the directory itself.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)

    @property
    def checkpoints(self) -> Path:
        """Checkpoints, for resuming only."""
        return self.path / "checkpoints"

    @property
    def config_file(self) -> Path:
        """The config of the run and the languages in order."""
        return self.path / "config.json"

    def group(self, language: str) -> Path:
        """The folder of a language's best parameters, tokenizer and statistics."""
        return self.path / "groups" / language

    def read_config(self) -> tuple[Config, tuple[str, ...]]:
        """The config and languages; raises CheckpointError when there is no run here."""
        try:
            held = json.loads(self.config_file.read_text())
            return read_config(held["config"]), tuple(held["languages"])
        except (OSError, ValueError, KeyError) as error:
            reason = getattr(error, "strerror", None) or error
            raise CheckpointError(f"{self.config_file}: no readable run ({reason})") from None

    def claim(self, config: Config, languages: tuple[str, ...]) -> None:
        """Writes the config of a new run, or checks that the run here is of the same config.

        Raises:
            ConfigError: the run here has another config (the first difference is named).
            CheckpointError: the directory cannot be written.
        """
        mine = {"config": to_dict(config), "languages": list(languages)}
        if self.config_file.exists():
            held, held_languages = self.read_config()
            theirs = {"config": to_dict(held), "languages": list(held_languages)}
            difference = _first_difference(json.loads(json.dumps(mine)), theirs)
            if difference:
                raise ConfigError(
                    f"{self.path}: holds a run of another config: {difference}; "
                    "choose another --workdir"
                )
        write_file(self.config_file, json.dumps(mine, indent=1).encode())

    @contextlib.contextmanager
    def lock(self):
        """Holds the directory for one trainer; the system frees it when its owner dies.

        Raises CheckpointError when another trainer holds it or the directory cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            file = open(self.path / ".lock", "a+")
        except OSError as error:
            raise CheckpointError(f"{self.path}: cannot be written: {error.strerror}") from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                owner = file.read().strip() or "unknown"
                raise CheckpointError(
                    f"{self.path}: another trainer (process {owner}) works here"
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield


def _first_difference(mine, theirs, where="config"):
    mine_c, theirs_c = mine["config"], theirs["config"]
    if mine["languages"] != theirs["languages"]:
        return f"languages {theirs['languages']} there, {mine['languages']} here"
    for section, values in mine_c.items():
        if section in _MAY_DIFFER:
            continue
        held = theirs_c.get(section)
        if not isinstance(values, dict):
            if values != held:
                return f"{where}.{section} is {held!r} there, {values!r} here"
            continue
        for key, value in values.items():
            if json.loads(json.dumps(held)).get(key) != value and (section, key) != (
                "data",
                "data_dir",
            ):
                return f"{where}.{section}.{key} is {held.get(key)!r} there, {value!r} here"
    return None
