"""The schemas of a run's `config.json` and `final.json`, and their readers."""

import contextlib
import dataclasses
import os

from signllm_jax.core.errors import CheckpointError, ConfigError, reason
from signllm_jax.core.languages import check_code
from signllm_jax.core.plain_files import read_plain
from signllm_jax.core.schema import bounded, parse_json, read_as
from signllm_jax.core.storage import AnyPath, as_path

CONFIG, FINAL = "config.json", "final.json"
_MOST = 1 << 20  # bytes of each


@dataclasses.dataclass(frozen=True)
class RunFile:
    """What `config.json` holds.

    Attributes:
        config: Sections of a Config.
        languages: Language codes in the order of the language axis.
        kept: Codes of the languages whose groups were copied from the run that this one extends.
        saved: Whether the run has ever saved a checkpoint; None if that is not known.
        data: Digests of the data at the start of the run; None if they are not known.
    """

    config: dict[str, object]
    languages: tuple[str, ...]
    kept: tuple[str, ...] = ()
    saved: bool | None = None
    data: dict[str, str] | None = None


@dataclasses.dataclass(frozen=True)
class FinalFile:
    """The keys that are read from `final.json`, which a run writes when it is done.

    Attributes:
        step: Last training step.
        seconds: Seconds of training, over all processes that the run had.
        cpu_seconds: CPU seconds of training, over all processes that the run had.
        goodput: Seconds by phase.
        data: Digests of the data.
        params_sha256: Digest of the last parameters.
        versions: Versions of the libraries, by name.
    """

    step: int = bounded(low=0, high=1 << 40)
    seconds: float | None = bounded(None, low=0.0, high=1e12)
    cpu_seconds: float | None = bounded(None, low=0.0, high=1e12)
    goodput: dict[str, float] | None = None
    data: dict[str, str] | None = None
    params_sha256: str | None = None
    versions: dict[str, str] | None = None


def read_values(folder: AnyPath) -> tuple[RunFile, dict]:
    """The checked `config.json` of a work directory, and all its values as they are.

    Raises CheckpointError when there is no run.
    """
    try:
        values = parse_json(read_plain(folder, CONFIG, _MOST))
        run = read_as(RunFile, values, CONFIG, strict=False)
        for code in (*run.languages, *run.kept):
            check_code(code)
    except (OSError, ConfigError) as error:
        raise no_run(folder, error) from None
    return run, values


def no_run(folder: AnyPath, error: Exception) -> CheckpointError:
    """The error of a folder whose `config.json` cannot be read, for this reason."""
    missing = isinstance(error, FileNotFoundError) and not folder.exists()
    cause = "there is no such folder" if missing else reason(error)
    return CheckpointError(f"{folder / CONFIG}: no readable run ({cause})")


def steps_done(folder: str | os.PathLike) -> int | None:
    """The steps of a run that has ended; None if it has not ended or cannot be read."""
    with contextlib.suppress(CheckpointError):
        if final := read_final(as_path(folder)):
            return final.step
    return None


def read_final(folder: AnyPath) -> FinalFile | None:
    """The content of `final.json` of a work directory; None if the run has not ended.

    Raises CheckpointError when it is there and cannot be read.
    """
    path = folder / FINAL
    if not path.exists():
        return None
    try:
        return read_as(FinalFile, parse_json(read_plain(folder, FINAL, _MOST)), FINAL, strict=False)
    except (OSError, ConfigError) as error:
        raise CheckpointError(f"{path}: cannot be read ({reason(error)})") from None
