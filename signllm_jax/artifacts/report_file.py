"""The schema of a `report.json`, whichever kind of model it is of."""

import dataclasses
from typing import Any

from signllm_jax.core.errors import ConfigError, DataError, reason
from signllm_jax.core.plain_files import read_plain
from signllm_jax.core.schema import bounded, parse_json, read_as
from signllm_jax.core.storage import AnyPath

_MOST = 1 << 28  # bytes
Figures = dict[str, int | float | bool | None]


@dataclasses.dataclass(frozen=True)
class ReportRun:
    """Section `run`: what was trained, and what it cost. A run that is not done has no cost."""

    dataset: str
    seed: int
    steps: int = bounded(low=0, high=1 << 62)
    seconds: float | None = None
    cpu_seconds: float | None = None
    total_cpu_seconds: float | None = None
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    hardware: dict[str, int | str | None] = dataclasses.field(default_factory=dict)
    ensemble: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class ReportRow:
    """Figures of all clips and of each language's."""

    overall: Figures
    languages: dict[str, Figures] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class ReportFile:
    """The keys that tables and model cards use. A text stage has `text_stage` alone."""

    run: ReportRun
    overall: Figures = dataclasses.field(default_factory=dict)
    languages: dict[str, Figures] = dataclasses.field(default_factory=dict)
    rows: dict[str, ReportRow] = dataclasses.field(default_factory=dict)
    text_stage: dict[str, object] = dataclasses.field(default_factory=dict)


def read_report(path: AnyPath) -> dict[str, Any]:
    """The values of a report; raises DataError naming the file and what is wrong with it."""
    try:
        values = parse_json(read_plain(path.parent, path.name, _MOST))
        read_as(ReportFile, values, path.name, strict=False)
    except (OSError, ConfigError) as error:
        raise DataError(f"{path}: no readable report ({reason(error)})") from None
    return values
