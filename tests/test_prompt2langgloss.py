"""Prompt2LangGloss: its batches and losses, training both stages, using it, adding languages."""

import dataclasses

import flax.linen as nn
import jax
import numpy as np
import pytest
import tiny

from configs.prompt2langgloss import get_config
from signllm_jax.api import SignLLM
from signllm_jax.config import EvalConfig, ModelConfig, RLConfig, TextConfig, read_config
from signllm_jax.data import fingerspelling, source
from signllm_jax.data.prompted import LineTokenizer, PromptData, made_up
from signllm_jax.data.transforms import collect_statistics
from signllm_jax.errors import CheckpointError, ConfigError, TextError
from signllm_jax.eval.prompt_dev import prompts_for
from signllm_jax.eval.prompt_report import evaluate_prompts
from signllm_jax.group import Group, load_group, save_group
from signllm_jax.parallel import lanes, sharding
from signllm_jax.prompted import PromptedSignLLM
from signllm_jax.text.asking import ask
from signllm_jax.text.langgloss import EOS, split_marks
from signllm_jax.text.prompts import SPOKEN, parse_prompt, templates
from signllm_jax.text.stage import make_stage
from signllm_jax.train.loop import train
from signllm_jax.train.prompt2langgloss import own_text
from signllm_jax.train.shared import LANE, extend_run
from signllm_jax.train.task import get_task
from signllm_jax.typing import TokenScores
from signllm_jax.workdir import Workdir

CODES = ("asl", "tsl")
MODEL = ModelConfig(
    vocab=330, width=32, heads=2, mlp=64, patch=8, encoder_layers=1, decoder_layers=1
)
TEXT = TextConfig(
    kind="characters",
    units=160,
    buckets=512,
    languages=4,
    encoder_layers=1,
    dropout=0.0,
    unit_drop=0.0,
    longest=160,
    line=12,
    beams=1,
)


def config_for(data_dir, **others):
    config = dataclasses.replace(
        tiny.CONFIG,
        name="prompt2langgloss",
        task="prompt2langgloss",
        model=MODEL,
        text=TEXT,
        data=dataclasses.replace(
            tiny.DATA,
            languages=CODES,
            data_dir=data_dir,
            row_frames=192,
            row_tokens=16,
            row_clips=2,
            row_units=192,
        ),
        train=dataclasses.replace(tiny.CONFIG.train, steps=2, batch_size=2),
        eval=EvalConfig(every=2, clips=2, max_frames=16, batch_size=2),
        log=dataclasses.replace(tiny.CONFIG.log, progress=False),
    )
    return dataclasses.replace(config, **others)


pytestmark = pytest.mark.usefixtures("cheap_compiles")


@pytest.mark.parametrize(("size", "millions"), [("base", 40), ("large", 120), ("super", 1000)])
def test_both_stages_together_have_the_size_of_the_name(size, millions):
    task = get_task(read_config(get_config(f"fingerspelling,{size}").to_dict()))
    leaves = jax.tree.leaves(nn.unbox(lanes.abstract(task.init_lane)))
    assert sum(leaf.size for leaf in leaves) == pytest.approx(millions * 1e6, rel=0.05)


@pytest.fixture(scope="module")
def data(data_dir):
    """PromptData of two languages."""
    sources = [source.open_split("fingerspelling", code, "train", data_dir) for code in CODES]
    random = np.random.default_rng(0)
    prompts = [ask(text, s.language, random)[0] for s in sources for text in s.texts]
    stage = make_stage(TEXT, MODEL.vocab, prompts, {s.language: s.units for s in sources})
    statistics = collect_statistics((s[i] for s in sources for i in range(20)), "openpose50")
    config = config_for(data_dir)
    return stage, PromptData(
        sources,
        stage,
        statistics,
        row_units=config.data.row_units,
        temperature=2.0,
        invented=True,
        batch_size=2,
        seed=0,
        row_frames=config.data.row_frames,
        row_tokens=config.data.row_tokens,
        row_clips=config.data.row_clips,
        patch=MODEL.patch,
        cache_mb=8,
    )


def test_the_lines_of_a_row_are_the_langgloss_of_its_clips(data):
    stage, train_data = data
    batch = jax.tree.map(lambda x: x[0], train_data.batch(3, [0], [0, 1]))
    for row in range(2):
        lines, segment = batch.prompts.line[row], batch.prompts.line_segment[row]
        clips = int((batch.example[row] >= 0).sum())
        assert segment.max() >= clips > 0
        for number in range(1, segment.max() + 1):
            line = lines[segment == number]
            assert line[-1] == EOS and len(split_marks(stage.read(line))) == len(line) - 1
            if number <= clips:
                text = batch.text[row][batch.text_segment[row] == number]
                np.testing.assert_array_equal(line[:-1], text)


