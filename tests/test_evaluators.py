"""Evaluators: runs of back-translation that read clips, named in the report and refused clearly."""

import dataclasses
import json

import flax.linen as nn
import jax
import numpy as np
import pytest
from commands import run

from launch.benchmarks.takes import take_split, write_manifest
from signllm_jax.api import SignLLM
from signllm_jax.artifacts.export import export_run
from signllm_jax.artifacts.group import save_group
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import Config, EvalConfig, ModelConfig, ReadingConfig, TrainConfig
from signllm_jax.core.errors import CheckpointError, ConfigError, DataError
from signllm_jax.corpora import fingerspelling
from signllm_jax.data.splits import open_split
from signllm_jax.eval import reading_report
from signllm_jax.eval import warnings as report_warnings
from signllm_jax.eval.dispatch import evaluate_run
from signllm_jax.eval.evaluators import (
    MEMORISED,
    Evaluator,
    check_fit,
    describe,
    open_evaluator,
    read_by,
)
from signllm_jax.parallel import language_axis
from signllm_jax.poses.clip import PoseClip
from signllm_jax.train.groups import make_group
from signllm_jax.train.loop import train
from signllm_jax.train.task import get_task

MODEL = ModelConfig(
    vocab=64, width=16, heads=2, mlp=16, patch=8, encoder_layers=1, decoder_layers=1
)
CONFIG = Config(
    name="back_translation",
    task="back_translation",
    model=MODEL,
    reading=ReadingConfig(beams=1),
    train=TrainConfig(steps=2, batch_size=1),
    eval=EvalConfig(every=2, clips=2, batch_size=2),
)


def _config(data_dir):
    data = dataclasses.replace(CONFIG.data, languages=("asl",), data_dir=data_dir)
    return dataclasses.replace(
        CONFIG, data=data, log=dataclasses.replace(CONFIG.log, progress=False)
    )


@pytest.fixture(scope="module")
def workdir(tmp_path_factory, data_dir):
    """A run of one language that has learnt nothing."""
    run, config = Workdir(tmp_path_factory.mktemp("reader")), _config(data_dir)
    run.claim(config, ("asl",))
    random = np.random.default_rng(0)
    shapes = nn.unbox(language_axis.abstract(get_task(config).init_lane))
    params = jax.tree.map(lambda x: random.normal(0, 0.1, x.shape).astype(np.float32), shapes)
    group = make_group(config, "asl")
    save_group(run.group("asl"), dataclasses.replace(group, params=params, step=2))
    (run.path / "final.json").write_text('{"step": 2, "seconds": 4.0, "cpu_seconds": 3.0}')
    return run.path


@pytest.mark.slow
def test_the_training_loop_makes_an_evaluator(tmp_path, data_dir):
    final = train(_config(data_dir), tmp_path / "run")
    reader = open_evaluator(str(tmp_path / "run"), ("asl",), batch_size=2)
    assert (reader.seed, reader.steps) == (0, 2)
    assert reader.cpu_seconds == final["cpu_seconds"] > 0
    metrics = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    (dev,) = (line["asl"] for line in map(json.loads, metrics) if line["kind"] == "dev")
    assert {"cer", "wer", "exact_match"} == set(dev)
    again = train(_config(data_dir), tmp_path / "run")
    assert again["params_sha256"] == final["params_sha256"]


def test_a_run_of_readers_is_an_evaluator_and_reads_nothing_but_the_clip(workdir):
    reader = open_evaluator(str(workdir), ("asl",), batch_size=2)
    clip = fingerspelling.spelled_clip("at", "asl")
    empty = PoseClip(np.zeros((0, 50, 3), np.float32), np.zeros((0, 50), np.float32), 25.0)
    missing = dataclasses.replace(clip, confidence=np.zeros_like(clip.confidence))
    moved = dataclasses.replace(missing, positions=clip.positions + 1)
    read = reader.read("asl", [clip, empty, missing, moved])
    assert len(read) == 4 and read[1] == "" and read[2] == read[3]
    assert (reader.seed, reader.steps, len(reader.sha256)) == (0, 2, 64)
    assert reader.workdir == str(workdir) and reader.cpu_seconds == 3
    assert "CTC on gloss" in reader.kind
    assert reader.read("asl", []) == []


def test_what_an_evaluator_cannot_judge_is_refused(workdir, tmp_path):
    with pytest.raises(ConfigError, match="tsl is to be evaluated"):
        open_evaluator(str(workdir), ("asl", "tsl"))
    other = tmp_path / "mlsf"
    other.mkdir()
    Workdir(other).claim(Config(), ("asl",))
    with pytest.raises(ConfigError, match="reads no poses"):
        open_evaluator(str(other), ("asl",))
    with pytest.raises(ConfigError, match="--evaluators: has no meaning"):
        evaluate_run(workdir, evaluators=[str(workdir)])
    reader = open_evaluator(str(workdir), ("asl",))
    clip = fingerspelling.spelled_clip("at", "asl")
    with pytest.raises(DataError, match="25 frames per second, not 50"):
        reader.read("asl", [dataclasses.replace(clip, fps=50.0)])
    flat = PoseClip(np.zeros((3, 128, 3), np.float32), np.ones((3, 128)), 25.0, "dwpose128")
    with pytest.raises(DataError, match="openpose50 clips, not dwpose128"):
        reader.read("asl", [flat])


