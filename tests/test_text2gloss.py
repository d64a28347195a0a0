"""The text stage: what it reads and writes, its model, greedy and beam decoding, choosing."""

import dataclasses
import functools
import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from glosses import LINES, MODEL, PAIRS, TEXT, TEXTS

from signllm_jax.core.errors import ConfigError, TextError
from signllm_jax.core.tasks import SHARED
from signllm_jax.core.typing import TokenScores
from signllm_jax.data.gloss_batches import LineData
from signllm_jax.data.packing import Packing
from signllm_jax.eval.figures import mean_metrics
from signllm_jax.inference.gloss_decoding import decode_lines, score_choices
from signllm_jax.inference.text_to_gloss import Translator
from signllm_jax.metrics.gloss_metrics import score_lines
from signllm_jax.models.losses import divergence
from signllm_jax.models.text2gloss import Text2Gloss
from signllm_jax.parallel import sharding
from signllm_jax.text.langgloss import EOS
from signllm_jax.text.source_tokens import UNKNOWN, collect_units
from signllm_jax.text.stage import make_stage
from signllm_jax.train.state import abstract_state
from signllm_jax.train.step import make_train_step
from signllm_jax.train.text2gloss import line_terms


@pytest.fixture(scope="module")
def stage():
    return make_stage(TEXT, MODEL.vocab, TEXTS, {"gsl": LINES, "dsgs": LINES[:2]})


@pytest.fixture(scope="module")
def batch(stage):
    data = LineData(
        {"gsl": PAIRS, "dsgs": PAIRS[:2]},
        stage,
        Packing(row_frames=0, row_tokens=16, row_clips=3, batch_size=2),
        name=SHARED,
        row_units=24,
        temperature=1.0,
    )
    return jax.tree.map(lambda x: x[0], data.batch(0, [0], range(2)))


@pytest.fixture(scope="module")
def params(batch):
    model = Text2Gloss(MODEL, TEXT)
    with sharding.use_mesh(tiny.one_device()):
        return nn.unbox(jax.jit(model.init)(jax.random.key(0), *batch)["params"])


SCORES = jax.jit(lambda params, *arrays: Text2Gloss(MODEL, TEXT).apply({"params": params}, *arrays))


def scores_of(params, *arrays):
    with sharding.use_mesh(tiny.one_device()):
        return SCORES(params, *arrays)


def test_a_line_comes_back_with_the_mark_of_its_language(stage):
    tokens = stage.write(("REGEN", "WIND"), "dsgs")
    assert stage.read([*tokens, EOS, tokens[0]]) == ["<dsgs:REGEN>", "<dsgs:WIND>"]
    assert stage.write(("REGEN",), "gsl")[0] != tokens[0]
    assert stage.write(("REGEN",), "gsl")[0] % MODEL.vocab == tokens[0] % MODEL.vocab


def test_a_gloss_without_a_row_is_spelled(stage):
    assert stage.read(stage.write(("NEBEL7",), "gsl")) == ["<gsl:NEBEL7>"]


def test_a_stage_survives_json(stage):
    assert type(stage).from_dict(json.loads(json.dumps(stage.to_dict()))) == stage


def test_too_many_glosses_or_languages_are_refused():
    with pytest.raises(ConfigError, match="LangGloss needs"):
        make_stage(TEXT, 270, TEXTS, {"gsl": LINES})
    few = dataclasses.replace(TEXT, languages=2)
    with pytest.raises(ConfigError, match="languages"):
        make_stage(few, MODEL.vocab, TEXTS, {"gsl": LINES, "dsgs": LINES})


def test_an_unknown_word_shares_the_ngrams_of_its_relatives(stage):
    known, unknown = (stage.units.encode(text, "gsl") for text in ("regen", "regens"))
    assert known[1, 0] != UNKNOWN == unknown[1, 0]
    shared = set(known[1, 1:].tolist()) & set(unknown[1, 1:].tolist()) - {0}
    assert len(shared) >= 5
    other = set(stage.units.encode("tag", "gsl")[1, 1:].tolist())
    assert len(shared) > len(set(unknown[1, 1:].tolist()) & other - {0})


