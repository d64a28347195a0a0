"""DEV and TEST in one table, and only of one run and the same evaluators."""

import copy
import json

import pytest

from signllm_jax.eval.paper_table import dev_and_test, other_split
from signllm_jax.eval.report import Report

TEST = {
    "split": "test",
    "overall": {"bleu4": 12.0, "dtw": 0.25},
    "languages": {"asl": {"bleu4": 12.0, "rouge_l": 30.5, "dtw": 0.25}},
    "run": {
        "name": "mlsf",
        "dataset": "prompt2sign",
        "seed": 0,
        "steps": 5,
        "evaluators": [{"sha256": "a"}],
    },
}
DEV = copy.deepcopy(TEST) | {"split": "dev", "overall": {"bleu4": 9.0, "dtw": 0.5}}


def test_dev_stands_before_test_whichever_was_evaluated_last(tmp_path):
    (tmp_path / "report-dev.json").write_text(json.dumps(DEV))
    (tmp_path / "report.json").write_text(json.dumps(TEST))
    dev, test = Report.from_dict(DEV), Report.from_dict(TEST)
    head, table = dev_and_test(test, other_split(tmp_path, test))
    assert dev_and_test(dev, other_split(tmp_path, dev)) == [head, table]
    lines = table.splitlines()
    assert lines[0] == (
        "|  | DEV BLEU-4 ↑ | DEV ROUGE ↑ | DEV DTW ↓ | TEST BLEU-4 ↑ | TEST ROUGE ↑ | TEST DTW ↓ |"
    )
    assert lines[-1] == "| **all** | 9.00 | – | 0.5000 | 12.00 | – | 0.2500 |"


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r["run"].update(seed=1),
        lambda r: r["run"].update(steps=6),
        lambda r: r["run"].update(evaluators=[{"sha256": "b"}]),
        lambda r: r.update(split="train"),
        lambda r: r.update(predictions={}),
        lambda r: r.update(peer={}),
        lambda r: r.pop("run"),
    ],
)
def test_a_report_of_another_run_is_not_put_beside(change, tmp_path):
    other = copy.deepcopy(DEV)
    change(other)
    (tmp_path / "report-dev.json").write_text(json.dumps(other))
    assert other_split(tmp_path, Report.from_dict(TEST)) is None


def test_without_the_other_report_there_is_no_table(tmp_path):
    test = Report.from_dict(TEST)
    assert other_split(tmp_path, test) is None and dev_and_test(test, None) == []
    (tmp_path / "report-dev.json").write_text("{")
    assert other_split(tmp_path, Report.from_dict(TEST)) is None