def test_a_reader_has_a_report_of_its_own(workdir):
    report = reading_report.evaluate(workdir, "dev", workdir / "dev.json")
    overall = report["overall"]
    assert overall["clips"] == len(fingerspelling.words("asl")["dev"])
    assert {"cer", "wer", "exact_match", "cer_low", "excluded"} <= set(overall)
    assert report["rows"]["most_frequent"]["overall"]["exact_match"] == 0
    assert "nearest_train" not in report["rows"]  # 40 clips by 400 are too many pairs
    (named,) = report["run"]["evaluators"]
    assert named["cer_real"] == overall["cer"]
    assert named["memorised"] is (named["cer_real"] - named["cer_train"] > MEMORISED["cer"])
    assert "most frequent train text" in (workdir / "dev.md").read_text()


def test_a_reader_makes_no_clips_and_says_so_in_one_line(workdir, tmp_path):
    produce = ["--text=a", f"--output={tmp_path / 'a.npz'}"]
    for command, flags in (("produce", produce), ("serve", [])):
        code, out, err = run(tmp_path, command, [f"--workdir={workdir}", *flags])
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert f"{workdir}: holds a model of sign language poses to text, which makes no" in err
    with pytest.raises(ConfigError, match="makes no clips"):
        SignLLM.load(workdir)


def test_the_card_of_an_exported_reader_tells_how_it_judges(workdir, tmp_path):
    export_run(workdir, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "# Sign language poses to text: asl" in card and "pose-to-text" in card
    assert (
        "--evaluators=" in card and "model.produce" not in card and "It makes skeletons" not in card
    )
    assert open_evaluator(str(tmp_path / "out"), ("asl",)).sha256 == (
        open_evaluator(str(workdir), ("asl",)).sha256
    )
    with pytest.raises(ConfigError, match="makes no clips"):
        SignLLM.load(tmp_path / "out")


def test_the_nearest_train_clip_says_its_text(data_dir):
    train = open_split("fingerspelling", "asl", "train", data_dir)
    few = _Few(train, (3, 8, 5))
    language = _Language([], few, [train.clip(5), train.clip(3)])
    assert reading_report._nearest_train({"asl": language}) == {"asl": [few.texts[2], few.texts[0]]}
    language.references *= 2000
    assert reading_report._nearest_train({"asl": language}) is None


class _Few:
    """Some clips of a split."""

    def __init__(self, source, chosen):
        self._source, self._chosen = source, chosen
        self.texts = [source.texts[i] for i in chosen]

    def __len__(self):
        return len(self._chosen)

    def clip(self, index):
        return self._source.clip(self._chosen[index])


class _Train:
    """A train split of three clips that say their place."""

    def __init__(self):
        self.texts = ["a b", "c d", "e f"]

    def __len__(self):
        return 3

    def clip(self, index):
        return index


@dataclasses.dataclass
class _Language:
    texts: list
    train: object
    references: list = ()


@pytest.mark.parametrize(("right_on_test", "memorised"), [(3, False), (2, True)])
def test_an_evaluator_that_is_far_better_on_train_is_called_memorised(right_on_test, memorised):
    train = _Train()
    reader = Evaluator(
        "a reader",
        7,
        1,
        "ab",
        None,
        "there",
        0.0,
        lambda code, clips: [train.texts[i] for i in clips],
    )
    texts = ["g h", "i j", "k l"]
    read = [*texts[:right_on_test], *["x y"] * (3 - right_on_test)]
    said = describe(reader, {"asl": _Language(texts, train)}, read, letters=False)
    assert said["wer_train"] == 0 and said["wer_real"] == pytest.approx(1 - right_on_test / 3)
    assert said["memorised"] is memorised
    if memorised:
        line = report_warnings.memorised(said)
        assert "seed 7" in line and "WER 0.0% on those, 33.3%" in line


@pytest.mark.parametrize("found", [True, False])
def test_a_reader_that_was_found_and_fails_on_real_clips_is_refused(found):
    train = _Train()
    reader = Evaluator("mute", 7, 1, "ab", None, "there", 0.0, lambda _, clips: [""] * len(clips))
    reader = dataclasses.replace(reader, existed=found)
    said = describe(reader, {"asl": _Language(["g h"], train)}, [""], letters=True)
    line = read_by(said)
    assert line.startswith("read by: mute, seed 7") and "in there; CER on real clips 100.0%" in line
    assert ("found" in line) is found
    if found:
        with pytest.raises(CheckpointError, match="there: the reader that lies here is unfit"):
            check_fit(said)
    else:  # what this evaluation has trained is its own, and its report says how it reads
        check_fit(said)


def test_evaluators_of_one_seed_count_as_one():
    one = {"seed": 4, "memorised": False}
    metrics = {"": {}}
    assert any(
        "One evaluator" in x for x in report_warnings.of_clips(Config(), [one, one], metrics, {})
    )
    two = [one, one | {"seed": 5}]
    assert not any("One" in x for x in report_warnings.of_clips(Config(), two, metrics, {}))


def test_takes_are_held_out_by_their_number(tmp_path):
    names = ("car_00", "car_03", "car_04", "car_09", "autsl_003", "house")
    assert [take_split(n) for n in names] == ["train", "dev", "test", "test", "train", "train"]
    lines = [
        "path,language,text,gloss,frames",
        "ksl/car_04.pose,ksl,car,,9",
        "asl/a.pose,asl,a,A,9",
    ]
    (tmp_path / "index.csv").write_text("\n".join(lines))
    write_manifest(tmp_path, ["ksl"], tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().splitlines()[1:] == ["ksl/car_04.pose,car,,ksl,test"]
    with pytest.raises(DataError, match=r"no readable index\.csv"):
        write_manifest(tmp_path / "no", ["ksl"], tmp_path / "out.csv")
