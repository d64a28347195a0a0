import sys

import pytest

from signllm_jax.core.errors import ConfigError, DataError
from signllm_jax.metrics import text_metrics

REFERENCES = ["am mittwoch regen im süden .", "morgen scheint die sonne .", "내일 비 가 오 다"]
PRODUCED = ["am mittwoch schnee im süden .", "morgen scheint die sonne .", "내일 눈 이 오 다"]


def test_equal_texts_are_perfect():
    scores, signatures = text_metrics.score_texts(REFERENCES, REFERENCES)
    for name in ("bleu1", "bleu2", "bleu3", "bleu4", "chrf", "rouge_l"):
        assert scores[name] == pytest.approx(100)
    assert scores["wer"] == scores["cer"] == 0
    assert "tok:13a" in signatures["bleu"] and "version:" in signatures["chrf"]


def test_bleu_orders_follow_from_the_counts():
    scores, signature = text_metrics.bleu(PRODUCED, REFERENCES, tokenize="none")
    unigrams, bigrams = (5 + 5 + 3) / 16, (3 + 4 + 1) / 13  # no brevity penalty: equal lengths
    assert scores["bleu1"] == pytest.approx(100 * unigrams)
    assert scores["bleu2"] == pytest.approx(100 * (unigrams * bigrams) ** 0.5)
    assert scores["bleu1"] > scores["bleu2"] > scores["bleu3"] > scores["bleu4"] > 0
    assert "tok:none" in signature


def test_what_has_no_meaning_for_short_lines_is_absent_and_not_0():
    signs = ["HOUSE", "TREE", "CAT", "YELLOW"]
    scores, signatures = text_metrics.score_texts(signs, signs, "none")
    assert {name for name in scores if name.startswith("bleu")} == {"bleu1"}
    assert scores["bleu1"] == pytest.approx(100) and scores["chrf"] == pytest.approx(100)
    assert scores["exact_match"] == scores["accuracy"] == 1
    assert "tok:none" in signatures["bleu"]
    wrong = text_metrics.score_texts(["HOUSE", "CAT", "CAT", "HOUSE"], signs, "none")[0]
    assert wrong["accuracy"] == 0.5 and "bleu4" not in wrong
    lines = ["ICH GEHEN", "DU KOMMEN HEUTE"]
    scores, _ = text_metrics.score_texts(lines, lines, "none")
    assert "accuracy" not in scores and scores["bleu3"] == pytest.approx(100)
    assert "bleu4" not in scores
    long = [*lines, "MORGEN REGEN NORD SUED"]
    assert text_metrics.bleu(long, long, "none")[0]["bleu4"] == pytest.approx(100)
    assert text_metrics.bleu(["A"] * 3, long, "none")[0]["bleu4"] == 0


def test_the_signature_says_how_words_are_told_apart():
    assert "tok:13a" in text_metrics.signatures()["bleu"]
    told = text_metrics.signatures("none")
    assert "tok:none" in told["bleu"] and "version:" in told["chrf"]


def test_rouge_l_sees_umlauts_and_hangul():
    expected = 100 * (5 / 6 + 1 + 3 / 5) / 3
    assert text_metrics.rouge_l(PRODUCED, REFERENCES) == pytest.approx(expected)


def test_error_rates_are_pooled_over_the_corpus():
    assert text_metrics.wer(PRODUCED, REFERENCES) == pytest.approx(3 / 16)
    assert text_metrics.cer(["hallo", "wélt"], ["hello", "welt"]) == pytest.approx(2 / 9)


def test_an_empty_production_is_scored_and_an_empty_reference_is_an_error():
    scores, _ = text_metrics.score_texts(["", "morgen"], ["heute", "morgen"])
    assert scores["wer"] == pytest.approx(0.5)
    with pytest.raises(DataError, match="1 of 2 references"):
        text_metrics.wer(["heute", "morgen"], ["heute", " "])


@pytest.mark.parametrize(("produced", "references"), [([], []), (["a"], ["a", "b"])])
def test_nothing_to_score_and_unequal_counts_are_errors(produced, references):
    with pytest.raises(DataError, match="cannot be scored"):
        text_metrics.bleu(produced, references)


def test_a_missing_library_names_the_extra_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "jiwer", None)
    with pytest.raises(ConfigError, match=r"jiwer.*\.\[eval\]"):
        text_metrics.cer(["a"], ["a"])
