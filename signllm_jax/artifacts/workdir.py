"""A run's work directory: what lies where, the lock on it, and the config it belongs to."""

import contextlib
import dataclasses
import fcntl
import json
import os
import shutil
import time
from pathlib import Path

from signllm_jax.artifacts.group import write_file
from signllm_jax.core.config import Config, read_config, to_dict
from signllm_jax.core.errors import CheckpointError, ConfigError
from signllm_jax.core.languages import check_code
from signllm_jax.core.schema import parse_json, read_as
from signllm_jax.core.storage import as_path, ask_for, is_remote
from signllm_jax.plain_files import read_plain

_MOST = 1 << 20  # bytes of a config

# what may differ when a run is resumed, because it changes none of its numbers
_MAY_DIFFER = (
    "mesh",
    "log",
    "checkpoint",
    "data.data_dir",
    "data.threads",
    "data.prefetch",
    "data.cache_mb",
    "eval.report",
    "eval.samples",
)


@dataclasses.dataclass(frozen=True)
class RunFile:
    """What `config.json` holds.

    Attributes:
        config: sections of a Config.
        languages: codes in the order of the language axis.
        kept: codes of the languages that were taken along from the run that it extends.
        saved: whether the run has had a checkpoint; None where that is not known.
    """

    config: dict[str, object]
    languages: tuple[str, ...]
    kept: tuple[str, ...] = ()
    saved: bool | None = None


class Workdir:
    """Paths of a run.

    Attributes:
        path: the directory itself.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = as_path(path)

    @property
    def checkpoints(self) -> Path:
        """Checkpoints, for resuming only."""
        return self.path / "checkpoints"

    @property
    def config_file(self) -> Path:
        """The config of the run and the languages in order."""
        return self.path / "config.json"

    def group(self, language: str) -> Path:
        """The folder of a language's best parameters, tokenizer and statistics.

        Raises ConfigError when the code is malformed.
        """
        return self.path / "groups" / check_code(language)

    def read_config(self) -> tuple[Config, tuple[str, ...]]:
        """The config and languages; raises CheckpointError when there is no run here."""
        config, languages, _ = self._read()
        return config, languages

    def read_kept(self) -> tuple[str, ...]:
        """The languages that the run has taken along from the one it extends; errors as above."""
        return self._read()[2]

    def _read(self) -> tuple[Config, tuple[str, ...], tuple[str, ...]]:
        try:
            values = parse_json(read_plain(self.path, self.config_file.name, _MOST))
            held = read_as(RunFile, values, self.config_file.name)
            config = read_config(held.config)
            for code in (*held.languages, *held.kept):
                check_code(code)
        except (OSError, ConfigError) as error:
            reason = getattr(error, "strerror", None) or error
            raise CheckpointError(f"{self.config_file}: no readable run ({reason})") from None
        return config, held.languages, held.kept

    def check(self, config: Config, languages: tuple[str, ...]) -> None:
        """Raises ConfigError when the run here, if any, has another config; names the first.

        Raises CheckpointError when the directory is on a bucket that does not answer.
        """
        ask_for(self.path, CheckpointError, missing_ok=True)
        if not self.config_file.exists():
            return
        held, held_languages = self.read_config()
        if held_languages != languages:
            difference = f"languages are {held_languages} there, {languages} here"
        else:
            difference = _first_difference(to_dict(config), to_dict(held))
        if difference:
            raise ConfigError(
                f"{self.path}: holds a run of another config: {difference}; "
                "choose another --workdir"
            )

    def claim(self, config: Config, languages: tuple[str, ...], kept: tuple[str, ...] = ()) -> None:
        """Writes the config of the run; raises CheckpointError when that cannot be done.

        Also removes what killed writers left; call it under the lock.
        """
        for part in _left(self.path):
            if part.is_dir():
                shutil.rmtree(part)
            else:
                part.unlink(missing_ok=True)
        described = {"config": to_dict(config), "languages": list(languages)}
        if kept:
            described["kept"] = list(kept)
        write_file(self.config_file, json.dumps(described, indent=1).encode())

    def seen(self, seconds: float = 60) -> None:
        """Returns when the run is seen here; raises CheckpointError when another host's is not."""
        until = time.monotonic() + seconds  # network file systems may be late
        while not self.config_file.exists():
            if time.monotonic() > until:
                raise CheckpointError(
                    f"{self.path}: is not seen by all hosts: it must be on a shared file system"
                )
            time.sleep(0.2)

    @contextlib.contextmanager
    def lock(self):
        """Holds the directory for one trainer; the system frees it when its owner dies.

        A directory that had to be made and stayed empty is removed again. A bucket has no locks:
        there it is for the cluster to start a run once.

        Raises CheckpointError when another trainer holds it or the directory cannot be made.
        """
        if is_remote(self.path):
            yield
            return
        made = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        try:
            file = self._take_lock()
        except OSError as error:
            _remove_empty(made)
            raise CheckpointError(f"{self.path}: cannot be written: {error.strerror}") from None
        with file:
            try:
                yield
            finally:
                (self.path / ".lock").unlink(missing_ok=True)
                _remove_empty(made)

    def _take_lock(self):
        while True:
            self.path.mkdir(parents=True, exist_ok=True)
            file = open(self.path / ".lock", "a+")  # noqa: SIM115 (the caller closes it)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                owner = file.read().strip() or "unknown"
                file.close()
                raise CheckpointError(
                    f"{self.path}: another trainer (process {owner}) works here"
                ) from None
            if os.fstat(file.fileno()).st_nlink:
                break
            file.close()  # its last owner removed it between opening and locking: try the new one
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        return file


def _left(path) -> list[Path]:
    """What `write_file` and `copy_group` left when they were killed; on buckets they leave none."""
    return [] if is_remote(path) else list(path.rglob(".*.[0-9]*"))


def _remove_empty(folders) -> None:
    with contextlib.suppress(OSError):  # stops at the first that is not empty
        for folder in folders:
            folder.rmdir()


def _first_difference(mine: dict, held: dict) -> str | None:
    for section, values in mine.items():
        if section in _MAY_DIFFER:
            continue
        if not isinstance(values, dict):
            values, other = {"": values}, {"": held[section]}
        else:
            other = held[section]
        for key, value in values.items():
            name = f"{section}.{key}".rstrip(".")
            if other[key] != value and name not in _MAY_DIFFER:
                return f"config.{name} is {other[key]!r} there, {value!r} here"
    return None
