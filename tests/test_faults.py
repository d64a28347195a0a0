"""A corpus with every known fault mixed in is prepared to its end, and its report is exact."""

import faults
import pytest
from commands import run

from signllm_jax.corpora.manifest import Reading
from signllm_jax.corpora.pose_formats import picture_size
from signllm_jax.corpora.prepare import Settings
from signllm_jax.data import check
from signllm_jax.data.prepare_corpus import prepare_corpus
from signllm_jax.data.prepare_report import grouped, summary


@pytest.mark.parametrize(
    "form",
    [
        "pose",
        "openpose",
        *(pytest.param(x, marks=pytest.mark.slow) for x in ("dwpose", "mediapipe")),
    ],
)
def test_two_hundred_clips_with_all_faults_end_with_exact_counts(tmp_path, form):
    corpus = faults.make(tmp_path, form, 50)
    told = dict(flag.removeprefix("--").split("=") for flag in faults.FLAGS[form])
    settings = Settings(
        "asl",
        form,
        form,
        fps=float(told.get("fps", 0)),
        picture=picture_size(told.get("picture")),
    )
    report = prepare_corpus(
        settings, corpus.source, tmp_path / "data", manifest=corpus.table, reading=Reading()
    )
    assert faults.differences(corpus, report) == {}
    assert f"{corpus.out} of {report['clips_in']} clips" in summary(report, "there")[0]
    unnamed = [line for line in summary(report, "") if line.startswith("not used: ")]
    assert unnamed == ["not used: 1 file that the manifest does not name"]
    text = (tmp_path / "data/prepared/asl" / form / "prepare_report.md").read_text()
    assert unnamed[0].capitalize() in text and "not named by" not in text
    last = check.check(tmp_path / "data", "asl")[-1]
    assert last.endswith(f"asl (train {corpus.out}, dev 0, test 0)")


@pytest.mark.slow
def test_a_thousand_clips_by_the_command_and_too_many_faults_stop_it(tmp_path):
    corpus = faults.make(tmp_path, "pose", 1_000)
    report, checked = faults.prepare(corpus, tmp_path / "data")
    assert faults.differences(corpus, report) == {}
    assert checked.endswith(f"(train {corpus.out}, dev 0, test 0)")
    limited = [*faults.flags(corpus, tmp_path / "data"), "--max_bad=1%"]
    code, _, err = run(tmp_path, "prepare", limited)
    assert code == 2 and err.count("\n") == 1 and "more than --max_bad=1%" in err


def test_reasons_that_differ_by_numbers_alone_are_one_kind():
    assert grouped(
        {"nobody in any of 30 frames": 2, "nobody in any of 7 frames": 1, "no id": 1}
    ) == {
        "nobody in any of … frames": 3,
        "no id": 1,
    }
    assert grouped({"1 frames at 25 a second": 2}) == {"1 frames at 25 a second": 2}
