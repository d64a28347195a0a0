"""One writer of tables, one catalogue of metrics, one report of every kind of run."""

import re
from pathlib import Path

import pytest

from signllm_jax.core import markdown
from signllm_jax.eval import figures, warnings
from signllm_jax.eval.pages import markdown as markdown_page
from signllm_jax.eval.pages import summary
from signllm_jax.eval.report import TEXT_STAGE as STAGE_ROW
from signllm_jax.eval.report import Report
from signllm_jax.metrics import catalogue
from signllm_jax.metrics.text_metrics import signatures

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]
POSES = {"clips": 4, "cer": 0.25, "cer_low": 0.1, "cer_high": 0.5, "hand_travel_ratio": 1.0}
STAGE = {"bleu4": 50.0, "exact_match": 0.5, "language_accuracy": 1.0, "foreign_marks": 0}
TABLE = {"overall": POSES, "languages": {"asl": POSES}}
FACTS = {"split": "test", "warnings": ["Collapse."], "run": {"seed": 0}}
TEXT_STAGE = STAGE | {"prompts": 8, "languages": {"asl": STAGE}}
PROMPTED = TEXT_STAGE | {"unaided": STAGE | {"languages": {"asl": STAGE}}, "spoken": {"en": 0.5}}
REPORTS = {
    "mlsf": TABLE | {"rows": {"mean_pose": TABLE}} | FACTS,
    "prompt2langgloss": TABLE | {"rows": {"true_langgloss": TABLE}, "text_stage": PROMPTED} | FACTS,
    "text2gloss": {"text_stage": TEXT_STAGE} | FACTS,
}


@pytest.mark.parametrize("kind", REPORTS)
def test_a_report_is_read_back_as_it_was_written(kind):
    assert Report.from_dict(REPORTS[kind]).to_dict() == REPORTS[kind]


def test_a_summary_shows_what_a_report_has_and_nothing_else():
    said = summary(Report.from_dict(REPORTS["prompt2langgloss"])).splitlines()
    assert "LangGloss right ↑" in said[0] and "CER ↓" in said[0] and "BLEU-4 ↑" not in said[0]
    assert said[1].split()[0] == "asl" and said[2].split()[0] == "all"
    assert said[3] == "note: Collapse."
    assert "CER" not in summary(Report.from_dict(REPORTS["text2gloss"]))


def test_a_table_has_aligned_columns_and_refuses_a_row_of_another_length():
    lines = markdown.table(["a", "b", "c"], [["1", "2", "3"]]).splitlines()
    assert lines == ["| a | b | c |", "|---|---:|---:|", "| 1 | 2 | 3 |"]
    assert markdown.escape("a|b <c>") == "a\\|b &lt;c>"
    with pytest.raises(ValueError, match="2 cells under 3 titles"):
        markdown.table(["a", "b", "c"], [["1", "2"]])


def test_a_table_wider_than_a_page_is_divided():
    head, row = ["of", *"abcdefgh"], ["x", *"12345678"]
    first, second = (part.splitlines() for part in markdown.table(head, [row]).split("\n\n"))
    assert first[0] == "| of | a | b | c | d |" and first[2] == "| x | 1 | 2 | 3 | 4 |"
    assert second[0] == "| of | e | f | g | h |" and second[2] == "| x | 5 | 6 | 7 | 8 |"
    assert len(markdown.table(head[:8], [row[:8]]).splitlines()) == 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_table_is_wider_than_its_page(page):
    widest = 4 if page.name == "README.md" else markdown.WIDEST
    for line in page.read_text("utf-8").splitlines():
        if re.fullmatch(r"\|[-: |]+\|", line):
            assert line.count("|") - 1 <= widest, line


def test_a_metric_is_written_alike_everywhere_and_a_dash_where_it_does_not_apply():
    table = catalogue.table("", ("cer", "wer", "dtw"), [("asl", POSES), ("b", {})], intervals=True)
    assert table.splitlines()[0] == "|  | CER ↓ |"
    assert table.splitlines()[2:] == ["| asl | 25.0% [10.0%, 50.0%] |", "| b | – |"]
    runs = [("asl", [{"cer": 0.1}, {"cer": 0.3}])]
    assert catalogue.table_of_runs("", ("cer",), runs).endswith("| asl | 20.0% ± 14.1% |")


def test_languages_count_alike_counts_are_summed_and_a_collapse_is_of_the_mean():
    parts = [
        {"clips": 10, "hand_travel_ratio": 0.2, "cer": 0.1, "cer_low": 0.0, "collapse": True},
        {"clips": 1, "hand_travel_ratio": 1.0, "cer": 0.3, "collapse": False, "dtw_excluded": 1},
    ]
    assert figures.mean_metrics(parts) == {
        "clips": 11,
        "hand_travel_ratio": 0.6,
        "cer": 0.2,
        "collapse": False,
        "dtw_excluded": 1,
    }
    assert figures.mean_metrics(parts[:1]) == parts[0]


def test_lines_of_langgloss_have_intervals_around_what_is_right():
    lines = {"asl": [["<asl:A>"], ["<gsl:B>"], ["<asl:C>"], ["<asl:X>"]]}
    table = figures.line_metrics(lines, {"asl": [["A"], ["B"], ["C"], ["D"]]}, seed=0)
    stage = table["asl"]
    assert stage["exact_match"] == 0.5 and stage["language_accuracy"] == 0.75
    assert stage["exact_match_low"] < 0.5 < stage["exact_match_high"] <= 1
    assert table[""] == stage  # one language: the mean is its own


def test_lines_of_one_sign_have_no_bleu4_and_the_page_says_why_and_how_it_is_computed():
    table = figures.line_metrics({"gsl": [["<gsl:A>"], ["<gsl:B>"]]}, {"gsl": [["A"], ["B"]]}, 0)
    noted = warnings.of_short_lines({STAGE_ROW: table})
    assert noted == ["BLEU-4 has no meaning for all languages, gsl: no line has four words."]
    run = {"name": "r", "dataset": "d", "seed": 0, "steps": 1, "size": "tiny", "hardware": {}}
    cost = {"evaluation_seconds": 1, "evaluation_cpu_seconds": 1, "versions": {}}
    told = {"glosses": signatures("none")}
    facts = FACTS | {"warnings": noted, "signatures": told, "run": run | cost}
    for code in table:
        table[code]["texts"] = 2
    report = Report({STAGE_ROW: table}, facts)
    page = markdown_page(report)
    assert noted[0] in page and told["glosses"]["bleu"] in page
    assert "accuracy of signs" in page and "BLEU-4" not in page.replace(noted[0], "")
    assert "BLEU-4 of" not in summary(report) and noted[0] in summary(report)
