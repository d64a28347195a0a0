"""A large corpus: memory stays flat, and Apache Beam makes the same bits."""

import contextlib
import dataclasses
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from commands import run, start
from test_clean import waving
from test_prepare import PHX, bits, corpus, files_of, prepare

from signllm_jax.core.languages import LANGUAGES
from signllm_jax.corpora.prepare import Settings
from signllm_jax.data import splits
from signllm_jax.poses.clean import clean
from signllm_jax.poses.pose_file import read_pose_file, write_pose_file

CLIPS, LIMIT = 1_500, 2 << 30  # bytes
PREPARE = Path(__file__).resolve().parents[1] / "launch" / "prepare.py"


def resident(process):
    """Bytes that a process and its children hold; shared pages count for each."""
    total = 0
    for each in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            total += each.memory_info().rss
    return total


@pytest.mark.slow
def test_memory_is_flat_over_fifteen_hundred_clips(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    lengths = np.random.default_rng(0).integers(20, 300, 40)
    for number, frames in enumerate(lengths):
        write_pose_file(tmp_path / f"{number}.pose", waving(int(frames)))
    rows = ["id,text"]
    for number in range(CLIPS):  # the same bytes on disk, but read and lifted each time
        os.link(tmp_path / f"{number % len(lengths)}.pose", folder / f"clip{number}.pose")
        rows.append(f"clip{number},sentence number {number}")
    (tmp_path / "all.csv").write_text("\n".join(rows))
    flags = [f"--source={folder}", f"--manifest={tmp_path}/all.csv", "--format=pose"]
    flags += ["--language=gsl", "--name=big", f"--data_dir={tmp_path}/data", "--workers=2"]
    with open(tmp_path / "err", "w") as err:
        running = psutil.Popen([sys.executable, PREPARE, *flags], stdout=err, stderr=err)
        seen = []
        while running.poll() is None:
            seen.append(resident(running))
            time.sleep(0.2)
    assert running.wait() == 0, (tmp_path / "err").read_text()
    train = splits.open_split("prompt2sign", "gsl", "train", tmp_path / "data")
    assert 0.88 * CLIPS < len(train) < 0.92 * CLIPS
    print(f"{max(seen) / 2**20:.0f} MB")
    assert max(seen) < LIMIT
    third = len(seen) // 3  # it does not grow with the clips that are done
    assert max(seen[2 * third :]) < 1.3 * max(seen[:third]) + (200 << 20)


def unsteadiness(clip):
    """The median over bones of the deviation of a bone's length over its mean."""
    first, second = np.array(clip.skeleton.bones[1:]).T
    seen = clip.observed[:, first] & clip.observed[:, second]
    length = np.linalg.norm(clip.positions[:, first] - clip.positions[:, second], axis=-1)
    length = np.ma.masked_array(length, ~seen)
    return float(np.ma.median(length.std(axis=0) / length.mean(axis=0)))


@pytest.mark.slow
def test_all_eight_languages_are_prepared_from_real_clips(shared_data, tmp_path):
    signs = {"manifest": shared_data / "signs" / "index.csv", "limit": 4, "split": "train"}
    for language in LANGUAGES:
        settings = Settings(language, "signs", "pose")
        report = prepare(shared_data / "signs", tmp_path, settings, **signs)
        assert report["clips_out"] == report["splits"]["train"] == min(report["clips_in"], 4) > 2
        train = splits.open_split("prompt2sign", language, "train", tmp_path)
        for index in range(len(train)):
            clip = train.clip(index)
            shoulders = np.diff(clip.positions[:, [2, 5]], axis=1)
            assert abs(np.median(np.linalg.norm(shoulders, axis=-1)) - 1) < 0.02
            assert clip.fps == 25 and np.abs(clip.positions).max() < 4
            file = shared_data / "signs" / f"{train.ids[index].split('_signs_')[1]}.pose"
            assert unsteadiness(clip) < 0.01 < 0.02 < unsteadiness(clean(read_pose_file(file)))
    phoenix = Settings("gsl", "phoenix14t", "skels", fps=25.0)
    prepare(shared_data / "phoenix", tmp_path, phoenix)
    how2sign = Settings("asl", "how2sign", "openpose", fps=24.0)
    report = prepare(
        shared_data / "how2sign" / "openpose",
        tmp_path,
        how2sign,
        manifest=shared_data / "how2sign" / "text",
    )
    assert (report["clips_in"], report["clips_out"]) == (1739, 3)
    assert report["lost_by_reason"] == {"no pose file": 1736}
    assert len(bits(tmp_path, "prompt2sign/gsl", "gsl")) == 14
    assert splits.languages("prompt2sign", tmp_path) == tuple(LANGUAGES)


def flags_for(folder, data_dir):
    flags = [f"--source={folder}", "--format=skels", "--fps=25", "--language=gsl", "--name=phx"]
    return [*flags, f"--data_dir={data_dir}", "--workers=2"]


@pytest.mark.slow
def test_killed_at_random_and_run_again_it_ends_as_one_left_alone(tmp_path):
    folder = corpus(tmp_path / "corpus", train=200, dev=5)
    prepare(folder, tmp_path / "alone")
    random = np.random.default_rng(0)
    for _ in range(6):
        killed = psutil.Popen(
            [sys.executable, PREPARE, *flags_for(folder, tmp_path / "data")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(random.uniform(1, 6))
        workers = killed.children(recursive=True)
        killed.kill()
        killed.wait()
        _, left = psutil.wait_procs(workers, timeout=20)
        assert not left
    code, out, err = run(tmp_path, "prepare", flags_for(folder, tmp_path / "data"))
    assert code == 0 and out.startswith("205 of 205 clips"), err
    assert files_of(tmp_path / "data") == files_of(tmp_path / "alone")
    assert bits(tmp_path / "data") == bits(tmp_path / "alone")


@pytest.mark.slow
def test_of_two_commands_at_once_one_waits_and_both_end_the_same(tmp_path):
    folder = corpus(tmp_path / "corpus", train=70)
    prepare(folder, tmp_path / "alone")
    both = [start(tmp_path, "prepare", flags_for(folder, tmp_path / "data")) for _ in range(2)]
    assert [each.end() for each in both] == [0, 0]
    assert both[0].out.read_text() == both[1].out.read_text()
    assert files_of(tmp_path / "data") == files_of(tmp_path / "alone")
    assert bits(tmp_path / "data") == bits(tmp_path / "alone")


@pytest.fixture
def beam_python():
    """Python of an environment with the extras demo and beam: `make beam-env`."""
    found = os.environ.get("SIGNLLM_BEAM_PYTHON") or PREPARE.parents[1] / ".venv-beam/bin/python"
    if not shutil.which(found):
        pytest.skip("no environment with Apache Beam: make beam-env")
    return str(found)


@pytest.mark.slow
def test_beam_makes_the_same_bits(beam_python, tmp_path):
    folder = corpus(tmp_path / "corpus", train=70, dev=5)
    prepare(folder, tmp_path / "alone")
    flags = [f"--source={folder}", "--format=skels", "--fps=25", "--language=gsl", "--name=phx"]
    flags += [f"--data_dir={tmp_path}/beam", "--beam_runner=DirectRunner"]
    same = os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # as these tests compile
    subprocess.run([beam_python, PREPARE, *flags], check=True, timeout=300, env=same)
    assert files_of(tmp_path / "beam") == files_of(tmp_path / "alone")
    assert bits(tmp_path / "beam") == bits(tmp_path / "alone")


@pytest.mark.slow
def test_beam_lifts_to_the_same_bits(beam_python, tmp_path, shared_data):
    settings = dataclasses.replace(PHX, format="openpose", language="asl", fps=24.0)
    folder = shared_data / "how2sign"
    prepare(folder / "openpose", tmp_path / "alone", settings, manifest=folder / "text", limit=3)
    flags = [f"--source={folder}/openpose", f"--manifest={folder}/text", "--format=openpose"]
    flags += ["--fps=24", "--language=asl", "--name=phx", "--limit=3"]
    flags += [f"--data_dir={tmp_path}/beam", "--beam_runner=DirectRunner"]
    same = os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # as these tests compile
    subprocess.run([beam_python, PREPARE, *flags], check=True, timeout=300, env=same)
    asl = ("prompt2sign/asl_phx", "asl")
    assert len(bits(tmp_path / "alone", *asl)) == 3
    assert bits(tmp_path / "beam", *asl) == bits(tmp_path / "alone", *asl)


def test_without_beam_it_says_how_to_get_it(tmp_path):
    try:
        import apache_beam  # noqa: F401
    except ImportError:
        pass
    else:
        pytest.skip("Apache Beam is installed")
    from signllm_jax.core.errors import ConfigError

    folder = corpus(tmp_path / "corpus", train=2)
    with pytest.raises(ConfigError, match="pip install"):
        prepare(folder, tmp_path / "data", beam_runner="DirectRunner")
