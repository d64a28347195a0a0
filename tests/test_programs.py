"""Compiled programs beside the work directories: they save time and change nothing."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from commands import TINY, flags, run

from configs import mlsf
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.compile_cache import BESIDE, keep_programs
from signllm_jax.core.config import read_config
from signllm_jax.train import groups
from signllm_jax.train.state import abstract_state


@pytest.fixture(scope="module")
def workdir(data_dir, tmp_path_factory):
    """A run as it lies after an evaluation, with parameters of ones."""
    given = mlsf.get_config("fingerspelling")
    given.update_from_flattened_dict(TINY | {"data.data_dir": data_dir})
    config = read_config(given.to_dict())
    workdir = Workdir(tmp_path_factory.mktemp("runs") / "run")
    with workdir.lock():
        workdir.claim(config, ("asl",))
        params = abstract_state(config, ("asl",)).params
        params = jax.tree.map(lambda leaf: np.ones(leaf.shape, leaf.dtype), params)
        groups.keep(workdir, groups.make_group(config, "asl"), params, 0, 1, None)
    return workdir.path


def produced(workdir, tmp_path):
    args = [f"--workdir={workdir}", "--language=asl", "--text=six", f"--output={tmp_path}/hi.npz"]
    code, _, err = run(tmp_path, "produce", args, programs=None)
    assert (code, err) == (0, "")
    return {name: array.tobytes() for name, array in np.load(tmp_path / "hi.npz").items()}


def test_programs_are_kept_and_damaged_ones_are_compiled_again(workdir, tmp_path):
    first = produced(workdir, tmp_path)
    kept = [path for path in (workdir.parent / BESIDE).rglob("*") if path.is_file()]
    assert any("jit_generate" in path.name for path in kept)
    for number, path in enumerate(sorted(kept)):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 if number % 2 else 0])
    assert produced(workdir, tmp_path) == first
    (processor,) = (workdir.parent / BESIDE).iterdir()
    for path in kept:
        path.unlink()
    processor.rmdir()
    processor.write_bytes(b"no folder")
    assert produced(workdir, tmp_path) == first


@pytest.fixture
def settings(monkeypatch):
    """Jax's settings as they are when a command begins, put back afterwards."""
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    jax.config.update("jax_compilation_cache_dir", None)
    monkeypatch.delenv("SIGNLLM_CACHE_DIR")
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def kept_in(folder):
    keep_programs(folder)
    return jax.config.jax_compilation_cache_dir


def test_nothing_is_made_before_it_is_needed(settings, tmp_path):
    assert kept_in(tmp_path / "new").startswith(f"{tmp_path}/new/")
    assert not list(tmp_path.iterdir())


def test_the_environment_chooses_another_folder_or_none(settings, monkeypatch, tmp_path):
    monkeypatch.setenv("SIGNLLM_CACHE_DIR", "")
    assert kept_in(tmp_path) is None
    monkeypatch.setenv("SIGNLLM_CACHE_DIR", "~/chosen")
    assert kept_in(tmp_path).startswith(str(Path.home() / "chosen"))


def test_what_jax_was_told_stays(settings, tmp_path):
    jax.config.update("jax_compilation_cache_dir", "/chosen")
    assert kept_in(tmp_path) == "/chosen"


def test_a_folder_that_others_may_write_is_not_used(settings, tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    assert kept_in(tmp_path / "open") is None
    (tmp_path / "link").symlink_to("own")
    assert kept_in(tmp_path / "link") is None
    (tmp_path / "own").mkdir()
    assert kept_in(tmp_path / "own").startswith(f"{tmp_path}/own/")


@pytest.mark.slow
def test_a_run_ends_the_same_with_programs_fresh_kept_and_none(tmp_path, data_dir):
    ended = []
    for name, programs in (("fresh", None), ("kept", None), ("none", False)):
        args = ["--config=configs/mlsf.py:fingerspelling", f"--workdir={tmp_path}/runs/{name}"]
        args += flags(TINY | {"data.data_dir": data_dir})
        code, _, err = run(tmp_path, "train", args, programs=programs)
        assert (code, err) == (0, "")
        final = json.loads((tmp_path / "runs" / name / "final.json").read_text())
        ended.append(
            (final["params_sha256"], (tmp_path / f"runs/{name}/metrics.jsonl").read_text())
        )
    assert ended[0] == ended[1] == ended[2]
    assert any("train_step" in path.name for path in (tmp_path / "runs" / BESIDE).rglob("*"))