def test_a_batch_depends_on_the_step_and_row_alone(data):
    _, train_data = data
    whole, part = train_data.batch(5, [0], [0, 1]), train_data.batch(5, [0], [1])
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[:, 1:], b), whole, part)
    other = train_data.batch(6, [0], [0, 1])
    assert (other.prompts.units != whole.prompts.units).any()


def test_made_up_words_are_halves_of_two_words_in_a_languages_own_letters():
    assert made_up("hello", "world", "asl") == ("helrld", list("HELRLD"))
    assert made_up("fisch", "schal", "dsgs")[1][-1] == "L"
    assert made_up("quay", "vex", "tsl") is None  # Turkish has no q, w or x


@pytest.mark.parametrize("spoken", SPOKEN)
def test_no_template_of_the_test_is_asked_with_while_training(spoken):
    random = np.random.default_rng(0)
    asked = {ask("§", "asl", random)[0] for _ in range(400)}
    test = {line.partition("{")[0] for line in templates(spoken, "test") if line[0] != "{"}
    train_parts = {line.partition("{")[0] for line in templates(spoken, "train")}
    assert not [a for a in asked for t in test - train_parts if len(t) > 12 and a.startswith(t)]


def test_the_caller_names_the_language_where_the_prompt_does_not():
    random = np.random.default_rng(1)
    for _ in range(200):
        prompt, caller = ask("xyz", "tsl", random)
        assert "xyz" in prompt and caller in ("tsl", None)
        if caller is None:
            assert parse_prompt(prompt)[1] == "tsl"
    prompts, callers = prompts_for(["cat", "dog", "sun", "fly"], "asl", "en", "test")
    for prompt, caller in zip(prompts, callers):
        assert parse_prompt(prompt, caller)[1] == "asl"


def test_own_langgloss_takes_the_place_of_the_true_one_clip_by_clip(data):
    _, train_data = data
    batch = jax.tree.map(lambda x: x[0], train_data.batch(0, [0], [0, 1]))
    line = batch.prompts.line
    right = TokenScores(
        jax.nn.one_hot(line % MODEL.vocab, MODEL.vocab),
        jax.nn.one_hot(line // MODEL.vocab, TEXT.languages),
    )
    key = jax.random.key(0)
    np.testing.assert_array_equal(own_text(batch, right, key, 1.0), batch.text)
    other = line + (batch.prompts.line_segment == 2) * (line != EOS)
    wrong = TokenScores(
        jax.nn.one_hot(other % MODEL.vocab, MODEL.vocab),
        jax.nn.one_hot(other // MODEL.vocab, TEXT.languages),
    )
    np.testing.assert_array_equal(own_text(batch, wrong, key, 0.0), batch.text)
    made = np.mean(
        [np.asarray(own_text(batch, wrong, jax.random.key(i), 1.0)) for i in range(20)], 0
    )
    second = batch.text_segment == 2
    changed = made != batch.text
    assert changed[second].all() and not changed[~second].any()
    assert (made - batch.text)[second].max() < 1  # not every time


@pytest.mark.slow
def test_both_losses_train_the_shared_table_and_each_its_own_stage(data, data_dir):
    _, train_data = data
    batch = jax.tree.map(lambda x: x[0], train_data.batch(0, [0], [0, 1]))

    def gradients(weight):
        text = dataclasses.replace(TEXT, weight=weight)
        task = get_task(config_for(data_dir, text=text))
        params = nn.unbox(task.init_lane(jax.random.key(0)))
        loss = lambda p, b: task.loss(p, b, jax.random.key(1))[0]  # noqa: E731
        return jax.jit(jax.grad(loss))(params, batch)

    with sharding.use_mesh(tiny.one_device()):
        both, pose = gradients(1.0), gradients(0.0)
    total = lambda tree: sum(float(np.abs(leaf).sum()) for leaf in jax.tree.leaves(tree))  # noqa: E731
    assert total(pose["text_stage"]) == 0 < total(both["text_stage"])
    assert total(both["pose_stage"]) == pytest.approx(total(pose["pose_stage"]), rel=1e-4)
    assert total(both["langgloss"]) != pytest.approx(total(pose["langgloss"]), rel=1e-2)


@pytest.fixture(scope="module")
def run(data_dir, tmp_path_factory):
    """A run of two steps: what it has learnt is nothing, but it is whole."""
    workdir = tmp_path_factory.mktemp("prompted") / "run"
    assert train(config_for(data_dir), workdir)["step"] == 2
    return workdir


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["text", "pose"])
def test_a_stage_trained_alone_leaves_the_other_and_the_table(stage, data, data_dir):
    _, train_data = data
    batch = jax.tree.map(lambda x: x[0], train_data.batch(0, [0], [0, 1]))
    task = get_task(config_for(data_dir, text=dataclasses.replace(TEXT, trained=stage)))
    with sharding.use_mesh(tiny.one_device()):
        params = nn.unbox(task.init_lane(jax.random.key(0)))
        loss = lambda p, b: task.loss(p, b, jax.random.key(1))[0]  # noqa: E731
        found = jax.jit(jax.grad(loss))(params, batch)
    moved = {
        k: any(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(v)) for k, v in found.items()
    }
    assert moved == {
        "langgloss": False,
        "text_stage": stage == "text",
        "pose_stage": stage == "pose",
    }


@pytest.mark.slow
def test_it_learns_from_the_replay_buffer_as_mlsf_does(data_dir, tmp_path):
    config = config_for(
        data_dir, rl=RLConfig(plc=True, loss="reward", share=0.5, strata=2, capacity=16)
    )
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, batch_size=4))
    assert train(config, tmp_path / "run")["step"] == 2