def test_the_first_unit_says_the_language_or_leaves_it_open(stage):
    first = {code: stage.units.encode("regen", code)[0, 0] for code in ("gsl", "dsgs", None)}
    assert len(set(first.values())) == 3
    with pytest.raises(ConfigError, match="unknown language 'ksl'"):
        stage.units.encode("regen", "ksl")
    with pytest.raises(TextError, match="empty"):
        stage.units.encode(" \n", "gsl")


def test_characters_know_the_frequent_words_around_them_and_not_the_rare_ones():
    texts = [f"how do you sign '{word}'?" for word in ("cat", "dog", "sun")] * 200
    texts += ["how do you sign 'rare'?"]
    units = collect_units(texts, "characters", ("asl",), marks=3, rows=64, buckets=512)
    assert "sign" in units.frequent and "rare" not in units.frequent
    one, other = (units.encode(f"how do you sign '{w}'?", "asl") for w in ("rare", "rock"))
    np.testing.assert_array_equal(one[:, 1:5], other[:, 1:5])  # the same surroundings and places
    assert (one[:, 0] != other[:, 0]).sum() == 3  # a, r, e against o, c, k
    familiar = collect_units(
        texts, "characters", ("asl",), marks=3, rows=64, buckets=512, familiar=["Rock", "do"]
    )
    assert (
        familiar.familiar == ("do", "rock")
        and type(units).from_dict(familiar.to_dict()) == familiar
    )
    marked = familiar.encode("how do you sign 'rock'?", "asl")
    assert (marked[:, 1] != other[:, 1]).sum() == 4  # of the word itself
    np.testing.assert_array_equal(marked[:8, 1], other[:8, 1])  # `do` is frequent
    hidden = units.encode("how do you sign 'rare'?", "asl", 0.9, np.random.default_rng(0))
    assert (hidden[:, 1:4] != one[:, 1:4]).any()
    np.testing.assert_array_equal(hidden[:, 0], one[:, 0])


def test_scores_do_not_look_ahead(params, batch):
    changed = batch._replace(line=batch.line.copy())
    place = 2
    changed.line[:, place:] = np.where(changed.line[:, place:] > 0, EOS, 0)
    before, after = scores_of(params, *batch), scores_of(params, *changed)
    np.testing.assert_allclose(before.gloss[:, :place], after.gloss[:, :place], atol=1e-5)
    assert np.abs(before.gloss[:, place + 1 :] - after.gloss[:, place + 1 :]).max() > 1e-3


def test_the_train_step_takes_lines_where_others_take_clips(batch):
    config = dataclasses.replace(tiny.CONFIG, task="text2gloss", text=TEXT, model=MODEL)
    mesh, lines = tiny.one_device(), jax.tree.map(lambda x: x[None], batch)
    with sharding.use_mesh(mesh):
        step = make_train_step(config, (SHARED,), mesh)
        state, metrics = jax.eval_shape(step, abstract_state(config, (SHARED,)), lines)
    assert state.step.shape == () and metrics["loss"].shape == (1,)


def test_texts_of_a_packed_row_do_not_see_each_other(params, batch):
    row, second = 0, batch.unit_segment[0] == 2
    line = batch.line_segment[0] == 2
    alone = batch._replace(
        units=batch.units[row : row + 1, second],
        unit_segment=np.ones((1, second.sum()), np.int32),
        line=batch.line[row : row + 1, line],
        line_segment=np.ones((1, line.sum()), np.int32),
    )
    packed = scores_of(params, *batch)
    np.testing.assert_allclose(
        scores_of(params, *alone).gloss[0], packed.gloss[row, line], atol=1e-4
    )


def stacked(*trees):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def decoded(params, units, beams, power=1.0, most=8):
    with sharding.use_mesh(tiny.one_device()):
        decode = functools.partial(decode_lines, Text2Gloss(MODEL, TEXT))
        return jax.jit(lambda p, u: decode(p, u, most, beams, power))(params, units)


@pytest.fixture(scope="module")
def units(stage):
    out = np.zeros((4, TEXT.longest, stage.units.columns), np.int32)
    for row, text in zip(out, TEXTS):
        encoded = stage.units.encode(text, "gsl")
        row[: len(encoded)] = encoded
    return out


