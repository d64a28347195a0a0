"""Run folders and exports of a stranger: nothing outside them is read, nothing outside written."""

import dataclasses
import json
import os
import shutil

import pytest
from commands import contents, run
from etils import epath
from tiny_run import tiny_config, write_run

from signllm_jax import SignLLM
from signllm_jax.artifacts.export import export_run
from signllm_jax.artifacts.group import copy_group, load_group
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core import storage
from signllm_jax.core.config import read_config, to_dict
from signllm_jax.core.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    OutputError,
    SignLLMError,
)
from signllm_jax.core.plain_files import read_plain
from signllm_jax.data.locking import locked
from signllm_jax.eval.plots import plot_training
from signllm_jax.eval.report import report_path
from signllm_jax.train.extension import kept_languages, take_along

PATHS = ("../../x", "..", ".", "/tmp", "a/b", "A", "a", "a" * 17, "asl\n", "", None, 5, ["asl"], {})


@pytest.fixture(scope="module")
def trained(data_dir, tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("own") / "run", tiny_config(data_dir, ("asl",))).path


@pytest.fixture
def stranger(trained, tmp_path):
    """A folder that may be changed, beside a file that must not be touched."""
    shutil.copytree(trained, tmp_path / "given" / "run")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "group.json").write_text("mine")
    return tmp_path / "given" / "run"


def change(path, **changes):
    held = json.loads(path.read_text())
    path.write_text(json.dumps(held | changes))


