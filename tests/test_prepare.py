"""Preparing corpora of synthetic clips: the same bits, whoever does it and however it ends."""

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from commands import run
from test_clean import waving

from signllm_jax.core.errors import ConfigError, DataError
from signllm_jax.core.skeleton import DWPOSE128
from signllm_jax.corpora import shards
from signllm_jax.corpora.export_skels import export_skels
from signllm_jax.corpora.prepare import Settings
from signllm_jax.data import check, prepare_corpus
from signllm_jax.data import splits as source
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.skels import write_skels

PHX = Settings("gsl", "phx", "skels", fps=25.0)


def clip_of(number, frames=None):
    clip = waving(frames or 30 + number % 7)
    move = np.float32(0.01 * (number % 10)) * np.sin(np.arange(len(clip), dtype=np.float32))
    return PoseClip(clip.positions + move[:, None, None], clip.confidence, clip.fps)


def corpus(folder, **splits):
    """Writes a `.skels` corpus: split -> number of clips."""
    folder.mkdir(exist_ok=True)
    start = 0
    for split, count in splits.items():
        numbers = range(start, start + count)
        start += count
        write_skels(folder / f"{split}.skels", (clip_of(n) for n in numbers))
        for kind, line in (("files", "{}/clip{}"), ("text", "text {1}"), ("gloss", "GLOSS {1}")):
            lines = [line.format(split, n) for n in numbers]
            (folder / f"{split}.{kind}").write_text("".join(f"{x}\n" for x in lines))
    return folder


def prepare(folder, data_dir, settings=PHX, **values):
    return prepare_corpus.prepare_corpus(settings, folder, data_dir, **values)


def bits(data_dir, dataset="prompt2sign/gsl_phx", language="gsl"):
    """Everything of every example by id."""
    found = {}
    for split in ("train", "dev", "test"):
        opened = source.open_split(dataset, language, split, data_dir)
        for index in range(len(opened)):
            record = opened[index]
            arrays = [record.pop(key).tobytes() for key in ("pose", "confidence")]
            assert record["id"] not in found
            found[record["id"]] = (split, tuple(sorted(record.items())), *arrays)
    return found