@pytest.mark.slow
def test_a_run_reports_both_stages(run):
    report = evaluate_prompts(run, "dev")
    assert set(report["languages"]) == set(CODES)
    assert report["text_stage"]["languages"]["asl"]["prompts"] == 40 * len(SPOKEN)
    assert report["text_stage"]["language_accuracy"] == 1  # as used: the prompt is parsed
    assert 0 <= report["text_stage"]["unaided"]["language_accuracy"] <= 1
    true = report["rows"]["true_langgloss"]["overall"]
    assert true["dtw_mean_pose_ratio"] > 0 and true["unproduced"] == 0


class Knowing(PromptedSignLLM):
    """A model whose text stage writes what it is told to."""

    wrote = ()

    def __init__(self, group):
        super().__init__(group)
        self._translators = dict.fromkeys(self._translators, lambda p, a, c: [list(self.wrote)])


@pytest.fixture(scope="module")
def untrained(data, data_dir):
    """A group that has learnt nothing."""
    stage, train_data = data
    init = jax.jit(lambda key: nn.unbox(get_task(config_for(data_dir)).init_lane(key)))
    with sharding.use_mesh(tiny.one_device()):
        params = jax.tree.map(np.asarray, init(jax.random.key(0)))
    return Group(
        language=LANE,
        model=MODEL,
        tokenizer=None,
        statistics=train_data._statistics[0],
        dataset="fingerspelling",
        max_frames=16,
        row_tokens=16,
        text_stage=stage,
        params=params,
    )


@pytest.fixture(scope="module")
def model(untrained):
    return PromptedSignLLM(untrained)


@pytest.mark.slow
def test_a_run_is_loaded_as_what_it_is_and_produces(run):
    model = SignLLM.load(run)
    assert isinstance(model, PromptedSignLLM) and model.languages == CODES
    model.warm_up()


def test_what_is_understood_has_the_marks_of_the_language_asked_for(untrained):
    knowing = Knowing(untrained)
    knowing.wrote = ["<tsl:H>", "<asl:I>"]
    asked = "How do you sign 'hi in Turkish Sign Language' in ASL?"
    assert knowing.understood(None, None, asked) == "<asl:H> <asl:I>"
    assert len(knowing.produce(prompt=asked)) > 0
    assert knowing.understood("hi", "tsl") == "<tsl:H> <tsl:I>"
    knowing.wrote = []
    with pytest.raises(TextError, match="nothing to sign was understood"):
        knowing.produce(prompt=asked)


@pytest.mark.parametrize(
    ("prompt", "language", "message"),
    [
        ("How do you sign '' in ASL?", None, "nothing to sign"),
        (f"How do you sign '{'a' * 10_000}' in ASL?", None, "the model reads at most 159"),
        ("How do you sign 'hi'?", None, "does not say which"),
        ("How do you sign 'hi' in ASL?", "tsl", "asks for asl"),
        ("How do you sign 'hi' in ASL or Turkish Sign Language?", None, "several"),
        ("How do you sign 'hi' in British Sign Language?", None, "known are"),
        ("Hoe gebaar je 'hallo'?", None, "does not say which"),
        ("", "asl", "empty"),
    ],
)
def test_prompts_that_cannot_be_answered_say_why(model, prompt, language, message):
    with pytest.raises(TextError, match=message):
        model.resolve(None, language, prompt)


@pytest.mark.parametrize(
    "prompt",
    [
        "How do you sign 'answer in Turkish Sign Language' in ASL?",
        "Hoe gebaar je 'hallo' in ASL?",  # a spoken language without templates
        "How do you sign 'a {} 🙂\n\"b\"' in ASL?",
    ],
)
def test_what_stands_in_a_prompts_text_never_decides_the_language(model, prompt):
    assert model.resolve(None, None, prompt)[1] == "asl"