def everything(folder):
    """What lies in a folder; links as where they point, special files as their kind."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_file():
            found[name] = path.read_bytes()
        else:
            found[name] = path.lstat().st_mode
    return found


@pytest.mark.parametrize("code", PATHS, ids=repr)
@pytest.mark.parametrize("key", ["languages", "kept"])
def test_a_config_whose_codes_are_no_codes_is_refused(stranger, tmp_path, key, code):
    (tmp_path / "x" / "groups").mkdir(parents=True)
    change(stranger / "config.json", **{key: ["asl", code]})
    before = everything(tmp_path)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        SignLLM.load(stranger)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        export_run(stranger, tmp_path / "out" / "export")
    config = dataclasses.replace(tiny_config(""), extend_from=str(stranger))
    with pytest.raises(CheckpointError, match=r"config\.json"):
        kept_languages(config, Workdir(tmp_path / "out"))
    assert everything(tmp_path) == before


@pytest.mark.parametrize("code", PATHS, ids=repr)
def test_no_path_is_made_of_a_code_that_is_none(tmp_path, code):
    with pytest.raises(ConfigError, match="language"):
        Workdir(tmp_path).group(code)
    config = dataclasses.replace(tiny_config(""), extend_from=str(tmp_path))
    with pytest.raises(ConfigError, match="language"):
        take_along(config, Workdir(tmp_path), (code,))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("code", ["../x", "A", ""])
def test_a_config_names_languages_by_their_codes(code):
    values = to_dict(tiny_config(""))
    values["data"]["languages"] = ["asl", code]
    with pytest.raises(ConfigError, match=r"config\.data\.languages"):
        read_config(values)


@pytest.mark.parametrize("held", ["null", "[]", "5", '{"config": {}}', '{"languages": "asl"}'])
def test_a_config_that_is_no_config_is_named(stranger, held):
    (stranger / "config.json").write_text(held)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        Workdir(stranger).read_config()
    with pytest.raises(CheckpointError, match=r"config\.json"):
        Workdir(stranger).read_kept()


@pytest.mark.parametrize("code", ["../x", "A", None, 5, ["asl"]], ids=repr)
def test_a_group_whose_codes_are_no_codes_is_refused(stranger, tmp_path, code):
    folder = stranger / "groups" / "asl"
    before = everything(tmp_path / "secret")
    held = json.loads((folder / "group.json").read_text())
    for changes in (
        {"language": code},
        {"registry": [{"code": code, "name": "x", "iso": "x", "spoken": "en"}]},
    ):
        (folder / "group.json").write_text(json.dumps(held | changes))
        with pytest.raises(CheckpointError, match="groups/asl"):
            load_group(folder)
    assert everything(tmp_path / "secret") == before


@pytest.mark.parametrize(
    "name", ["../asl/params-1.msgpack", "/etc/hostname", "group.json", "params-1.msgpack/", "", 5]
)
def test_parameters_lie_in_their_group_under_their_name(stranger, name):
    folder = stranger / "groups" / "asl"
    params = json.loads((folder / "group.json").read_text())["params"]
    change(folder / "group.json", params=params | {"file": name})
    with pytest.raises(CheckpointError, match="groups/asl"):
        load_group(folder)


def as_fifo(path, _):
    os.mkfifo(path)


def as_link(path, moved):
    path.symlink_to(moved)


def as_folder(path, _):
    path.mkdir()


@pytest.mark.parametrize("make", [as_fifo, as_link, as_folder])
@pytest.mark.parametrize("name", ["group.json", "tokenizer.model", "params-1.msgpack"])
def test_a_group_is_read_from_regular_files_alone(stranger, tmp_path, name, make):
    file = stranger / "groups" / "asl" / name
    file.rename(tmp_path / "moved")
    make(file, tmp_path / "moved")
    before = everything(tmp_path)
    with pytest.raises(CheckpointError, match="groups/asl"):
        load_group(file.parent)
    with pytest.raises(CheckpointError):
        copy_group(file.parent, tmp_path / "copy")
    with pytest.raises(CheckpointError):
        export_run(stranger, tmp_path / "out")
    assert everything(tmp_path) == before


def test_a_group_that_is_a_link_is_not_copied(stranger, tmp_path):
    (stranger / "groups" / "asl").rename(tmp_path / "moved")
    (stranger / "groups" / "asl").symlink_to(tmp_path / "moved")
    before = everything(tmp_path)
    with pytest.raises(CheckpointError, match="groups/asl"):
        export_run(stranger, tmp_path / "out")
    with pytest.raises(CheckpointError, match="link"):
        copy_group(stranger / "groups" / "asl", tmp_path / "copy")
    assert everything(tmp_path) == before


def test_a_group_is_copied_without_what_is_no_part_of_it(stranger, tmp_path):
    folder = stranger / "groups" / "asl"
    (folder / "notes.txt").write_text("no part")
    (folder / "params-x.msgpack").symlink_to(tmp_path / "secret" / "group.json")
    (folder / "inner").mkdir()
    os.mkfifo(folder / "waits")
    copy_group(folder, tmp_path / "copy")
    names = ["group.json", "params-1.msgpack", "tokenizer.model"]
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == names
    assert all(
        (folder / name).read_bytes() == (tmp_path / "copy" / name).read_bytes() for name in names
    )
    export_run(stranger, tmp_path / "out")
    exported = contents(tmp_path / "out" / "groups" / "asl")
    assert sorted(exported) == names


@pytest.mark.parametrize(
    "name",
    ["../../secret/group.json", "/etc/hostname", "groups/../config.json", "", "./config.json"],
)
def test_an_export_lists_files_of_its_own_alone(stranger, tmp_path, name):
    export_run(stranger, tmp_path / "out")
    listed = json.loads((tmp_path / "out" / "model.json").read_text())["files"]
    change(tmp_path / "out" / "model.json", files=listed | {name: "0" * 64})
    before = everything(tmp_path)
    with pytest.raises(CheckpointError, match="no name of a file below"):
        SignLLM.load(tmp_path / "out")
    assert everything(tmp_path) == before


@pytest.mark.parametrize(
    "files", [None, 5, [], {"config.json": 5}, {"config.json": None}], ids=repr
)
def test_an_export_whose_list_is_no_list_is_refused(stranger, tmp_path, files):
    export_run(stranger, tmp_path / "out")
    change(tmp_path / "out" / "model.json", files=files)
    with pytest.raises(CheckpointError, match=r"(model|config)\.json"):
        SignLLM.load(tmp_path / "out")


@pytest.mark.parametrize("make", [as_fifo, as_link])
@pytest.mark.parametrize("name", ["model.json", "config.json", "groups"])
def test_an_export_is_read_from_regular_files_alone(stranger, tmp_path, name, make):
    export_run(stranger, tmp_path / "out")
    file = tmp_path / "out" / name
    file.rename(tmp_path / "moved")
    make(file, tmp_path / "moved")
    with pytest.raises(SignLLMError):
        SignLLM.load(tmp_path / "out")


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    (tmp_path / "large").write_bytes(bytes(11))
    assert read_plain(tmp_path, "large", 11) == bytes(11)
    with pytest.raises(OSError, match="larger than 10 bytes"):
        read_plain(tmp_path, "large", 10)


def test_the_commands_refuse_a_strangers_codes_in_one_line(stranger, tmp_path):
    change(stranger / "config.json", languages=["../../x"])
    before = everything(tmp_path / "secret")
    for command, args in (
        ("export", [f"--workdir={stranger}", f"--output={tmp_path}/out"]),
        ("produce", [f"--workdir={stranger}", "--text=hi", f"--output={tmp_path}/out.npz"]),
        ("evaluate", [f"--workdir={stranger}"]),
        (
            "train",
            ["--config=configs/mlsf.py", f"--workdir={tmp_path}/out", f"--extend-from={stranger}"],
        ),
    ):
        code, out, err = run(tmp_path, command, args)
        assert (code, out, err.count("\n")) == (2, "", 1) and "config.json" in err, (command, err)
    assert not (tmp_path / "out").exists() and not (tmp_path / "x").exists()
    assert everything(tmp_path / "secret") == before


@pytest.mark.parametrize("name", ["samples", "report", "reader", "reader/0"])
def test_an_evaluation_writes_through_no_link_of_a_stranger(tmp_path, name):
    (tmp_path / "mine").mkdir()
    link = tmp_path / "run" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "mine")
    with pytest.raises(OutputError, match="is a link"):
        report_path(Workdir(tmp_path / "run"), "test", None)


def test_a_log_of_a_stranger_is_drawn_or_left_out(tmp_path):
    log = tmp_path / "metrics.jsonl"
    good = {"kind": "dev", "step": 6, "asl": {"dtw_mean_pose_ratio": 0.5}}
    bad = [[], 7, None, {"kind": "dev"}, good | {"step": "6"}, good | {"asl": [1]}]
    bad += [good | {"asl": {"dtw_mean_pose_ratio": wrong}} for wrong in ("x", -1, 10**400)]
    log.write_text("".join(json.dumps(each) + "\n" for each in bad) + "[" * 10**5)
    assert plot_training(log, ["asl"], tmp_path / "a.png") is None
    log.write_text(json.dumps(good) + "\n")
    assert plot_training(log, ["asl"], tmp_path / "a.png").exists()
    log.unlink()
    os.mkfifo(log)
    with pytest.raises(DataError, match="not a regular file"):
        plot_training(log, ["asl"], tmp_path / "a.png")


def test_a_lock_of_a_data_folder_is_not_written_through(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / ".prepare.lock").symlink_to(tmp_path / "mine")
    with (
        pytest.raises(DataError, match="cannot be locked"),
        locked(epath.Path(tmp_path), "prepare"),
    ):
        pass
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize("size", [0, 1, 10, 11, 50, 9_000])
@pytest.mark.parametrize("part", [3, 1 << 20])
def test_a_file_is_read_up_to_a_limit_however_little_a_read_gives(
    tmp_path, monkeypatch, size, part
):
    path, read = tmp_path / "file", os.read
    path.write_bytes(bytes(range(256)) * 36)
    os.truncate(path, size)
    monkeypatch.setattr(os, "read", lambda file, most: read(file, min(most, part)))
    assert storage.read_at_most(path, 10) == path.read_bytes()[:11]
    assert storage.read_at_most(path, 10_000) == path.read_bytes()
