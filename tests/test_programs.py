"""Compiled programs in the user's cache folder: they save time and change nothing."""

import json
import os
import shutil
import stat
from pathlib import Path

import jax
import numpy as np
import pytest
from commands import TINY, contents, flags, run

from configs import mlsf
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.compile_cache import keep_programs
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


def produced(workdir, tmp_path, cache):
    args = [f"--workdir={workdir}", "--language=asl", "--text=six", f"--output={tmp_path}/hi.npz"]
    env = {"XDG_CACHE_HOME": str(cache)}
    code, _, err = run(tmp_path, "produce", args, programs=None, env=env)
    assert (code, err) == (0, "")
    return {name: array.tobytes() for name, array in np.load(tmp_path / "hi.npz").items()}


def test_programs_are_kept_and_damaged_ones_are_compiled_again(workdir, tmp_path):
    first = produced(workdir, tmp_path, tmp_path / "cache")
    folder = tmp_path / "cache" / "signllm_jax" / "compiled"
    kept = [path for path in folder.rglob("*-cache") if path.is_file()]
    assert any("jit_generate" in path.name for path in kept)
    for number, path in enumerate(sorted(kept)):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 if number % 2 else 0])
    assert produced(workdir, tmp_path, tmp_path / "cache") == first


def test_a_folder_beside_a_work_directory_is_neither_read_nor_written(workdir, tmp_path):
    downloaded = tmp_path / "downloaded"
    shutil.copytree(workdir, downloaded / "run")
    programs = []
    for folder in (downloaded, downloaded / "run"):
        programs.append(folder / ".compiled" / "x86_64-00000000" / "jit_generate-0-cache")
        programs[-1].parent.mkdir(parents=True)
        programs[-1].write_bytes(b"harmless")
    before = contents(downloaded)
    for program in programs:
        os.utime(program, (1e9, 2e9))  # a reader would move the first on
    produced(downloaded / "run", tmp_path, tmp_path / "cache")
    assert [program.stat().st_atime for program in programs] == [1e9, 1e9]
    assert contents(downloaded) == before


@pytest.fixture
def settings(monkeypatch, tmp_path):
    """Jax's settings as they are when a command begins, put back afterwards."""
    names = (
        "jax_compilation_cache_dir",
        "jax_compilation_cache_max_size",
        "jax_persistent_cache_min_compile_time_secs",
    )
    before = {name: getattr(jax.config, name) for name in names}
    jax.config.update("jax_compilation_cache_dir", None)
    monkeypatch.delenv("SIGNLLM_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    yield home
    for name, value in before.items():
        jax.config.update(name, value)


def kept_in():
    keep_programs()
    return jax.config.jax_compilation_cache_dir


def test_programs_lie_in_the_users_cache_folder_for_the_user_alone(settings, capsys):
    folder = Path(kept_in())
    assert folder.parent == settings / ".cache" / "signllm_jax" / "compiled"
    for made in (folder, *folder.parents[:3]):
        assert stat.S_IMODE(made.stat().st_mode) == 0o700, made
    assert 0 < jax.config.jax_compilation_cache_max_size <= 1 << 32
    assert capsys.readouterr().err == ""


def test_the_environment_chooses_another_folder_or_none(settings, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert kept_in().startswith(f"{tmp_path}/xdg/signllm_jax/compiled/")
    jax.config.update("jax_compilation_cache_dir", None)
    monkeypatch.setenv("SIGNLLM_CACHE_DIR", "~/chosen")
    assert kept_in().startswith(f"{settings}/chosen/")
    jax.config.update("jax_compilation_cache_dir", None)
    monkeypatch.setenv("SIGNLLM_CACHE_DIR", "")
    assert kept_in() is None


def test_what_jax_was_told_stays(settings):
    jax.config.update("jax_compilation_cache_dir", "/chosen")
    assert kept_in() == "/chosen"
    assert not list(settings.iterdir())


LEVELS = (".cache", ".cache/signllm_jax", ".cache/signllm_jax/compiled", "processor")


def level(settings, name):
    folder = Path(kept_in())  # makes all levels
    jax.config.update("jax_compilation_cache_dir", None)
    return folder if name == "processor" else settings / name


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_folder_that_others_may_write_is_not_used(settings, capsys, name, mode):
    folder = level(settings, name)
    folder.chmod(mode)
    assert kept_in() is None
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and f"{folder}: others may write" in err


@pytest.mark.parametrize("name", LEVELS)
def test_a_folder_that_is_a_link_is_not_used(settings, capsys, tmp_path, name):
    folder = level(settings, name)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    before = contents(tmp_path / "elsewhere")
    assert kept_in() is None
    assert f"{folder}: is no folder" in capsys.readouterr().err
    assert contents(tmp_path / "elsewhere") == before


def test_a_program_that_another_may_have_put_there_makes_its_folder_unused(settings, tmp_path):
    folder = level(settings, "processor")
    (folder / "one-cache").write_bytes(b"harmless")
    (folder / "one-atime").write_bytes(bytes(8))
    assert kept_in() == str(folder)
    jax.config.update("jax_compilation_cache_dir", None)
    (folder / "one-cache").chmod(0o660)
    assert kept_in() == str(folder)  # nobody else may enter the folder
    jax.config.update("jax_compilation_cache_dir", None)
    folder.chmod(0o755)
    assert kept_in() is None
    (folder / "one-cache").unlink()
    (folder / "one-cache").symlink_to(tmp_path / "elsewhere")
    assert kept_in() is None


def test_a_folder_of_another_user_is_not_used(settings, monkeypatch):
    level(settings, "processor")
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert kept_in() is None


def test_a_chosen_folder_that_is_not_used_is_told_in_one_line(settings, monkeypatch, capsys):
    (settings / "open").mkdir()
    (settings / "open").chmod(0o777)
    monkeypatch.setenv("SIGNLLM_CACHE_DIR", str(settings / "open" / "inner"))
    assert kept_in() is None
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "SIGNLLM_CACHE_DIR" in err and "others may write" in err
    assert not list((settings / "open").iterdir())


def test_a_program_that_a_kill_left_half_kept_is_removed(settings):
    folder = level(settings, "processor")
    (folder / "one-cache").write_bytes(b"harmless")  # jax writes its -atime next
    assert kept_in() == str(folder)
    assert not list(folder.iterdir())


@pytest.mark.slow
def test_a_run_ends_the_same_with_programs_fresh_kept_and_none(tmp_path, data_dir):
    ended = []
    for name, programs in (("fresh", None), ("kept", None), ("none", False)):
        args = ["--config=configs/mlsf.py:fingerspelling", f"--workdir={tmp_path}/runs/{name}"]
        args += flags(TINY | {"data.data_dir": data_dir})
        env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
        code, _, err = run(tmp_path, "train", args, programs=programs, env=env)
        assert (code, err) == (0, "")
        final = json.loads((tmp_path / "runs" / name / "final.json").read_text())
        ended.append(
            (final["params_sha256"], (tmp_path / f"runs/{name}/metrics.jsonl").read_text())
        )
    assert ended[0] == ended[1] == ended[2]
    assert any("train_step" in path.name for path in (tmp_path / "cache").rglob("*"))
