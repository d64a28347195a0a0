"""The schemas of a run's `config.json` and `final.json`, and their readers."""

import dataclasses
import os

from signllm_jax.core.errors import CheckpointError, ConfigError
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
        config: sections of a Config.
        languages: codes in the order of the language axis.
        kept: codes of the languages that were taken along from the run that it extends.
        saved: whether the run has had a checkpoint; None where that is not known.
        data: digests of the data that it began with; None where they are not known.
    """

    config: dict[str, object]
    languages: tuple[str, ...]
    kept: tuple[str, ...] = ()
    saved: bool | None = None
    data: dict[str, str] | None = None


@dataclasses.dataclass(frozen=True)
class FinalFile:
    """What is read of `final.json`, which a run writes when it is done.

    Attributes:
        step: its last.
        seconds: of training, of all processes of the run.
        cpu_seconds: likewise, of the processors.
        goodput: seconds by phase.
        data: digests of the data.
        params_sha256: digest of the last parameters.
        versions: of the libraries, by name.
    """

    step: int = bounded(low=0, high=1 << 40)
    seconds: float | None = bounded(None, low=0.0, high=1e12)
    cpu_seconds: float | None = bounded(None, low=0.0, high=1e12)
    goodput: dict[str, float] | None = None
    data: dict[str, str] | None = None
    params_sha256: str | None = None
    versions: dict[str, str] | None = None


def read_values(folder: AnyPath) -> tuple[RunFile, dict]:
    """What `config.json` of a work directory says, and all its values as they are.

    Raises CheckpointError when there is no run.
    """
    try:
        values = parse_json(read_plain(folder, CONFIG, _MOST))
        held = read_as(RunFile, values, CONFIG, strict=False)
        for code in (*held.languages, *held.kept):
            check_code(code)
    except (OSError, ConfigError) as error:
        raise no_run(folder, error) from None
    return held, values


def no_run(folder: AnyPath, error: Exception) -> CheckpointError:
    """The error of a folder whose `config.json` cannot be read, for this reason."""
    reason = getattr(error, "strerror", None) or error
    if isinstance(error, FileNotFoundError) and not folder.exists():
        reason = "there is no such folder"
    return CheckpointError(f"{folder / CONFIG}: no readable run ({reason})")


def steps_done(folder: str | os.PathLike) -> int | None:
    """The steps of a run that has ended; None where it has not, or where it cannot be told."""
    try:
        final = read_final(as_path(folder))
    except CheckpointError:
        return None
    return final.step if final else None


def read_final(folder: AnyPath) -> FinalFile | None:
    """What `final.json` of a work directory says; None where the run has not ended.

    Raises CheckpointError when it is there and cannot be read.
    """
    path = folder / FINAL
    if not path.exists():
        return None
    try:
        return read_as(FinalFile, parse_json(read_plain(folder, FINAL, _MOST)), FINAL, strict=False)
    except (OSError, ConfigError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CheckpointError(f"{path}: cannot be read ({reason})") from None
