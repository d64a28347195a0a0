"""Sentences of signs are read and scored, and the study makes its record and its page."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from test_clean import waving
from test_compose import SETTINGS, recorded  # noqa: F401 - a fixture

from launch.studies import prompted_sentences, sentence_record, sentences, sentences_page
from signllm_jax.artifacts.group import load_group
from signllm_jax.core.errors import ConfigError, DataError, TextError
from signllm_jax.eval.sentence_figures import gloss_error, jerk_at_joins
from signllm_jax.eval.sign_reader import GlossTable, Signs, sign_borders


def test_glosses_are_ids_and_an_unknown_one_is_named():
    table = GlossTable(["TEA", "HELLO", "TEA", "THANK-YOU"])
    assert table.size == 5 and table.encode("TEA HELLO") == [3, 2]
    assert table.decode([4, 2]) == "THANK-YOU HELLO"
    with pytest.raises(TextError, match="'MILK'"):
        table.encode("TEA MILK")


def test_a_border_lies_between_the_last_step_of_a_sign_and_the_first_of_the_next():
    ids = np.array([0, 2, 2, 0, 0, 3, 3, 4, 0])
    # sign 2 ends with step 2 and sign 3 begins with step 5: frame 16; 3 and 4 meet at frame 28
    assert sign_borders(ids, 4) == (16, 28)
    assert sign_borders(np.array([0, 2, 2]), 4) == ()
    assert sign_borders(np.array([2, 0, 2]), 4) == (6,)


def test_the_gloss_error_counts_glosses():
    read = [Signs(("A", "B"), (9,)), Signs(("A", "C", "B"), (5, 9))]
    assert gloss_error(read, ["A B", "A B"]) == pytest.approx(1 / 4)


def test_the_jerk_at_joins_sees_the_five_frames_about_a_border_alone():
    clip = waving(40)
    straight = dataclasses.replace(
        clip,
        positions=np.float32(0.1)
        * np.arange(40, dtype=np.float32)[:, None, None]
        * np.ones((40, 50, 3), np.float32),
    )
    torn = straight.positions.copy()
    torn[21:] += 1.0
    torn = dataclasses.replace(clip, positions=torn)
    near, far = [Signs(("A", "B"), (20,))], [Signs(("A", "B"), (10,))]
    assert jerk_at_joins([straight], near) == pytest.approx(0, abs=0.5)
    assert jerk_at_joins([torn], far) == pytest.approx(0, abs=0.5)
    # a step of one width along three axes between the third and the fourth frame: 2, -1
    expected = 1.5 * np.sqrt(3) * clip.fps**3
    assert jerk_at_joins([torn], near) == pytest.approx(expected, rel=0.01)
    hidden = dataclasses.replace(torn, confidence=np.zeros_like(torn.confidence))
    assert np.isnan(jerk_at_joins([hidden], near))


def record(seed, **changed):
    figures = {
        "gloss_error": 0.05 + seed / 100,
        "lookup_gloss_error": 0.01,
        "real_gloss_error": 0.02,
        "jerk_at_joins_over_lookup": 0.4,
        "travel": 0.95,
        "unsmoothed_jerk_at_joins_over_lookup": 1.5,
        "lookup_travel": 1.0,
        "sentences": 4,
        "steps": 2,
        "cpu_seconds": 10.0,
    }
    return {"seed": seed, "order": figures | changed, "tsl": figures}


def test_the_page_has_the_means_over_the_seeds(tmp_path):
    (tmp_path / "sentences").mkdir()
    page = tmp_path / "sentences.md"
    page.write_text("before\n<!-- results:start -->\n<!-- results:end -->\nafter\n")
    with pytest.raises(DataError, match=r"no seed-S\.json"):
        sentences_page.write(tmp_path)
    for seed in (0, 1):
        made = record(seed, travel=0.9 + seed / 10)
        (tmp_path / "sentences" / f"seed-{seed}.json").write_text(json.dumps(made))
    text = sentences_page.write(tmp_path)
    summary = json.loads((tmp_path / "sentences" / "summary.json").read_text())
    assert set(summary) == {"order", "tsl"}
    assert set(summary["order"]) == set(sentences_page.SUMMARY)
    assert summary["order"]["gloss_error"] == pytest.approx(0.055)
    assert summary["order"]["travel"] == pytest.approx(0.95)
    assert "| **produced** | 5.5% | 5.5% |" in text and "seeds 0, 1" in text
    whole = page.read_text()
    assert text in whole and whole.startswith("before") and whole.endswith("after\n")


NAMED = {
    **{"real_gloss_error": 0.0, "real_name_error": 0.0, "gloss_error": 0.05, "name_error": 0.02},
    **{"sentences": 3, "named_sentences": 2, "steps": 5, "text_steps": 4, "cpu_seconds": 9.0},
}


def test_a_record_keeps_its_other_corpora_and_is_of_one_seed(tmp_path, monkeypatch):
    made = {"names": (Path, lambda folder, seed, work, split: {"of": f"{folder} {seed} {split}"})}
    monkeypatch.setattr(sentence_record, "STUDIES", made)
    output = tmp_path / "seed-3.json"
    output.write_text(json.dumps(record(3)))
    args = {"names": Path("takes")}, 3, output, tmp_path, "test"
    assert [line.partition(":")[0] for line in sentence_record.study(*args)] == ["names"]
    held = json.loads(output.read_text())
    assert held["order"] == record(3)["order"] and held["names"]["of"] == "takes 3 test"
    assert "jax" in held["names"]["versions"]  # other corpora may have been run by others
    with pytest.raises(DataError, match="is of seed 3, not 4"):
        list(sentence_record.study(args[0], 4, *args[2:]))
    with pytest.raises(ConfigError, match="unknown corpus 'other': known are names"):
        list(sentence_record.study({"other": Path()}, *args[1:]))
    output.write_text("[]")
    with pytest.raises(DataError, match="no record"):
        list(sentence_record.study(*args))


def test_names_are_right_where_all_their_letters_are():
    true = ["<asl:HI> <asl_fs:A> <asl_fs:L>", "<asl:TEA>", "<asl_fs:B> <asl:TEA>"]
    aided = [true[0], "<asl:MILK>", "<asl_fs:B> <asl:MILK>"]
    unaided = ["<asl:HI> <asl_fs:A>", "<asl:TEA>", "<asl:B> <asl:TEA>"]
    found = prompted_sentences.shares({"aided": [aided, true], "unaided": [unaided]}, true)
    assert found == {
        "gloss_exact": pytest.approx(4 / 6),
        "names_right": 1.0,
        "unaided_exact": pytest.approx(1 / 3),
        "unaided_names_right": 0.0,
    }
    read = [["FS:A", "FS:L"], [], ["FS:C"]]
    assert prompted_sentences.letter_error(read, ["FS:A FS:L", "", "FS:B"], [0, 2]) == (
        pytest.approx(1 / 3)
    )
    records = [{"seed": seed, "names": found | NAMED} for seed in (0, 1)]
    table = sentences_page.names_table(records)
    assert "| LangGloss right | 66.7% ± 0.0% | 33.3% ± 0.0% |" in table
    assert "| produced from prompts | 5.0% ± 0.0% | 2.0% ± 0.0% |" in table


def test_the_pose_stage_keeps_the_text_stage_that_was_trained_before_it(tmp_path):
    corpus = prompted_sentences.ordering_names(tmp_path)
    text = prompted_sentences.stage_config(corpus, 1, tmp_path, "text")
    pose = prompted_sentences.stage_config(corpus, 1, tmp_path, "pose", tmp_path / "names-text-1")
    assert (text.text.trained, pose.text.trained) == ("text", "pose")
    assert (text.init_from, pose.init_from) == ("", str(tmp_path / "names-text-1"))
    assert text.train.steps == prompted_sentences.TEXT_STEPS and pose.train.steps == corpus.steps
    assert text.model == pose.model and text.train.seed == pose.train.seed == 1


def tiny(config):
    """The same for a model that costs nothing."""
    sizes = {"width": 16, "heads": 2, "mlp": 16, "encoder_layers": 1, "decoder_layers": 1}
    model = dataclasses.replace(config.model, progress_features=4, **sizes)
    return dataclasses.replace(config, model=model)


@pytest.mark.slow
def test_a_seed_of_the_study_goes_from_takes_to_a_record(recorded, tmp_path, monkeypatch):  # noqa: F811
    folder = tmp_path / "takes"
    shutil.copytree(recorded, folder)
    (folder / "takes.csv").rename(folder / "index.csv")
    grammar = (folder / "cafe.grammar").read_text()
    corpus = sentences.Corpus(
        "order", SETTINGS, folder, grammar, steps=2, reader_steps=2, row_frames=128
    )
    real = sentences.run_config
    monkeypatch.setattr(sentences, "run_config", lambda *args: tiny(real(*args)))
    figures = sentences.run_corpus(corpus, 3, tmp_path / "work", "test")
    assert set(sentences_page.SUMMARY) <= set(figures)
    assert figures["sentences"] == 4 and figures["real_gloss_error"] >= 0
    assert figures["duration"] > 0 and figures["travel"] >= 0
    read = json.loads((tmp_path / "work" / "order-3" / "read.json").read_text())
    assert len(read) == 4 and set(read[0]) == {"signed", *sentences.ROWS}
    assert (tmp_path / "work" / "order-3" / "strips" / "0-lookup.png").exists()
    json.dumps(figures)
    signs = load_group(tmp_path / "work" / "order-3" / "groups" / "asl").signs
    assert set(read[0]["signed"].lower().replace("-", " ").split()) <= set(" ".join(signs).split())