def files_of(data_dir):
    folder = shards.source_folder(data_dir, "gsl", "phx")
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".lock"}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A prepared corpus of 70 train and 5 dev clips: (its folder, data folder, report)."""
    folder = corpus(tmp_path_factory.mktemp("corpus"), train=70, dev=5)
    data_dir = tmp_path_factory.mktemp("data")
    return folder, data_dir, prepare(folder, data_dir)


def test_a_corpus_becomes_a_data_set_with_its_texts_and_splits(small):
    _, data_dir, _ = small
    train = source.open_split("prompt2sign", "gsl", "train", data_dir)
    dev = source.open_split("prompt2sign/gsl", "gsl", "dev", data_dir)
    test = source.open_split("prompt2sign/gsl_phx", "gsl", "test", data_dir)
    assert (len(train), len(dev), len(test)) == (70, 5, 0)
    example = dev[2]
    assert example["id"] == "gsl_phx_dev/clip72"
    assert (example["text"], example["gloss"]) == ("text 72", "GLOSS 72")
    assert "text 72" in example["prompt"] and example["prompt"] != "text 72"
    assert (example["source"], example["language"], example["fps"]) == ("phx", "gsl", 25.0)
    expected = clip_of(72)
    both = dev.clip(2).observed
    assert both.mean() > 0.99
    np.testing.assert_allclose(dev.clip(2).positions[both], expected.positions[both], atol=0.01)
    assert source.languages("prompt2sign", data_dir) == ("gsl",)


def test_the_report_counts_what_came_in_and_what_came_out(small):
    _, data_dir, report = small
    assert (report["clips_in"], report["clips_out"]) == (75, 75)
    assert report["splits"] == {"train": 70, "dev": 5, "test": 0}
    assert report["frames"]["total"] == sum(len(clip_of(n)) for n in range(75))
    assert sum(report["frames"]["histogram"].values()) == 75
    assert report["hands_seen"] == {"left": 1.0, "right": 1.0}
    folder = shards.source_folder(data_dir, "gsl", "phx")
    assert json.loads((folder / "prepare_report.json").read_text()) == report
    assert "empty: test" in (folder / "prepare_report.md").read_text()
    assert (folder / "contact_sheet.png").read_bytes().startswith(b"\x89PNG")


def test_every_lost_clip_is_in_the_report_with_its_reason(tmp_path):
    folder = corpus(tmp_path / "corpus", train=6)
    clips = [clip_of(0), None, clip_of(2), clip_of(3), clip_of(4), clip_of(5)]
    confidence = clips[3].confidence.copy()
    confidence[:, 8:] = 0
    clips[3] = PoseClip(clips[3].positions, confidence, 25.0)
    clips[4] = PoseClip(clips[4].positions[:1], clips[4].confidence[:1], 25.0)
    write_skels(folder / "train.skels", clips)
    (folder / "train.text").write_text("a\nb\n\nd\ne\nf\n")
    report = prepare(folder, tmp_path / "data")
    assert report["clips_out"] == 2 and len(report["lost"]) == 4
    reasons = {each["id"]: each["reason"] for each in report["lost"]}
    assert reasons["train/clip1"] == "an empty line"
    assert reasons["train/clip2"] == "no text"
    assert "hand" in reasons["train/clip3"]
    assert "1 frames" in reasons["train/clip4"]
    assert sum(report["lost_by_reason"].values()) == 4
    told = check.check(tmp_path / "data")
    assert any("4 texts without a pose" in line for line in told)


def test_several_processes_make_the_same_bits(small, tmp_path):
    folder, data_dir, _ = small
    prepare(folder, tmp_path, workers=2)
    assert files_of(tmp_path) == files_of(data_dir)
    assert bits(tmp_path) == bits(data_dir)


def test_a_rerun_makes_only_what_is_missing(small, tmp_path, monkeypatch):
    folder, data_dir, _ = small
    prepare(folder, tmp_path)
    made = []
    real = prepare_corpus.make_part
    monkeypatch.setattr(
        prepare_corpus, "make_part", lambda part, *rest: made.append(part.name) or real(part, *rest)
    )
    prepare(folder, tmp_path)
    assert made == []
    lost = sorted(path for path in files_of(tmp_path) if path.startswith("part-"))[1]
    (shards.source_folder(tmp_path, "gsl", "phx") / lost).unlink()
    prepare(folder, tmp_path)
    assert made == [lost]
    assert files_of(tmp_path) == files_of(data_dir)


@pytest.mark.parametrize(
    "module, function, call",
    [
        ("signllm_jax.corpora.shards", "write_whole", 2),
        pytest.param("signllm_jax.data.prepare_corpus", "write_whole", 1, marks=pytest.mark.slow),
        ("signllm_jax.data.prepare_report", "write_whole", 2),
        pytest.param(
            "signllm_jax.data.prepare_corpus", "opened.prepare", 1, marks=pytest.mark.slow
        ),
        pytest.param(
            "signllm_jax.data.prepare_corpus", "opened.prepare", 2, marks=pytest.mark.slow
        ),
    ],
)
def test_killed_anywhere_and_run_again_it_ends_as_one_left_alone(
    small, tmp_path, module, function, call
):
    folder, data_dir, _ = small
    program = f"""
import os, sys, importlib
module = importlib.import_module({module!r})
*path, name = {function!r}.split(".")
for part in path: module = getattr(module, part)
real, calls = getattr(module, name), []
def dying(*args, **kwargs):
    calls.append(0)
    if len(calls) == {call}:
        if name == "write_whole":  # half of a file, under the name that it has while written
            (args[0].parent / (args[0].name + ".1.partial")).write_bytes(args[1][:100])
        os._exit(9)
    return real(*args, **kwargs)
setattr(module, name, dying)
from signllm_jax.data import prepare_corpus
from signllm_jax.corpora.prepare import Settings
prepare_corpus.prepare_corpus(
    Settings("gsl", "phx", "skels", fps=25.0), sys.argv[1], sys.argv[2])
