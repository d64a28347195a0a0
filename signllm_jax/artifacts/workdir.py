"""A run's work directory: what lies where, the lock on it, and the config it belongs to."""

import contextlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from signllm_jax.artifacts.group import write_file
from signllm_jax.artifacts.lock import remove_empty, take_lock
from signllm_jax.artifacts.resuming import first_difference, going_on
from signllm_jax.artifacts.run_files import CONFIG, FINAL, no_run, read_final, read_values
from signllm_jax.core.config import Config, read_config, to_dict
from signllm_jax.core.errors import CheckpointError, ConfigError
from signllm_jax.core.languages import check_code
from signllm_jax.core.plain_files import appearing
from signllm_jax.core.storage import AnyPath, as_path, ask_for, is_remote

# what a trainer writes into the directory, and into a group
_FILES = r"config\.json|metrics\.jsonl|clock\.json|final\.json"
_GROUP_FILES = r"tokenizer\.model|group\.json|params-\d+\.msgpack"
_NAMED = 3  # foreign files that a refusal names


class Workdir:
    """Paths of a run.

    Attributes:
        path: the directory itself.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = as_path(path)
        self._lock: os.stat_result | None = None

    @property
    def checkpoints(self) -> AnyPath:
        """Checkpoints, for resuming only."""
        return self.path / "checkpoints"

    @property
    def config_file(self) -> AnyPath:
        """The config of the run and the languages in order."""
        return self.path / CONFIG

    def group(self, language: str) -> AnyPath:
        """The folder of a language's best parameters, tokenizer and statistics.

        Raises ConfigError when the code is malformed.
        """
        return self.path / "groups" / check_code(language)

    def read_config(self) -> tuple[Config, tuple[str, ...]]:
        """The config and languages; raises CheckpointError when there is no run here."""
        run, _ = read_values(self.path)
        try:
            return read_config(run.config), run.languages
        except ConfigError as error:
            raise no_run(self.path, error) from None

    def read_kept(self) -> tuple[str, ...]:
        """The languages copied from the run that this one extends; errors as of `read_config`."""
        return read_values(self.path)[0].kept

    def check(self, config: Config, languages: tuple[str, ...]) -> Config:
        """Refuses a config that cannot be trained here; writes nothing.

        Args:
            config: Config of the run to train.
            languages: Codes of the languages to train.

        Returns:
            The config, with the settings that the run here keeps whatever is requested.

        Raises:
            ConfigError: the run here has another config (the first difference is named), or the
                directory holds something else than a run.
            CheckpointError: the run here has a trained model and no checkpoint to go on from, or
                the directory is on a bucket that does not answer.
        """
        ask_for(self.path, CheckpointError, missing_ok=True)
        if not self.config_file.exists():
            self.check_empty()
            return config
        held, held_languages = self.read_config()
        difference = first_difference(config, held, languages)
        if held_languages != languages:
            difference = f"languages are {held_languages} there, {languages} here"
        if difference:
            raise ConfigError(
                f"{self.path}: holds a run of another config: {difference}; "
                "choose another --workdir"
            )
        if self._has_lost_checkpoints(held_languages):
            raise CheckpointError(
                f"{self.path}: the checkpoints are gone, and training again from step 0 would "
                "replace the model that is left: choose a new --workdir, with "
                f"--config.init_from={self.path} to start from that model"
            )
        return going_on(config, held)

    def claim(
        self,
        config: Config,
        languages: tuple[str, ...],
        kept: tuple[str, ...] = (),
        noted: Mapping[str, Any] | None = None,
    ) -> None:
        """Writes the config of the run and removes partial files that killed trainers left.

        Call it under the lock, after `check`.

        Args:
            config: Config of the run.
            languages: Codes of the languages that the run trains.
            kept: Codes of the languages copied from the run that this one extends.
            noted: More keys to write: `saved`, whether the run has saved a checkpoint, and `data`,
                the digests of its data.

        Raises:
            CheckpointError: the config cannot be written.
        """
        if not is_remote(self.path):  # on a bucket there is no file that is half written
            _remove_leftovers(Path(self.path), (*languages, *kept))
        described = {"config": to_dict(config), "languages": list(languages)}
        if kept:
            described["kept"] = list(kept)
        described |= noted or {}
        write_file(self.config_file, json.dumps(described, indent=1).encode())

    def noted_data(self) -> dict[str, str] | None:
        """The digests of the run's data, `<language>/<split>` -> digest, as `claim` wrote them.

        None where there is no run, or where an older version wrote none.
        """
        return read_values(self.path)[0].data if self.config_file.exists() else None

    def note_saved(self) -> None:
        """Notes that the run has saved a checkpoint: from now on it cannot resume without one."""
        described = read_values(self.path)[1] | {"saved": True}
        write_file(self.config_file, json.dumps(described, indent=1).encode())

    def set_final_aside(self) -> None:
        """Renames the final.json of a run that goes on to more steps after the steps it had.

        Raises CheckpointError when it is there and cannot be read.
        """
        if final := read_final(self.path):
            (self.path / FINAL).rename(self.path / f"final-{final.step}.json")

    def check_empty(self) -> None:
        """Raises ConfigError when the directory holds anything; a killed start leaves nothing."""
        if not self.path.is_dir():
            return
        leftover = re.compile(rf"\.lock|\.({_FILES})\.\d+")
        names = sorted(p.name for p in self.path.iterdir() if not leftover.fullmatch(p.name))
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            raise ConfigError(
                f"{self.path}: holds no run but {', '.join(names[:_NAMED])}{more}: "
                "choose an empty --workdir"
            )

    @contextlib.contextmanager
    def appearing(self) -> Iterator["Workdir"]:
        """Yields a temporary work directory to write to, which is renamed to this one at the end.

        A failure leaves nothing behind. On a bucket, which has no rename, it yields this one.
        Raises CheckpointError when it cannot be written.
        """
        if is_remote(self.path):
            yield self
            return
        with appearing(self.path, CheckpointError) as beside:
            yield Workdir(beside)

    def _has_lost_checkpoints(self, languages: tuple[str, ...]) -> bool:
        """Whether there was a checkpoint, or a trained model, and there is no checkpoint now."""
        if self.checkpoints.is_dir() and any(p.name.isdigit() for p in self.checkpoints.iterdir()):
            return False
        saved = read_values(self.path)[0].saved
        if saved is not None:
            return saved
        if (self.path / FINAL).exists():
            return True
        # a run from before this was noted: its groups have parameters once it has evaluated
        files = (self.path / "groups").glob("*/params-*.msgpack")
        return not {file.parent.name for file in files} <= set(self.read_kept())

    def seen(self, seconds: float = 60) -> None:
        """Waits until `config.json` is visible here; raises CheckpointError if it never is."""
        until = time.monotonic() + seconds  # network file systems may be late
        while not self.config_file.exists():
            if time.monotonic() > until:
                raise CheckpointError(
                    f"{self.path}: is not seen by all hosts: it must be on a shared file system"
                )
            time.sleep(0.2)

    @contextlib.contextmanager
    def lock(self):
        """Locks the directory for one trainer; the system frees the lock when its owner dies.

        A directory that had to be made and stayed empty is removed again. A bucket has no locks:
        the cluster has to make sure that it starts each run once.

        Raises CheckpointError when another trainer holds it or the directory cannot be made.
        """
        if is_remote(self.path):
            yield
            return
        here = Path(self.path)
        made = [folder for folder in (here, *here.parents) if not folder.exists()]
        try:
            file = take_lock(here)
        except OSError as error:
            remove_empty(made)
            raise CheckpointError(f"{self.path}: cannot be written: {error.strerror}") from None
        with file:
            self._lock = os.fstat(file.fileno())
            try:
                yield
            finally:
                if self._holds_lock():  # another run may lie there by now
                    (here / ".lock").unlink()
                    remove_empty(made)
                self._lock = None

    def check_here(self) -> None:
        """Raises CheckpointError when the directory that was locked is no longer at its path."""
        if self._lock is not None and not self._holds_lock():
            raise CheckpointError(
                f"{self.path}: was moved or deleted while the run was training; nothing more is "
                "written: move it back and start the run again"
            )

    def _holds_lock(self) -> bool:
        with contextlib.suppress(OSError):
            lock = os.stat(self.path / ".lock")
            return self._lock is not None and os.path.samestat(lock, self._lock)
        return False


def _remove_leftovers(run: Path, codes: tuple[str, ...]) -> None:
    """Removes partial files of killed writers: exact names in the usual folders, behind no link."""
    parent = run / "groups"
    folders = [path for path in parent.iterdir() if _real(path)] if _real(parent) else []
    groups = [(folder, _GROUP_FILES) for folder in folders if not folder.name.startswith(".")]
    for folder, names in ((run, _FILES), *groups):
        for path in folder.iterdir():
            if re.fullmatch(rf"\.({names})\.\d+", path.name) and _real(path, Path.is_file):
                path.unlink(missing_ok=True)
    for folder in folders:
        if re.fullmatch(rf"\.({'|'.join(map(re.escape, codes))})\.\d+", folder.name):
            shutil.rmtree(folder)


def _real(path: Path, kind: Callable[[Path], bool] = Path.is_dir) -> bool:
    """Whether a path itself is of a kind, and not a link."""
    return kind(path) and not path.is_symlink()
