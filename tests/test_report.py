"""The report of a tiny untrained run: honest rows, counted exclusions, nothing of a reference."""

import dataclasses
import functools
import itertools
import json

import flax.linen as nn
import jax
import numpy as np
import pytest

from signllm_jax.artifacts.group import Group, save_group
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import Config, EvalConfig, ModelConfig
from signllm_jax.core.errors import CheckpointError, DataError, OutputError
from signllm_jax.corpora import fingerspelling
from signllm_jax.eval import eval_set, figures, plots, samples
from signllm_jax.eval import warnings as report_warnings
from signllm_jax.eval.back_translate import ReaderConfig
from signllm_jax.eval.baselines import ROWS, nearest_texts, other_clips
from signllm_jax.eval.eval_set import fill_rows, open_texts
from signllm_jax.eval.pose_report import evaluate
from signllm_jax.metrics.bootstrap import interval
from signllm_jax.metrics.pairs import held
from signllm_jax.models import mlsf
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.cues import spelling
from signllm_jax.poses.features import collect_statistics
from signllm_jax.render.save import save_clip
from signllm_jax.text.tokenizer import train_tokenizer

LANGUAGES = ("asl", "tsl")
MODEL = ModelConfig(
    vocab=64, width=16, heads=2, mlp=16, patch=16, encoder_layers=1, decoder_layers=1
)
CONFIG = Config(model=MODEL, eval=EvalConfig(max_frames=64, batch_size=8, samples=1))
READER = ReaderConfig(steps=2, batch_size=2, width=8)
WORDS = {"train": 8, "dev": 0, "test": 4}


class Words:
    """A split in memory, of the form of data.source.Source, whose clips a test may damage."""

    def __init__(self, language, split):
        self.language = language
        chosen = list(itertools.islice(fingerspelling.corpus(language, split), WORDS[split]))
        self.ids = [example.id for example in chosen]
        self.texts = [example.text for example in chosen]
        self.units = [example.units for example in chosen]
        self._clips = [example.clip for example in chosen]
        self.lengths = np.array([len(clip) for clip in self._clips])

    def __len__(self):
        return len(self.texts)

    def __getitem__(self, index):
        clip = self._clips[index]
        return {"pose": clip.positions, "confidence": clip.confidence, "fps": clip.fps}

    def clip(self, index):
        example = self[index]
        return PoseClip(example["pose"], example["confidence"], example["fps"])

    def change(self, index, text=None, positions=None, confidence=None):
        """Puts another text, or other arrays unchecked, in the place of an example's."""
        if text is not None:
            self.texts[index] = text
        clip = self._clips[index]
        changed = dataclasses.replace(clip)
        for name, value in (("positions", positions), ("confidence", confidence)):
            if value is not None:
                object.__setattr__(changed, name, value)
        self._clips[index] = changed


@pytest.fixture
def words(monkeypatch):
    """(language, split) -> Words, what evaluations of the test see."""
    held = {(c, s): Words(c, s) for c in LANGUAGES for s in WORDS}
    monkeypatch.setattr(
        eval_set.splits, "open_split", lambda dataset, code, split, data_dir: held[code, split]
    )
    return held


