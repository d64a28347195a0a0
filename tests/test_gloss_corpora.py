"""Corpora of texts and glosses: read from files, mixed, and learnt by a run."""

import dataclasses
import json
from collections import Counter

import jax
import numpy as np
import pytest
from glosses import LINES, MODEL, TEXT, TEXTS

from signllm_jax.artifacts.group import digest, load_group
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import Config, DataConfig, EvalConfig
from signllm_jax.core.errors import DataError
from signllm_jax.core.tasks import SHARED
from signllm_jax.corpora import gloss_corpora
from signllm_jax.data.packing import MixedPlan, Packing
from signllm_jax.eval import text_report
from signllm_jax.train.checkpoint import Checkpoints
from signllm_jax.train.loop import train
from signllm_jax.train.optimizer import evaluated
from signllm_jax.train.state import abstract_state


def test_languages_are_mixed_by_the_temperature_and_each_example_comes_equally_often():
    members = [("gsl", 400), ("ksl", 100), ("dsgs", 4)]
    count = sum(n for _, n in members)
    plan = MixedPlan(
        "shared",
        [1] * count,
        [1] * count,
        Packing(8, 8, 8),
        members=members,
        temperature=2.0,
    )
    drawn = Counter()
    for epoch in range(40):
        for row in plan._epoch(epoch):
            drawn.update(row)
    of = np.array([drawn[i] for i in range(count)])
    shares = np.array([of[:400].sum(), of[400:500].sum(), of[500:].sum()]) / of.sum()
    np.testing.assert_allclose(shares, np.array([20, 10, 2]) / 32, atol=0.01)
    for part in (of[:400], of[400:500], of[500:]):
        assert part.max() - part.min() <= 1


HEADER = "id|signer|annotation|translation\n"


def write_corpus(folder, texts=TEXTS, lines=LINES):
    (folder / "phoenix14t").mkdir(parents=True)
    rows = [f"{i}|Signer1|{' '.join(g)}|{t}" for i, (t, g) in enumerate(zip(texts, lines))]
    for split in gloss_corpora.SPLITS:
        (folder / "phoenix14t" / f"{split}.csv").write_text(HEADER + "\n".join(rows) + "\n")
    return folder


@pytest.mark.parametrize(
    ("content", "message"),
    [("id|signer\n", "no column 'annotation'"), (HEADER + "1|a\n", "line 2 has too few")],
)
def test_a_damaged_corpus_is_named(tmp_path, content, message):
    write_corpus(tmp_path)
    (tmp_path / "phoenix14t" / "train.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        gloss_corpora.read_pairs(tmp_path, "gsl", "train")
    with pytest.raises(DataError, match="cannot be read"):
        gloss_corpora.read_pairs(tmp_path, "ksl", "train")


def test_the_real_corpora_have_their_known_sizes_and_share_no_text(shared_data):
    folder = shared_data / "text"
    splits = {
        code: {s: gloss_corpora.read_pairs(folder, code, s) for s in gloss_corpora.SPLITS}
        for code in gloss_corpora.languages(gloss_corpora.ALL)
    }
    assert [len(splits["gsl"][s]) for s in gloss_corpora.SPLITS] == [7096, 519, 642]
    assert all(len(own[s]) > 10 for own in splits.values() for s in gloss_corpora.SPLITS)
    for split in ("dev", "test"):
        train_texts = {pair.text for pair in splits["ksl"]["train"]}
        assert not train_texts & {pair.text for pair in splits["ksl"][split]}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that learns four sentences by heart, and its folder of data."""
    folder = write_corpus(tmp_path_factory.mktemp("corpus"))
    config = Config(
        name="text2gloss",
        task="text2gloss",
        data=DataConfig(
            dataset="phoenix14t", data_dir=str(folder), row_units=32, row_tokens=24, row_clips=4
        ),
        text=TEXT,
        model=MODEL,
        optimizer=dataclasses.replace(
            Config().optimizer, learning_rate=5e-3, schedule="linear", average=0.9, warmup=5
        ),
        train=dataclasses.replace(Config().train, steps=80, batch_size=2),
        eval=EvalConfig(every=80, batch_size=4),
        log=dataclasses.replace(Config().log, progress=False),
    )
    workdir = tmp_path_factory.mktemp("run") / "run"
    assert train(config, workdir)["step"] == 80
    return workdir


@pytest.mark.slow
def test_a_run_learns_its_lines_and_reports_them(run):
    report = text_report.evaluate(run)
    assert report == json.loads((run / "report.json").read_text()) | {"run": report["run"]}
    stage = report["text_stage"]
    assert stage["exact_match"] == 1 and stage["language_accuracy"] == 1
    assert stage["languages"]["gsl"]["texts"] == 4 and stage["foreign_marks"] == 0
    twice = text_report.evaluate(run, "dev", ensemble=[run])
    assert twice["text_stage"]["exact_match"] == 1


@pytest.mark.slow
def test_what_is_kept_is_the_running_mean_of_the_parameters(run):
    group = load_group(run / "groups" / SHARED)
    trained = json.loads((run / "final.json").read_text())["params_sha256"]
    assert digest(jax.tree.map(lambda leaf: leaf[None], group.params)) != trained
    config, _ = Workdir(run).read_config()
    like = abstract_state(config, (SHARED,))
    state, _ = Checkpoints(run / "checkpoints", keep=1).restore(like)
    assert digest(jax.tree.map(np.asarray, state.params)) == trained
    mean = jax.tree.map(lambda leaf: np.asarray(leaf[0]), evaluated(state.opt_state, state.params))
    assert digest(mean) == digest(group.params)
    assert group.step == 80 and group.tokenizer is None and group.statistics is None
    assert group.text_stage.vocabulary.languages == ("gsl",)