def test_a_language_that_the_run_has_not_is_refused(model):
    with pytest.raises(ConfigError, match="this run has asl, tsl"):
        model.resolve(None, None, "How do you sign 'hi' in German Sign Language?")


@pytest.mark.slow
def test_a_language_added_leaves_what_is_understood_unchanged(run, data_dir, tmp_path):
    grown = tmp_path / "grown"
    flags = extend_run(run, ["gsl"], grown)
    assert f"--config.init_from={grown}" in flags
    old, new = load_group(run / "groups" / LANE), load_group(grown / "groups" / LANE)
    assert new.text_stage.vocabulary.languages == (*CODES, "gsl")
    before, after = PromptedSignLLM(old), PromptedSignLLM(new)
    prompts = [f"How do you sign '{word}'?" for word in fingerspelling.words("asl")["dev"][:4]]
    for code in CODES:
        lines = [
            model._translators[1](model._text_params, [p], [code])[0]
            for model in (before, after)
            for p in prompts
        ]
        assert lines[:4] == lines[4:]
        clips = [
            model._pose_stages[1](model._pose_params, [[f"<{code}:A> <{code}:B>"]])[0][0][0]
            for model in (before, after)
        ]
        np.testing.assert_allclose(clips[0].positions, clips[1].positions, atol=1e-5)
    config, codes = Workdir(grown).read_config()
    assert codes == (*CODES, "gsl")
    config = dataclasses.replace(
        config,
        init_from=str(grown),
        train=dataclasses.replace(config.train, steps=1),
        eval=dataclasses.replace(config.eval, every=1),
    )
    assert train(config, tmp_path / "run")["step"] == 1
    assert load_group(tmp_path / "run" / "groups" / LANE).text_stage == new.text_stage


@pytest.mark.slow
def test_tables_that_must_grow_do(run, tmp_path):
    group = load_group(run / "groups" / LANE)
    tight = dataclasses.replace(TEXT, units=group.text_stage.units.size, languages=3)
    stage = group.text_stage
    units = dataclasses.replace(stage.units, marks=2)
    params = dict(group.params)
    first = stage.units.size - len(stage.units.known)
    table = group.params["text_stage"]["embed_unit"]["unit"]
    table = np.concatenate([table[: first - 1], table[first : stage.units.size]])
    params["text_stage"] = dict(params["text_stage"]) | {
        "embed_unit": dict(params["text_stage"]["embed_unit"]) | {"unit": table}
    }
    params["langgloss"] = {
        "gloss": params["langgloss"]["gloss"][: stage.vocabulary.size],
        "language": params["langgloss"]["language"][:3],
    }
    tight = dataclasses.replace(tight, units=len(table))
    tight_stage = dataclasses.replace(stage, config=tight, rows=stage.vocabulary.size, units=units)
    model = dataclasses.replace(group.model, vocab=stage.vocabulary.size)
    config, _ = Workdir(run).read_config()
    small = Workdir(tmp_path / "small")
    small.path.mkdir()
    small.claim(dataclasses.replace(config, text=tight, model=model), CODES)
    own = dataclasses.replace(group, model=model, text_stage=tight_stage, params=params)
    save_group(small.group(LANE), own)
    extend_run(small.path, ["gsl"], tmp_path / "grown")
    new = load_group(tmp_path / "grown" / "groups" / LANE)
    assert new.model.vocab == new.text_stage.vocabulary.size > model.vocab
    assert new.text_stage.config.languages == 4 and new.text_stage.units.marks == 3
    assert new.params["langgloss"]["gloss"].shape[0] == new.model.vocab
    assert new.params["langgloss"]["language"].shape[0] == 4
    prompts, asked = ["How do you sign 'cat'?"], ["asl"]
    lines = [
        PromptedSignLLM(g)._translators[1](PromptedSignLLM(g)._text_params, prompts, asked)
        for g in (own, new)
    ]
    assert lines[0] == lines[1]
    with pytest.raises(ConfigError, match="has 'asl' already"):
        extend_run(run, ["asl"], tmp_path / "other")
    with pytest.raises(CheckpointError, match="holds a run already"):
        extend_run(run, ["gsl"], tmp_path / "grown")


@pytest.mark.slow
def test_a_run_of_a_language_without_a_mark_is_refused(run, data_dir, tmp_path):
    config = config_for(data_dir, init_from=str(run))
    config = dataclasses.replace(
        config, data=dataclasses.replace(config.data, languages=("asl", "gsl"))
    )
    with pytest.raises(ConfigError, match="no mark for 'gsl'"):
        train(config, tmp_path / "run")


def test_a_line_tokenizer_refuses_what_is_no_langgloss(data):
    with pytest.raises(TextError, match="not a LangGloss token"):
        LineTokenizer(data[0]).encode("hello")
