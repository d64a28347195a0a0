"""Whole runs on real fingerspelling."""

import collections
import dataclasses
import json
import logging
import os
import re
import signal
import types
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image
from real_clips import letters
from tiny import CONFIG, one_device

from signllm_jax.api import SignLLM
from signllm_jax.artifacts.group import digest, load_group
from signllm_jax.artifacts.run_files import steps_done
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import to_dict
from signllm_jax.core.errors import ConfigError, TextError
from signllm_jax.train import groups, loop
from signllm_jax.train.checkpoint import restore_params
from signllm_jax.train.dev import show_dev
from signllm_jax.train.log import RunLog
from signllm_jax.train.state import abstract_state, state_shardings

LANGUAGES = ("asl", "tsl")
STEPS = 4
MAKE_RUN_MESH = loop.make_run_mesh


@pytest.fixture(scope="module")
def on_one_device():
    """Runs on the first of the session's devices alone, like a run on most machines."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "make_run_mesh", lambda config, languages: one_device())
        yield


@pytest.fixture(scope="module")
def config(data_dir):
    return dataclasses.replace(
        CONFIG,
        data=dataclasses.replace(
            CONFIG.data, data_dir=data_dir, languages=LANGUAGES, row_frames=128
        ),
        train=dataclasses.replace(CONFIG.train, steps=STEPS, batch_size=4),
        eval=dataclasses.replace(
            CONFIG.eval, every=2, clips=3, max_frames=32, batch_size=4, report=False
        ),
        checkpoint=dataclasses.replace(CONFIG.checkpoint, every=3),
        log=dataclasses.replace(CONFIG.log, every=1, progress=False),
    )


@dataclasses.dataclass
class Run:
    path: Path
    final: dict
    compiled: collections.Counter
    events: list[str]


class Compilations(logging.Handler):
    """Counts the programs that jax says it compiles, by name."""

    def __init__(self):
        super().__init__()
        self.count = collections.Counter()

    def emit(self, record):
        found = re.match(r"Compiling jit\(([\w<>]+)\)", record.getMessage())
        if found:
            self.count[found[1]] += 1


@pytest.fixture(scope="module")
def finished(config, on_one_device, tmp_path_factory):
    """A run without interruption, what it compiled, and when it stepped and fetched metrics."""
    path, compilations = tmp_path_factory.mktemp("finished"), Compilations()
    events, make, gather = [], loop.make_train_step, loop.gather_metrics

    def noted(name, function):
        return lambda *args: events.append(name) or function(*args)

    logging.getLogger("jax").addHandler(compilations)
    with jax.log_compiles(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "make_train_step", lambda *args: noted("step", make(*args)))
        patch.setattr(loop, "gather_metrics", noted("fetch", gather))
        final = loop.train(config, path)
    logging.getLogger("jax").removeHandler(compilations)
    return Run(path, final, compilations.count, events)


def lines(path):
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def test_metrics_are_fetched_when_the_next_step_is_under_way(finished):
    """Except those of steps 2, 3 and 4, after which the run evaluates or saves."""
    told = "step step fetch fetch step fetch step fetch"
    assert " ".join(finished.events) == told


def test_a_run_logs_every_step_once_and_evaluates_when_it_should(finished):
    logged = lines(finished.path)
    assert [x["step"] for x in logged if x["kind"] == "train"] == [1, 2, 3, 4]
    assert [x["step"] for x in logged if x["kind"] == "dev"] == [2, 4]
    for line in logged:
        for code in LANGUAGES:
            named = "loss" if line["kind"] == "train" else "score"
            assert line[code][named] > 0


def test_a_run_with_clips_of_all_lengths_and_evaluations_compiles_each_program_once(finished):
    assert finished.compiled["train_step"] == 1
    assert finished.compiled["generate"] == 1


def test_the_last_checkpoint_holds_what_final_json_says(config, finished):
    assert json.loads((finished.path / "final.json").read_text()) == finished.final
    assert steps_done(finished.path) == finished.final["step"]
    assert steps_done(finished.path / "groups") is None
    mesh = one_device()
    like = jax.tree.map(
        lambda leaf, place: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place),
        abstract_state(config, LANGUAGES).params,
        state_shardings(config, LANGUAGES, mesh).params,
    )
    params = restore_params(Workdir(finished.path).checkpoints, like)
    assert digest(jax.device_get(params)) == finished.final["params_sha256"]
    assert finished.final["step"] == STEPS


def test_every_language_keeps_its_best_parameters(finished):
    dev = [line for line in lines(finished.path) if line["kind"] == "dev"]
    for code in LANGUAGES:
        group = load_group(Workdir(finished.path).group(code))
        best = min(dev, key=lambda line, code=code: line[code]["score"])
        assert (group.step, group.dev_score) == (
            best["step"],
            best[code]["score"],
        )


def test_a_loaded_run_produces_the_same_clip_for_the_same_text(finished):
    first, again = (SignLLM.load(finished.path).produce("cab", "asl") for _ in range(2))
    np.testing.assert_array_equal(first.positions, again.positions)
    assert len(first) > 0 and np.isfinite(first.positions).all()


@pytest.mark.slow
def test_a_text_that_is_longer_or_shorter_than_all_of_train_is_refused(finished):
    model = SignLLM.load(finished.path)
    for text in ("kitchens", "at"):
        with pytest.raises(
            TextError, match=f"'{text}' has {len(text)} .*trained on texts of 3 to 6"
        ):
            model.produce(text, "asl")
        with pytest.raises(TextError, match="would misspell it"):
            model.produce_many(["cab", text], "asl")


def test_best_scores_of_another_metric_are_not_taken_up():
    """They would never be beaten, or never stand."""
    record = {"best": {"asl": 0.06}, "waiting": {"asl": 3}, "seconds": 5.0}
    assert groups.comparable(record, "score") == {"seconds": 5.0}
    assert groups.comparable(record, "cer") == record
    named = record | {"lead": "score"}
    assert groups.comparable(named, "score") == named
    assert groups.comparable(named, "cer") == {"seconds": 5.0}


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(
    config, finished, tmp_path, monkeypatch
):
    advance, steps = RunLog.advance, []

    def stop_at_two(log):
        advance(log)
        steps.append(1)
        if len(steps) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(RunLog, "advance", stop_at_two)
    assert loop.train(config, tmp_path) is None
    assert len(steps) == 2 and not (tmp_path / "final.json").exists()
    final = loop.train(config, tmp_path)
    assert len(steps) == STEPS
    assert final["params_sha256"] == finished.final["params_sha256"]
    assert lines(tmp_path) == lines(finished.path)


def test_a_run_with_another_config_is_refused_and_left_as_it_was(config, finished):
    before = {path: path.stat().st_mtime_ns for path in finished.path.rglob("*.json")}
    other = dataclasses.replace(config, loss=dataclasses.replace(config.loss, velocity=9.0))
    with pytest.raises(ConfigError, match=r"config\.loss\.velocity is 1\.0 there, 9\.0 here"):
        loop.train(other, finished.path)
    assert {path: path.stat().st_mtime_ns for path in finished.path.rglob("*.json")} == before
    assert to_dict(Workdir(finished.path).read_config()[0]) == to_dict(config)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"languages": ("asl", "asl")}, "twice"),
        ({"languages": ("ksl",)}, "ksl"),
        ({"languages": ("xyz",)}, "xyz"),
    ],
)
def test_wrong_languages_are_refused_before_anything_is_written(config, tmp_path, changed, named):
    data = dataclasses.replace(config.data, **changed)
    with pytest.raises(ConfigError, match=named):
        loop.train(dataclasses.replace(config, data=data), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.fixture
def default_mesh(monkeypatch):
    """The mesh that a run chooses by itself, of all eight devices."""
    monkeypatch.setattr(loop, "make_run_mesh", MAKE_RUN_MESH)


def test_a_batch_that_the_mesh_does_not_split_is_refused(config, default_mesh, tmp_path):
    train = dataclasses.replace(config.train, batch_size=3)
    mesh = dataclasses.replace(config.mesh, language=2, fsdp=4)
    with pytest.raises(ConfigError, match=r"train\.batch_size"):
        loop.train(dataclasses.replace(config, train=train, mesh=mesh), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_default_mesh_leaves_devices_over_rather_than_refuse_a_batch(config):
    train = dataclasses.replace(config.train, batch_size=3)
    mesh = MAKE_RUN_MESH(dataclasses.replace(config, train=train), LANGUAGES)
    assert dict(mesh.shape) == {"language": 2, "data": 1, "fsdp": 1, "tensor": 1}
    assert dict(MAKE_RUN_MESH(config, LANGUAGES).shape)["fsdp"] == 4


@pytest.mark.slow
def test_a_run_on_eight_devices_logs_the_losses_of_one(config, finished, default_mesh, tmp_path):
    loop.train(config, tmp_path)
    for one, eight in zip(lines(finished.path), lines(tmp_path), strict=True):
        assert one["step"] == eight["step"]
        for code in LANGUAGES:
            if one["kind"] == "train":
                assert eight[code]["loss"] == pytest.approx(one[code]["loss"], rel=1e-4)


@pytest.mark.slow
def test_a_language_stops_after_so_many_evaluations_without_a_better_one(
    config, on_one_device, tmp_path, monkeypatch
):
    """`train.patience`: asl gets better at each evaluation, tsl never does after its first."""
    turns = iter(range(STEPS))

    class Dev:
        def __init__(self, *_):
            pass

        def score(self, params):
            return {"asl": {"score": 1.0 - next(turns) / 10}, "tsl": STILL}

        def clips(self):
            return iter(())

    monkeypatch.setattr("signllm_jax.train.mlsf.DevSet", Dev)
    config = dataclasses.replace(
        config,
        train=dataclasses.replace(config.train, patience=2),
        eval=dataclasses.replace(config.eval, every=1),
    )
    loop.train(config, tmp_path)
    rates = [line for line in lines(tmp_path) if line["kind"] == "train"]
    assert [line["tsl"]["learning_rate"] > 0 for line in rates] == [True, True, True, False]
    assert all(line["asl"]["learning_rate"] > 0 for line in rates)
    steps = [load_group(tmp_path / "groups" / code).step for code in LANGUAGES]
    assert steps == [STEPS, 1]


STILL = {"score": 1.0}


class Dev:
    """A dev set of which one text has just been signed."""

    def clips(self):
        return iter([("asl: a", letters()[0], letters()[1])])


def test_the_first_evaluation_of_a_run_with_a_report_leaves_a_clip(config, tmp_path):
    said = []
    log = types.SimpleNamespace(say=said.append, picture=lambda *_: None)
    asked = dataclasses.replace(config, eval=dataclasses.replace(config.eval, report=True))
    for step, own in ((1, config), (2, asked), (3, asked)):
        show_dev(Dev(), log, step, own, Workdir(tmp_path))
    (line,) = said
    assert line.startswith("step 2: ") and line.endswith("first.gif")
    with Image.open(tmp_path / "first.gif") as picture:
        assert picture.n_frames >= len(letters()[0])
