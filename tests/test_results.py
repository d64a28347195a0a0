"""The README's table says what the reports say."""

import json

import pytest

from signllm_jax.core.errors import DataError
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


def test_the_cost_of_runs_is_a_sentence():
    took = "Training took 20 ± 1 CPU seconds (10 ± 0 s of wall time), the whole command with the"
    assert results.cost([report(0, 0.01), report(1, 0.03)]) == (
        f"{took} report 30 ± 0 CPU seconds. Hardware: cores 2."
    )
    with pytest.raises(DataError, match="do not say"):
        results.cost([{"run": {"seconds": 1.0}}])


def test_readers_stand_beside_what_knows_nothing_of_signing():
    reports = [report(seed, 0.01) for seed in (0, 1)]
    for each in reports:
        each["overall"] = {"exact_match": 0.9, "cer": 0.05, "wer": 0.1}
        each["languages"] = {"ksl": each["overall"]}
        each["rows"] = {"nearest_train": {"overall": {"exact_match": 0.7, "cer": 0.2, "wer": 0.3}}}
        each["run"]["dataset"] = "prompt2sign"
    text = results.summary(reports)
    assert "|  | read right ↑ | CER ↓ | WER ↓ |" in text and "Test clips never" in text
    assert "| *nearest train text* | 70.0% ± 0.0% | 20.0% ± 0.0% |" in text


def test_a_metric_that_does_not_apply_is_a_dash_and_not_zero():
    first, second = report(0, 0.01), report(1, 0.03)
    del first["languages"]["asl"]["cer_real"], second["languages"]["asl"]
    second["languages"]["asl"] = {"hand_travel_ratio": 0.5}
    first["overall"] = second["overall"] = {"cer": 0.01}
    assert results.table([second]).splitlines()[2] == "| asl | – | 0.500 |"


def test_only_what_is_between_the_marks_is_replaced(tmp_path):
    readme = tmp_path / "README.md"
    (start, end), (other, last) = results.marks(), results.marks("more")
    page = f"before\n{start}\nold\n{end}\nbetween\n{other}\nolder\n{last}\nafter\n"
    readme.write_text(page)
    results.write_readme(str(readme), "new")
    assert readme.read_text() == page.replace("\nold\n", "\nnew\n")
    results.write_readme(str(readme), "newer", "more")
    assert readme.read_text() == page.replace("\nold\n", "\nnew\n").replace("older", "newer")


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


def text_report(seed, scores, dataset="phoenix14t", ensemble=()):
    own = {
        code: {"bleu4": bleu, "exact_match": 0.1, "foreign_marks": 1, "texts": 7}
        for code, bleu in scores.items()
    }
    run = {"dataset": dataset, "seed": seed, "steps": 9, "cpu_seconds": 4.0}
    run |= {"groups": {"shared": {"dev_score": 78.0}}, "ensemble": list(ensemble)}
    bleu = sum(scores.values()) / len(scores)
    return {"text_stage": {"bleu4": bleu, "languages": own}, "run": run}


def test_text_stages_are_compared_language_by_language():
    alone = [text_report(seed, {"gsl": 20.0 + seed}) for seed in (0, 2)]
    others = [
        text_report(0, {"ksl": 6.0}, "gksl"),
        text_report(0, {"gsl": 19.0, "ksl": 7.0}, "all"),
    ]
    averaged = text_report(0, {"gsl": 22.0}, ensemble=["other"])
    text = results.summary([*alone, *others, averaged])
    assert (
        "|  | texts | a model of its own | one model of 2 languages | a model of its own, 2" in text
    )
    assert "| gsl | 7 | 21.00 ± 1.41 | 19.00 | 22.00 | 4 |" in text
    assert "| ksl | 7 | 6.00 | 7.00 | – | 2 |" in text
    assert "| phoenix14t: gsl | 2 | 9 | 22.00 | 22.00 | 4 |" in text
    assert text.count("phoenix14t: gsl") == 2  # an average was not trained


def test_prompts_are_reported_as_used_and_unaided():
    own = {"exact_match": 0.9, "language_accuracy": 1.0, "prompts": 8}
    poses = {"dtw_mean_pose_ratio": 0.07, "hand_travel_ratio": 1.0}
    stage = own | {"spoken": {"en": 0.8, "tr": 1.0}, "languages": {"asl": own}}
    each = report(0, 0.0) | {
        "overall": poses,
        "languages": {"asl": poses},
        "rows": {"true_langgloss": {"overall": poses, "languages": {"asl": poses}}},
        "text_stage": stage | {"unaided": own | {"languages": {"asl": own}}},
    }
    text = results.summary([each])
    assert "| asl | 8 | 100.0% | 100.0% | 90.0% |\n" in text
    assert "| asl | 90.0% | 0.070 | 0.070 | 1.000 |\n" in text
    assert "Words and templates never trained on" in text
    assert "of the prompt: en 80.0%, tr 100.0%." in text


def test_a_report_may_be_named_itself(tmp_path):
    (tmp_path / "ensemble.json").write_text(json.dumps(report(3, 0.0)))
    assert results.read_reports([str(tmp_path / "ensemble.json")])[0]["run"]["seed"] == 3