"""
    killed = subprocess.run([sys.executable, "-c", program, folder, tmp_path], timeout=100)
    assert killed.returncode == 9
    prepare(folder, tmp_path)
    assert files_of(tmp_path) == files_of(data_dir)
    assert bits(tmp_path) == bits(data_dir)


def test_a_damaged_part_is_named(small, tmp_path):
    folder, _, _ = small
    prepare(folder, tmp_path)
    where = shards.source_folder(tmp_path, "gsl", "phx")
    (first, *_) = sorted(path for path in where.iterdir() if path.suffix == ".npz")
    first.write_bytes(first.read_bytes()[:1000])
    with pytest.raises(DataError, match=first.name):
        prepare(folder, tmp_path)


def test_the_command_prepares_checks_and_refuses_in_one_line(small, tmp_path):
    folder, data_dir, _ = small
    flags = [f"--source={folder}", "--format=skels", "--language=gsl", f"--data_dir={tmp_path}"]
    code, out, err = run(tmp_path, "prepare", [*flags, "--fps=25", "--name=phx", "--workers=1"])
    assert (code, out.split(":")[0]) == (0, "75 of 75 clips (train 70, dev 5, test 0)"), err
    assert files_of(tmp_path) == files_of(data_dir)
    code, out, _ = run(tmp_path, "prepare", ["--check", f"--data_dir={tmp_path}"])
    assert code == 0 and out.splitlines()[0] == "gsl: no test clips"
    checked = ["--check", f"--data_dir={tmp_path}", "--limit=3"]
    for wrong in (flags, flags[1:], [*flags, "--fps=25", "--manifest=none.csv"], checked):
        code, out, err = run(tmp_path, "prepare", wrong)
        assert (code, out, err.count("\n")) == (2, "", 1), err


def test_a_source_written_as_skels_is_prepared_to_itself(small, tmp_path):
    _, data_dir, _ = small
    prepared = shards.Prepared(shards.source_folder(data_dir, "gsl", "phx"))
    assert export_skels(prepared, tmp_path / "skels") == ["train", "dev"]
    prepare(tmp_path / "skels", tmp_path / "data")
    first = source.open_split("prompt2sign", "gsl", "dev", data_dir)
    again = source.open_split("prompt2sign", "gsl", "dev", tmp_path / "data")
    assert again.texts == first.texts and again.units == first.units
    assert [name.removeprefix("gsl_phx_") for name in again.ids] == first.ids
    for index in range(len(first)):
        one, two = first.clip(index), again.clip(index)
        np.testing.assert_allclose(two.positions, one.positions, atol=2e-3)
        np.testing.assert_array_equal(two.observed, one.observed)


def test_a_language_merges_its_sources_and_follows_them(small, tmp_path):
    folder, _, _ = small
    prepare(folder, tmp_path)
    other = corpus(tmp_path / "other", train=3)
    prepare(other, tmp_path, dataclasses.replace(PHX, source="other"))
    merged = bits(tmp_path, "prompt2sign/gsl")
    assert len(merged) == 78
    assert merged == bits(tmp_path) | bits(tmp_path, "prompt2sign/gsl_other")
    corpus(other, train=4)
    prepare(other, tmp_path, dataclasses.replace(PHX, source="other"))
    assert len(bits(tmp_path, "prompt2sign/gsl")) == 79
    assert "gsl: 4 clips come twice (other, phx)" in check.check(tmp_path)
    shutil.rmtree(shards.source_folder(tmp_path, "gsl", "other"))
    gone = "gsl: the merged data has a source that is gone: other; prepare another source of gsl"
    assert f"{gone} again" in check.check(tmp_path)
    prepare(folder, tmp_path)
    assert len(bits(tmp_path, "prompt2sign/gsl")) == 75
    told = "\n".join(check.check(tmp_path))
    assert "gone" not in told and "twice" not in told


def test_dwpose_clips_are_kept_flat_with_the_face(tmp_path):
    folder = corpus(tmp_path / "corpus", train=4)
    flat = np.zeros((4, 30, 128, 3), np.float32)
    random = np.random.default_rng(0)
    flat[..., :2] = random.normal(0, 0.1, (4, 1, 128, 2))
    flat[..., 2] = 0.9
    flat[:, :, [2, 5], :2] = [[-0.5, 0], [0.5, 0]]
    clips = [PoseClip(f, f[..., 2], 25.0, DWPOSE128.name) for f in flat]
    write_skels(folder / "train.skels", clips)
    settings = dataclasses.replace(PHX, layout=DWPOSE128.name)
    prepare(folder, tmp_path / "data", settings)
    dataset = "prompt2sign/dwpose128"
    assert source.languages(dataset, tmp_path / "data") == ("gsl",)
    train = source.open_split(dataset, "gsl", "train", tmp_path / "data")
    clip = train.clip(1)
    assert clip.layout == DWPOSE128.name
    np.testing.assert_allclose(clip.positions[..., 2], 0.9, atol=1e-3)
    with pytest.raises(DataError, match="no language"):
        source.languages("prompt2sign", tmp_path / "data")


def test_the_check_says_what_is_odd(tmp_path):
    folder = corpus(tmp_path / "corpus", train=12, dev=2)
    write_skels(folder / "dev.skels", [clip_of(0), clip_of(13)])
    (folder / "dev.text").write_text("text Zürich\ntext 13\n")
    prepare(folder, tmp_path / "data")
    big = corpus(tmp_path / "big", train=2)
    arms = [clip_of(n) for n in range(2)]
    for clip in arms:
        clip.positions[:, [3, 4, 6, 7]] *= 1.6
        clip.positions[:, 8:29] += (clip.positions[:, 7] * (0.6 / 1.6))[:, None]
        clip.positions[:, 29:] += (clip.positions[:, 4] * (0.6 / 1.6))[:, None]
    write_skels(big / "train.skels", arms)
    for language in ("asl", "ksl"):
        settings = dataclasses.replace(PHX, language=language)
        prepare(big if language == "ksl" else folder, tmp_path / "data", settings)
    told = check.check(tmp_path / "data")
    assert "gsl: no test clips" in told
    assert any("1 clip in several splits" in line and "dev/clip12" in line for line in told)
    assert any(line.startswith("gsl: characters of dev") and "ü" in line for line in told)
    arms = [line for line in told if "arms of" in line]
    assert [line[:14] for line in arms] == ["ksl: 2 of 2 cl", "ksl: arms of 2"]
    assert "arms of an impossible length: ksl_phx_train/clip0 (2.36 shoulder widths)" in arms[0]
    assert "train 12, dev 2, test 0" in told[-1]


def test_bad_calls_are_refused_in_one_line(small, tmp_path):
    folder, data_dir, _ = small
    for change, named in (
        ({"format": "openpose", "fps": 0.0}, "--fps"),
        ({"source": "a/b"}, "letters"),
        ({"format": "openpose", "layout": "dwpose128"}, "dwpose128"),
        ({"layout": "dwpose128", "lift": "reference"}, "--lift has no meaning for dwpose128"),
        ({"language": "xyz"}, "xyz"),
    ):
        with pytest.raises(ConfigError, match=named):
            dataclasses.replace(PHX, **change)
    with pytest.raises(DataError, match="no such folder"):
        prepare(tmp_path / "missing", tmp_path, manifest=folder)
    with pytest.raises(DataError, match="no pose file"):
        prepare(tmp_path, tmp_path.parent, Settings("gsl", "phx", "pose"), manifest=folder)
    (folder / "train.text").rename(folder / "kept")
    try:
        with pytest.raises(DataError, match=r"train\.text"):
            prepare(folder, tmp_path)
    finally:
        (folder / "kept").rename(folder / "train.text")
    with pytest.raises(DataError, match="nothing is prepared"):
        check.check(tmp_path / "nowhere")
    with pytest.raises(DataError, match="prompt2sign"):
        source.languages("prompt2sing", data_dir)
    with pytest.raises(DataError, match="no language's code"):
        source.languages("prompt2sign/xyz", data_dir)
