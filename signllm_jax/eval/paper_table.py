"""The layout of the paper's tables: DEV and TEST of every language side by side."""

from signllm_jax.core import markdown
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.schema import parse_json
from signllm_jax.core.storage import AnyPath, read_regular
from signllm_jax.eval.report import ALL, MAIN, Report, named
from signllm_jax.metrics import catalogue

PAPER = ("bleu4", "bleu3", "bleu2", "bleu1", "rouge_l", "cer", "dtw")
_COUNTERPART = {"test": ("dev", "report-dev.json"), "dev": ("test", "report.json")}
# what must be the same for two reports to stand in one table
_SAME = ("name", "dataset", "seed", "steps")


def other_split(folder: AnyPath, report: Report) -> Report | None:
    """The report on dev beside a report on test, or the other way round.

    None where there is none, it cannot be read, another run or other evaluators made it, or one
    of both is about predictions, or in x and y for a peer.
    """
    facts = report.facts
    if MAIN not in report.rows or _foreign(report) or facts["split"] not in _COUNTERPART:
        return None
    split, name = _COUNTERPART[facts["split"]]
    try:
        counterpart = Report.from_dict(parse_json(read_regular(folder / name)))
        same = counterpart.facts["split"] == split and not _foreign(counterpart)
        same &= all(counterpart.facts["run"][key] == facts["run"][key] for key in _SAME)
        same &= _digests(counterpart) == _digests(report)
    except (OSError, ConfigError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return counterpart if same else None


def _foreign(report: Report) -> bool:
    return bool({"predictions", "peer"} & {*report.facts})


def _digests(report: Report) -> list[str]:
    return [evaluator["sha256"] for evaluator in report.facts["run"]["evaluators"]]


def dev_and_test(report: Report, counterpart: Report | None) -> list[str]:
    """The layout of the paper's tables; nothing without the report of the other split."""
    if counterpart is None:
        return []
    dev, test = sorted((report, counterpart), key=lambda part: part.facts["split"])
    codes = [code for code in (*test.codes, ALL) if code in dev.rows[MAIN]]
    rows = [(named(code), [split.rows[MAIN][code] for split in (dev, test)]) for code in codes]
    shown = catalogue.known(PAPER, (metrics for _, splits in rows for metrics in splits))
    heads = [f"{split} {catalogue.heading(name)}" for split in ("DEV", "TEST") for name in shown]
    cells = (
        [name, *(catalogue.cell(metrics, key) for metrics in splits for key in shown)]
        for name, splits in rows
    )
    return ["## DEV and TEST", markdown.table(["", *heads], cells)]