def _weights(random, leaf):
    return random.normal(0, 0.02, leaf.shape).astype(np.float32)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    run = Workdir(path)
    run.claim(CONFIG, LANGUAGES)
    shapes = nn.unbox(mlsf.abstract_group(MODEL))
    for i, code in enumerate(LANGUAGES):
        random = np.random.default_rng(i)
        train = Words(code, "train")
        tokenizer = train_tokenizer(
            fingerspelling.words(code)["train"], fingerspelling.letters(code), "letters", 64, code
        )
        group = Group(
            language=code,
            model=MODEL,
            tokenizer=tokenizer,
            statistics=collect_statistics((train[k] for k in range(len(train))), "openpose50"),
            dataset="fingerspelling",
            max_frames=64,
            row_tokens=8,
            params=jax.tree.map(functools.partial(_weights, random), shapes),
            step=7,
        )
        save_group(run.group(code), group)
    lines = [
        {"step": 1, "kind": "train", "asl": {"loss": 1.0}},
        {"step": 5, "kind": "dev", "asl": {"dtw_mean_pose_ratio": 0.9}, "tsl": {}},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (path / "metrics.jsonl").write_text(text + '{"step": 6, "ki')
    final = {"step": 7, "seconds": 2.0, "cpu_seconds": 3.0, "params_sha256": "ab", "versions": {}}
    (path / "final.json").write_text(json.dumps(final))
    return path


def test_a_report_has_its_rows_pictures_and_samples_and_counts_what_it_leaves_out(
    workdir, words, tmp_path, monkeypatch
):
    drawn = {}

    def save(path, clip, *rest):
        drawn[path.name] = clip
        return save_clip(path, clip, *rest)

    monkeypatch.setattr(samples, "save_clip", save)
    test = words["asl", "test"]
    test.change(0, text=" ")
    test.change(1, text="naïve")
    nan = np.full_like(words["tsl", "test"]._clips[0].positions, np.nan)
    words["tsl", "test"].change(0, positions=nan)
    report = evaluate(workdir, reader_config=READER)

    assert json.loads((workdir / "report.json").read_text()) == report
    assert report["excluded"]["asl"] == {"no text": 1, "text cannot be written": 1}
    assert report["excluded"]["tsl"] == {"pose unreadable": 1}
    overall, languages = report["overall"], report["languages"]
    assert overall["clips"] == 5 and overall["excluded"] == 3
    assert [languages[code]["clips"] for code in LANGUAGES] == [2, 3]
    # an untrained counter never reaches 1
    assert overall["cut_off"] == 5
    assert overall["duration_ratio"] == pytest.approx(5 * 64 / sum(_lengths(words)))
    for name in ("dtw", "dtw_mean_pose_ratio", "dtw_other_clip_ratio", "cer", "cer_real"):
        assert np.isfinite(overall[name])
        if name != "dtw":
            assert overall[f"{name}_low"] <= overall[name] <= overall[f"{name}_high"]
    pooled = sum(languages[c]["dtw"] * languages[c]["clips"] for c in LANGUAGES) / 5
    assert overall["dtw"] == pytest.approx(pooled, rel=1e-5)
    assert isinstance(overall["collapse"], bool)
    absent = {
        "own_model",
        "true_langgloss",
        "peer",
        "other_take",
        "conditional_mean",
    }  # texts have one take
    assert set(report["rows"]) == set(ROWS) - {"produced"} - absent
    assert report["rows"]["ground_truth"]["overall"]["dtw"] == 0
    assert report["rows"]["mean_pose"]["overall"]["collapse"] is True
    assert report["rows"]["teacher_forced"]["overall"]["duration_ratio"] == 1

    run = report["run"]
    assert (run["seed"], run["steps"], run["seconds"]) == (0, 7, 2.0)
    assert run["total_cpu_seconds"] == pytest.approx(3 + run["evaluation_cpu_seconds"])
    assert run["evaluators"][0]["seed"] == 0 and len(run["evaluators"][0]["sha256"]) == 64
    assert run["hardware"]["cores"] >= 1 and "jax" in run["versions"]
    assert run["evaluators"][0]["found"] is False
    assert any("One evaluator" in line for line in report["warnings"])
    assert any("one recording" in line for line in report["warnings"])

    text = (workdir / "report.md").read_text()
    for said in (
        *(ROWS[row] for row in report["rows"]),
        "Turkish Sign Language",
        "1 × pose unreadable",
        "one recording",
    ):
        assert said in text
    assert "nan" not in text
    assert len(report["pictures"]) == 4
    for path in report["pictures"].values():
        assert (workdir / path).read_bytes().startswith(b"\x89PNG")
    files = sorted(path.name for path in (workdir / "samples").iterdir())
    word = words["asl", "test"].texts[2]
    assert files[:3] == [f"asl-{word}{suffix}" for suffix in (".gif", ".mp4", ".png")]
    assert spelling(drawn[f"asl-{word}.gif"].cues) == "-".join(word)  # its letters are lit
    # a reader that lies there and fails on real clips, whoever made it, gives no figures
    with pytest.raises(CheckpointError, match=r"reader/0: the reader that lies here is unfit"):
        evaluate(workdir, output=tmp_path / "again.json", reader_config=READER)
    assert not list(tmp_path.iterdir())


def test_references_that_cannot_be_scored_are_counted_by_reason(workdir, words, monkeypatch):
    test, read = words["asl", "test"], words["asl", "test"].clip
    clip = read(3)
    test.change(0, confidence=np.zeros_like(read(0).confidence))
    test.change(1, positions=clip.positions[:0], confidence=clip.confidence[:0])
    test.change(3, positions=clip.positions[:1], confidence=clip.confidence[:1])
    flat = PoseClip(np.zeros((2, 128, 3), np.float32), np.ones((2, 128)), 25.0, "dwpose128")
    monkeypatch.setattr(test, "clip", lambda index: flat if index == 2 else read(index))
    found = open_texts(Workdir(workdir), "test")
    languages, skipped = found.languages, found.skipped
    counted = {"no joint observed": 1, "no frames": 1, "a dwpose128 pose": 1}
    assert languages["asl"].excluded == counted and not skipped
    assert [len(each) for each in languages["asl"].references] == [1]  # one frame is a clip
    test.change(3, text="")
    found = open_texts(Workdir(workdir), "test")
    languages, skipped = found.languages, found.skipped
    assert list(languages) == ["tsl"] and "1 no text" in skipped["asl"]


def _lengths(words):
    chosen = (("asl", (2, 3)), ("tsl", (1, 2, 3)))
    return [len(words[code, "test"].clip(i)) for code, places in chosen for i in places]


def test_a_reference_swapped_for_noise_changes_no_production(workdir, words, monkeypatch):
    # the row that is meant to see the references, and takes long to compile
    monkeypatch.setattr(
        eval_set.baselines,
        "teacher_forced",
        lambda model, params, ids, references, *rest: references,
    )
    random = np.random.default_rng(0)
    produced = []
    for swapped in (False, True):
        found = open_texts(Workdir(workdir), "test")
        languages = found.languages
        if swapped:
            for each in languages.values():
                each.references = [
                    PoseClip(
                        random.standard_normal((size, 50, 3)).astype(np.float32),
                        (random.random((size, 50)) < 0.5).astype(np.float32),
                        25.0,
                    )
                    for size in random.integers(5, 120, len(each.references))
                ]
        fill_rows(found, 0)
        produced.append([clip for each in languages.values() for clip in each.rows["produced"]])
    for first, second in zip(*produced):
        np.testing.assert_array_equal(first.positions, second.positions)
        np.testing.assert_array_equal(first.confidence, second.confidence)


@pytest.fixture(scope="module")
def clips():
    return [Words("asl", "test").clip(i) for i in range(4)]


def _metrics(clips, produced):
    pose = np.concatenate([clip.positions for clip in clips]).mean(0)
    rows = {
        "produced": figures.score_row(clips, produced, figures.BRIEF),
        "mean_pose": figures.score_row(clips, [held(pose, c) for c in clips], figures.BRIEF),
        "random_other": figures.score_row(clips, [None] * len(clips), figures.BRIEF),
    }
    return figures.flat_metrics(rows, "produced", [np.arange(len(clips))], (), None, 0)


def test_a_held_pose_is_called_a_collapse_and_the_real_clip_is_not(clips):
    pose = np.concatenate([clip.positions for clip in clips]).mean(0)
    still = _metrics(clips, [held(pose, clip) for clip in clips])
    assert still["collapse"] is True and still["hand_travel_ratio"] == 0
    assert still["dtw_mean_pose_ratio"] == pytest.approx(1)
    assert "dtw_other_clip_ratio" not in still and "cer" not in still
    real = _metrics(clips, clips)
    assert real["collapse"] is False and real["dtw_mean_pose_ratio"] == 0


def test_an_empty_production_is_counted_and_not_averaged_in(clips):
    empty = PoseClip(np.zeros((0, 50, 3), np.float32), np.zeros((0, 50), np.float32), 25.0)
    metrics = _metrics(clips, [empty, *clips[1:]])
    assert metrics["dtw_excluded"] == 1 and metrics["dtw"] == 0
    assert metrics["duration_ratio"] < 0.9


def test_the_interval_shrinks_with_more_clips_and_is_the_same_for_a_seed():
    random = np.random.default_rng(1)
    top, bottom = random.uniform(0, 1, 4000), random.uniform(1, 2, 4000)
    few = interval([(top[:40], bottom[:40])], 3)
    many = interval([(top, bottom)], 3)
    assert few == interval([(top[:40], bottom[:40])], 3)
    assert many[0] < top.sum() / bottom.sum() < many[1]
    assert many[1] - many[0] < 0.25 * (few[1] - few[0])
    assert interval([(top[:1], bottom[:1])], 3) is None


def test_parts_count_alike_whatever_their_size_and_have_an_interval_around_their_mean():
    random = np.random.default_rng(1)
    parts = [(random.uniform(m, m + 0.1, n), np.ones(n)) for m, n in ((0.1, 400), (0.5, 20))]
    low, high = interval(parts, 3)
    assert low < 0.35 < high < 0.37
    assert interval([*parts, (np.ones(1), np.ones(1))], 3) is None


def test_another_clip_is_never_the_clip_itself_and_the_nearest_text_is_the_first_of_equals():
    for count in (2, 3, 40):
        other = other_clips(count, 5)
        assert sorted(other) == list(range(count))
        assert all(place != index for place, index in enumerate(other))
    assert other_clips(40, 5) == other_clips(40, 5) != other_clips(40, 6)
    assert other_clips(1, 0) is None
    assert nearest_texts(["kat", "öl"], ["öle", "cat", "kit", "katze"]) == [1, 0]


def test_what_the_reader_cannot_be_trusted_with_is_said():
    rates = {"memorised_by": "cer", "cer_train": 0.0, "cer_real": 0.2}
    memorised = {"seed": 4, "memorised": True} | rates
    metrics = {"": {"collapse": False, "cut_off": 2}, "asl": {"collapse": True}}
    skipped = {"tsl": "no test clip"}
    said = " ".join(
        report_warnings.of_clips(CONFIG, [memorised, memorised | {"seed": 5}], metrics, skipped)
    )
    for part in ("seed 4 has memorised", "In asl: Collapse", "2 productions", "tsl is skipped"):
        assert part in said
    assert "One evaluator" not in said


def test_bad_input_is_one_clear_error(workdir, words, tmp_path):
    with pytest.raises(CheckpointError, match="no readable run"):
        evaluate(tmp_path)
    with pytest.raises(DataError, match=r"no clip of dev can be scored.*--split=train"):
        evaluate(workdir, "dev")
    with pytest.raises(OutputError, match=r"must end in \.json"):
        evaluate(workdir, output=tmp_path / "report.txt")


def test_a_run_without_dev_metrics_has_no_training_plot(tmp_path):
    assert plots.plot_training(tmp_path / "no.jsonl", LANGUAGES, tmp_path / "a.png") is None
    assert list(tmp_path.iterdir()) == []