@pytest.fixture(scope="module")
def sharp(params):
    """Parameters that are surer of themselves, so that lines differ."""
    table = params["embed_gloss"]
    gloss = table["gloss"] * 4
    return params | {"embed_gloss": table | {"gloss": gloss}}


def test_one_beam_is_greedy_with_the_cache_as_without(sharp, units):
    tokens, logp = (np.asarray(x) for x in decoded(stacked(sharp), units, 1))
    assert len({tuple(row) for row in tokens.tolist()}) > 1
    segment = (units[..., 0] > 0).astype(np.int32)
    line = np.zeros((4, 8), np.int32)
    ended = np.zeros(4, bool)
    total = np.zeros(4)
    for place in range(8):
        scores = scores_of(sharp, units, segment, line, np.ones_like(line))
        gloss = np.array(jax.nn.log_softmax(scores.gloss[:, place]))
        gloss[:, :2] = -1e9  # padding and start
        mark = 1 + np.asarray(scores.language)[:, place, 1:].argmax(-1)
        best = gloss.argmax(-1)
        total += np.where(ended, 0, gloss.max(-1))
        ended |= best == EOS
        line[:, place] = np.where(ended, 0, mark * MODEL.vocab + best)
    np.testing.assert_array_equal(tokens, line)
    np.testing.assert_allclose(logp, total, rtol=1e-4)


def test_a_given_line_is_as_likely_as_where_it_was_written(sharp, units):
    tokens, logp = (np.asarray(x) for x in decoded(stacked(sharp), units, 1))
    others = np.where(tokens > 0, np.where(tokens == EOS, EOS, tokens ^ 1), 0)
    lines = np.stack([others, 0 * tokens, tokens], 1)
    with sharding.use_mesh(tiny.one_device()):
        score = jax.jit(functools.partial(score_choices, Text2Gloss(MODEL, TEXT)))
        scores = np.asarray(score(stacked(sharp, sharp), units, lines))
    np.testing.assert_allclose(scores[:, 2], logp, rtol=1e-4)
    assert (scores[:, 0] < scores[:, 2]).all() and (scores[:, 1] == -np.inf).all()


def test_the_best_of_many_lines_is_chosen_whatever_their_order(stage, sharp):
    translator = Translator(MODEL, stage, tiny.one_device(), 2)
    glosses = ("ABEND", "REGEN", "MORGEN", "SONNE", "WIND", "TAG")
    many = [[a, b] for a in glosses for b in glosses]
    texts, codes = [TEXTS[0], TEXTS[1], TEXTS[0]], ["gsl", "dsgs", "gsl"]
    best = translator.choose(stacked(sharp), texts, codes, [many, many[:17], many[::-1]])
    assert best[0] == best[2] and best[1][0].startswith("<dsgs:")
    with sharding.use_mesh(tiny.one_device()):
        alone = {
            tuple(line): translator._score(stacked(sharp), *one_of(stage, texts[0], line))[0, 0]
            for line in many
        }
    assert best[0] == [f"<gsl:{gloss}>" for gloss in max(alone, key=alone.get)]
    assert translator.choose(stacked(sharp), texts[:2], codes[:2], [[], [["TAG"] * 8]]) == [[], []]


def one_of(stage, text, line):
    """A batch of two texts, one of them none, with one line."""
    units = np.zeros((2, TEXT.longest, stage.units.columns), np.int32)
    read = stage.encode(text, "gsl")
    units[0, : len(read)] = read
    lines = np.zeros((2, 1, TEXT.line), np.int32)
    tokens = [*stage.write(line, "gsl"), EOS]
    lines[0, 0, : len(tokens)] = tokens
    return units, lines


@pytest.mark.slow
def test_beams_find_a_line_at_least_as_likely_as_greedy_without_a_penalty(sharp, units):
    _, greedy = decoded(stacked(sharp), units, 1, power=0.0)
    _, beam = decoded(stacked(sharp), units, 6, power=0.0)
    assert (np.asarray(beam) >= np.asarray(greedy) - 1e-4).all()


