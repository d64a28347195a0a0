"""The README's table says what the reports say."""

import json

import pytest

from signllm_jax.errors import DataError
from signllm_jax.eval import results


def report(seed, cer):
    figures = {"cer": cer, "cer_real": 0.0, "dtw_mean_pose_ratio": 0.1, "hand_travel_ratio": 1.0}
    run = {
        "seed": seed,
        "dataset": "fingerspelling",
        "steps": 5,
        "seconds": 10.0,
        "cpu_seconds": 20.0 + seed,
        "total_cpu_seconds": 30.0,
        "versions": {"jax": "1"},
        "hardware": {"cores": 2},
    }
    return {"overall": figures, "languages": {"asl": figures}, "run": run}


def test_the_table_has_mean_and_deviation_over_seeds():
    text = results.summary([report(0, 0.01), report(1, 0.03)])
    assert "| asl | 2.0% ± 1.4% |" in text
    assert "seeds 0, 1; 5 steps" in text
    assert "20 ± 1 CPU seconds" in text


def test_readers_stand_beside_what_knows_nothing_of_signing():
    reports = [report(seed, 0.01) for seed in (0, 1)]
    for each in reports:
        each["overall"] = {"exact_match": 0.9, "cer": 0.05, "wer": 0.1}
        each["languages"] = {"ksl": each["overall"]}
        each["rows"] = {"nearest_train": {"overall": {"exact_match": 0.7, "cer": 0.2, "wer": 0.3}}}
        each["run"]["dataset"] = "prompt2sign"
    text = results.summary(reports)
    assert "| | read right | CER | WER |" in text and "Test clips never" in text
    assert "| *nearest train text* | 70.0% ± 0.0% | 20.00% ± 0.00% |" in text


def test_a_metric_that_does_not_apply_is_a_dash_and_not_zero():
    line = results.table([report(0, 0.01)]).splitlines()[2]
    assert line.split("|")[5].strip() == "–"


def test_only_what_is_between_the_marks_is_replaced(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{results.START}\nold\n{results.END}\nafter\n")
    results.write_readme(str(readme), "new")
    assert readme.read_text() == f"before\n{results.START}\nnew\n{results.END}\nafter\n"


def test_a_readme_without_marks_or_a_run_without_a_report_is_an_error(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("nothing here")
    with pytest.raises(DataError, match="no place for results"):
        results.write_readme(str(readme), "new")
    (tmp_path / "run").mkdir()
    with pytest.raises(DataError, match=r"run/report\.json"):
        results.read_reports([str(tmp_path / "run")])
    (tmp_path / "run" / "report.json").write_text(json.dumps(report(0, 0.0)))
    assert results.read_reports([str(tmp_path / "run")])[0]["run"]["seed"] == 0
