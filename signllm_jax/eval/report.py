"""The report of every kind of run: rows x languages x metrics, and the facts beside them."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.errors import OutputError
from signllm_jax.core.languages import get_language
from signllm_jax.core.storage import AnyPath, is_remote

MAIN = "produced"
"""The row that is judged."""
ALL = ""
"""Stands for all languages in place of a language code."""
TEXT_STAGE, UNAIDED = "text_stage", "unaided"
"""The rows of a text stage: as it is used, and without the rules that read prompts."""


PACKAGE = Path(__file__).resolve().parents[1]
"""The folder of the package: it holds a pretrained model, and nothing is written into it."""


@dataclasses.dataclass(frozen=True)
class Report:
    """What `report.json` holds.

    Attributes:
        rows: Row -> language code, or ALL -> flat metrics.
        facts: The other sections of report.json by their names, such as `run` and `warnings`.
    """

    rows: Mapping[str, Mapping[str, Mapping[str, Any]]]
    facts: Mapping[str, Any]

    @property
    def codes(self) -> list[str]:
        """Codes of the languages that are reported."""
        row = self.rows.get(MAIN) or self.rows[TEXT_STAGE]
        return [code for code in row if code != ALL]

    def flat(self, code: str = ALL) -> dict[str, Any]:
        """The metrics of the judged row, and those of the other rows under `<row>.<metric>`."""
        metrics = dict(self.rows.get(MAIN, {}).get(code, {}))
        for row, table in self.rows.items():
            if row != MAIN:
                metrics |= {f"{row}.{name}": value for name, value in table.get(code, {}).items()}
        return metrics

    def to_dict(self) -> dict[str, Any]:
        """The content of report.json; parts that do not apply are absent."""
        facts = dict(self.facts)
        rows = {row: _listed(table) for row, table in self.rows.items()}
        judged, stage, unaided = (rows.pop(row, {}) for row in (MAIN, TEXT_STAGE, UNAIDED))
        if stage:
            parts = {"spoken": facts.pop("spoken", {}), UNAIDED: _nested(unaided)}
            facts[TEXT_STAGE] = _nested(stage) | {name: x for name, x in parts.items() if x}
        return judged | ({"rows": rows} if judged else {}) | facts

    @classmethod
    def from_dict(cls, held: Mapping[str, Any]) -> "Report":
        """The report that a report.json holds; raises KeyError when it is none."""
        facts = {name: held[name] for name in held if name not in ("overall", "languages", "rows")}
        tables = {MAIN: held, **held.get("rows", {})} if "overall" in held else {}
        rows = {row: {ALL: t["overall"], **t.get("languages", {})} for row, t in tables.items()}
        if stage := facts.pop(TEXT_STAGE, None):
            facts["spoken"] = stage.get("spoken", {})
            for row, table in ((TEXT_STAGE, stage), (UNAIDED, stage.get(UNAIDED))):
                if table:
                    plain = {k: v for k, v in table.items() if not isinstance(v, Mapping)}
                    rows[row] = {ALL: plain, **table["languages"]}
        return cls(rows, facts)


def _listed(table: Mapping[str, Mapping]) -> dict[str, Any]:
    """A row as report.json has it: `overall`, and `languages` by their codes."""
    languages = {code: metrics for code, metrics in table.items() if code != ALL}
    return {"overall": table[ALL], "languages": languages}


def _nested(listed: Mapping[str, Any]) -> dict[str, Any]:
    """A text stage's row as report.json has it: the overall metrics with `languages` among them."""
    return {**listed["overall"], "languages": listed["languages"]} if listed else {}


def named(code: str) -> str:
    """A language, or all, as a row of a table names it."""
    return "**all**" if code == ALL else f"{get_language(code).name} ({code})"


def is_untouched(workdir: Workdir) -> bool:
    """Whether nothing is written into a run: it is within the package, or cannot be written."""
    if is_remote(workdir.path):
        return False
    path = workdir.path.resolve()
    return PACKAGE in path.parents or (path.is_dir() and not os.access(path, os.W_OK))


def keeps(workdir: Workdir, output: AnyPath) -> Workdir:
    """Where an evaluation keeps readers and samples: in the run, or in the report's folder."""
    return Workdir(output.with_suffix("")) if is_untouched(workdir) else workdir


def report_path(
    workdir: Workdir,
    split: str,
    output: str | os.PathLike | None,
    predictions: str | os.PathLike | None = None,
    peer: str = "",
) -> AnyPath:
    """The path of a report: by default beside the run, under a name of its own.

    The name has the split where that is not test, the name of the predictions, and that of a peer,
    whose report is in x and y and stands beside the run's own.

    Raises:
        OutputError: The name does not end in .json; the folder cannot be made or is the package's;
            there is no name for a run that nothing is written into; or a folder beside the run is
            a link, which a stranger's folder may have.
    """
    if output is None and is_untouched(workdir):
        raise OutputError(
            f"--output is missing: nothing is written into {workdir.path}, for example "
            "--output=runs/pretrained/report.json"
        )
    theirs = "" if predictions is None else Path(predictions).resolve().stem
    name = "-".join(filter(None, ["report", "" if split == "test" else split, peer, theirs]))
    file = Path(output) if output else workdir.path / f"{name}.json"
    if file.suffix != ".json":
        raise OutputError(f"cannot write the report to {file}: its name must end in .json")
    if PACKAGE in file.resolve().parents:
        raise OutputError(f"cannot write the report to {file}: nothing is written into a package")
    if not is_remote(workdir.path):
        kept = keeps(workdir, file).path
        readers = (*kept.glob("reader*"), *kept.glob("reader*/*"))
        for folder in (kept / "samples", file.with_suffix(""), *readers):
            if Path(folder).is_symlink():
                raise OutputError(f"{folder}: is a link: nothing is written through it")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write to {file.parent}: {error.strerror}") from None
    return file