@pytest.mark.slow
def test_an_ensemble_of_a_model_and_itself_is_the_model(sharp, units):
    one, twice = decoded(stacked(sharp), units, 3), decoded(stacked(sharp, sharp), units, 3)
    np.testing.assert_array_equal(one[0], twice[0])
    np.testing.assert_allclose(one[1], twice[1], rtol=1e-4)


def test_a_row_of_only_padding_has_an_empty_line(sharp, units):
    tokens, logp = decoded(stacked(sharp), np.concatenate([units[:1], 0 * units[:1]]), 2)
    assert not np.asarray(tokens)[1].any() and logp[1] == 0


def test_a_text_that_is_too_long_is_refused(stage):
    with pytest.raises(TextError, match="10001 words, the model reads at most 11"):
        stage.encode("regen " * 10_001, "gsl")


def test_marks_of_other_languages_are_counted():
    lines = [["<gsl:A>", "<gsl:B>"], ["<ksl:A>", "<gsl:B>"], []]
    scores = score_lines(lines, [("A", "B"), ("A", "B"), ("A",)], "gsl")
    assert scores["foreign_marks"] == 1
    assert scores["language_accuracy"] == pytest.approx(2 / 3)
    assert scores["exact_match"] == pytest.approx(1 / 3)
    assert "bleu2" in scores and "bleu3" not in scores and "accuracy" not in scores


def test_a_mean_is_over_the_languages_that_have_a_figure():
    signs = score_lines([["<gsl:A>"]], [("A",)], "gsl")
    lines = score_lines([["<ksl:A>"] * 4], [("A",) * 4], "ksl")
    mean = mean_metrics([signs, lines])
    assert signs["accuracy"] == mean["accuracy"] == 1 and "bleu4" not in signs
    assert mean["bleu4"] == lines["bleu4"] and mean["foreign_marks"] == 0


@pytest.fixture(scope="module")
def terms_of(batch, params):
    """The terms of the text stage's loss under other settings."""

    def terms_of(**values):
        config = dataclasses.replace(TEXT, **values)
        model, lines = Text2Gloss(MODEL, config), jax.tree.map(jnp.asarray, batch)
        keys = jax.random.split(jax.random.key(3))
        with sharding.use_mesh(tiny.one_device()):
            found = jax.jit(lambda params, *keys: line_terms(model, params, lines, config, *keys))
            terms, scores = found(params, *keys)
        assert scores.gloss.shape[:2] == batch.line.shape
        return {name: float(value) for name, value in terms.items()}

    return terms_of


def test_two_passes_without_dropout_agree_and_cost_what_one_does(terms_of, batch):
    still = {"dropout": 0.0, "unit_drop": 0.0}
    one, two = terms_of(**still), terms_of(**still, consistency=2.0)
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-5)
    assert two["divergence"] == pytest.approx(0, abs=1e-6)
    assert two["tokens"] == one["tokens"] == (batch.line_segment > 0).sum()


def test_where_two_passes_disagree_is_added_to_the_loss_by_its_weight(terms_of):
    terms = terms_of(dropout=0.3, unit_drop=0.0, smoothing=0.0, consistency=3.0)
    assert terms["divergence"] > 0.001
    once = terms["gloss"] + terms["mark"]
    assert terms["loss"] == pytest.approx(once + 3 * terms["divergence"], rel=1e-5)


def test_the_divergence_of_two_passes_is_that_of_kullback_and_leibler_both_ways():
    random = np.random.default_rng(4)
    first, second = (
        TokenScores(*(random.normal(size=(1, 3, n)).astype(np.float32) for n in (7, 2)))
        for _ in range(2)
    )
    expected = 0.0
    for one, other in zip(first, second):
        p, q = (np.asarray(jax.nn.softmax(x[0, :2]), np.float64) for x in (one, other))
        expected += ((p * np.log(p / q) + q * np.log(q / p)).sum(-1) / 2).mean()
    padded = np.array([[1, 2, 0]])  # the last place is padding
    assert float(divergence(first, second, padded)) == pytest.approx(expected, rel=1e-4)
