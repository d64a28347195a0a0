"""Bad input: one line that says what and where, exit code 2, and the work directory as it was."""

import os
import signal

import jax
import numpy as np
import pytest
from commands import TINY, contents, flags, run, start

from configs import mlsf
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core import cli
from signllm_jax.core.config import read_config
from signllm_jax.train import groups
from signllm_jax.train.state import abstract_state

CONFIG = "--config=configs/mlsf.py:fingerspelling"


def refused(result, *words):
    code, out, err = result
    assert code == cli.BAD_INPUT, err
    assert err.count("\n") == 1, err
    assert err.startswith(("train.py: ", "produce.py: "))
    assert "Traceback" not in out + err
    for word in words:
        assert word in err
    assert len(err) < 1000


@pytest.fixture(scope="module")
def config(data_dir):
    given = mlsf.get_config("fingerspelling")
    for name, value in (TINY | {"data.data_dir": data_dir}).items():
        section, key = name.split(".")
        given[section][key] = value
    return read_config(given.to_dict())


@pytest.fixture(scope="module")
def workdir(config, tmp_path_factory):
    """A run as it lies after an evaluation, with parameters of ones."""
    workdir = Workdir(tmp_path_factory.mktemp("run") / "run")
    with workdir.lock():
        workdir.claim(config, ("asl",))
        held = groups.make_group(config, "asl")
        params = abstract_state(config, ("asl",)).params
        params = jax.tree.map(lambda leaf: np.ones(leaf.shape, leaf.dtype), params)
        groups.keep(workdir, held, params, 0, 1, None)
    return workdir


def damaged_data(tmp_path, data_dir):
    folder = tmp_path / "damaged"
    for path in sorted(os.scandir(f"{data_dir}/prompt2sign/asl_fingerspelling"), key=str):
        place = folder / "prompt2sign" / "asl_fingerspelling" / path.name
        place.mkdir(parents=True)
        for file in os.scandir(path.path):
            (place / file.name).write_bytes(b"{" if file.name.endswith(".json") else b"")
    return folder


BAD_TRAINING = {
    "unknown language": ({"data.languages": ("xyz",)}, ["language", "'xyz'"]),
    "language twice": ({"data.languages": ("asl", "asl")}, ["twice", "asl"]),
    "unknown data set": ({"data.dataset": "nothing"}, ["unknown data set 'nothing'"]),
    "unknown config key": ({"train.stepz": 5}, ["stepz"]),
    "wrong type": ({"train.steps": "many"}, ["train.steps", "many"]),
    "wrong type of a list": ({"data.languages": 3}, ["data.languages"]),
    "out of range": ({"train.steps": 0}, ["config.train.steps", "0"]),
    "not a number": ({"optimizer.learning_rate": "nan"}, ["learning_rate", "nan"]),
    "no such choice": ({"model.dtype": "int8"}, ["config.model.dtype", "int8"]),
    "contradiction": ({"model.heads": 3}, ["config.model.width", "heads = 3"]),
    "kernel of a chip that is not there": (
        {"model.attention": "splash", "data.row_frames": 1024},
        ["config.model.attention", "splash needs a TPU"],
    ),
    "kernel without its GPU": ({"model.attention": "cudnn"}, ["cudnn needs a GPU", "CPU"]),
    "rows that a kernel cannot take": ({"model.attention": "splash"}, ["128 patches", "12"]),
    "mesh of too many devices": ({"mesh.fsdp": 3}, ["mesh", "fsdp 3", "1 device"]),
    "data folder is a file": ({"data.data_dir": "FILE"}, ["data folder", "FILE"]),
    "data folder is damaged": ({"data.data_dir": "DAMAGED"}, ["data folder", "DAMAGED"]),
    "no clip fits a row": ({"data.row_frames": 8}, ["asl", "row_frames"]),
    "dev text too long": ({"data.row_tokens": 4, "eval.clips": 0}, ["tokens", "at most 4"]),
    "nothing to start from": ({"init_from": "NOTHING"}, ["NOTHING"]),
}


@pytest.mark.parametrize("case", BAD_TRAINING)
def test_training_refuses_and_makes_no_work_directory(case, tmp_path, data_dir):
    values, words = BAD_TRAINING[case]
    places = {"FILE": tmp_path / "file", "NOTHING": tmp_path / "nothing", "DAMAGED": None}
    places["FILE"].write_text("not a folder")
    if "DAMAGED" in values.values():
        places["DAMAGED"] = damaged_data(tmp_path, data_dir)
    values = {key: places.get(value, value) for key, value in values.items()}
    words = [str(places.get(word, word)) for word in words]
    place = tmp_path / "deep" / "run"
    given = flags(TINY | {"data.data_dir": data_dir} | values)
    result = run(tmp_path, "train", [CONFIG, f"--workdir={place}", *given])
    refused(result, *words)
    assert not place.parent.exists()


@pytest.mark.parametrize(
    "args, words",
    [
        (["--config=configs/nothing.py"], ["configs/nothing.py"]),
        (["--config=configs/mlsf.py:nothing"], ["unknown data set 'nothing'"]),
        (["--config=configs/mlsf.py:fingerspelling,huge"], ["unknown size 'huge'"]),
        ([CONFIG, "--config.task=nothing"], ["config.task: 'nothing' is not one of mlsf"]),
        ([CONFIG, "--workdri=x"], ["workdri"]),
        ([CONFIG, "steps=5"], ["steps=5"]),
        ([], ["--config"]),
    ],
    ids=["config file", "data set", "size", "task", "flag", "argument", "no config"],
)
def test_training_refuses_a_wrong_command_line(args, words, tmp_path):
    place = tmp_path / "run"
    refused(run(tmp_path, "train", [f"--workdir={place}", *args]), *words)
    assert not place.exists()


def test_training_refuses_the_work_directory_of_another_config(workdir, tmp_path, data_dir):
    before = contents(workdir.path)
    for values, words in (
        ({"model.width": 32}, ["config.model.width is 16 there, 32 here"]),
        ({"data.languages": ("gsl",)}, ["languages", "asl", "gsl"]),
    ):
        given = flags(TINY | {"data.data_dir": data_dir} | values)
        result = run(tmp_path, "train", [CONFIG, f"--workdir={workdir.path}", *given])
        refused(result, "another config", str(workdir.path), *words)
        assert contents(workdir.path) == before


def test_training_refuses_a_work_directory_that_cannot_be_made(tmp_path, data_dir):
    (tmp_path / "file").write_text("")
    given = flags(TINY | {"data.data_dir": data_dir})
    result = run(tmp_path, "train", [CONFIG, f"--workdir={tmp_path}/file/run", *given])
    refused(result, f"{tmp_path}/file/run", "Not a directory")


def hold(path, locked):
    with Workdir(path).lock():
        locked.set()
        signal.pause()


def test_one_trainer_a_work_directory_until_it_dies(workdir, tmp_path, data_dir):
    from commands import _SERVER

    before = contents(workdir.path)
    locked = _SERVER.Event()
    owner = _SERVER.Process(target=hold, args=(workdir.path, locked))
    owner.start()
    assert locked.wait(60)
    held = contents(workdir.path)
    given = flags(TINY | {"data.data_dir": data_dir})
    result = run(tmp_path, "train", [CONFIG, f"--workdir={workdir.path}", *given])
    refused(result, f"another trainer (process {owner.pid}) works here", str(workdir.path))
    assert contents(workdir.path) == held
    owner.kill()
    owner.join()
    with workdir.lock():
        pass
    assert contents(workdir.path) == before


BAD_PRODUCTION = {
    "unknown language": ({"language": "xyz"}, ["language 'xyz'", "asl"]),
    "unspellable text": ({"text": "中"}, ["cannot spell '中'", "American"]),
    "empty text": ({"text": " "}, ["the text is empty"]),
    "text too long": ({"text": "abcdefghijk"}, ["tokens", "at most 8", "'abcdefghijk'"]),
    "unsupported suffix": ({"output": "x.avi"}, ["x.avi", ".mp4"]),
    "no suffix": ({"output": "x"}, ["'x'", ".mp4"]),
    "unwritable output": ({"output": "FILE/x.npz"}, ["FILE/x.npz", "FILE is not a folder"]),
    "output is a folder": ({"output": "folder.npz"}, ["folder.npz", "is a folder"]),
    "no output": ({"output": None}, ["--output is missing"]),
    "text and prompt": ({"prompt": "How do you sign 'hi'?"}, ["either a text or a prompt"]),
    "no text": ({"text": None}, ["either a text or a prompt"]),
    "prompt without a text": ({"text": None, "prompt": "hi"}, ["quotation marks: 'hi'"]),
    "prompt of another language": (
        {"text": None, "prompt": "How do you sign 'hi' in LSA?"},
        ["the prompt asks for lsa, but the language given is asl"],
    ),
    "no run": ({"workdir": "nothing"}, ["nothing", "there is no such folder"]),
}


@pytest.mark.parametrize("case", BAD_PRODUCTION)
def test_producing_refuses_and_writes_nothing(case, tmp_path, workdir):
    change, words = BAD_PRODUCTION[case]
    (tmp_path / "file").write_text("")
    (tmp_path / "out" / "folder.npz").mkdir(parents=True)
    values = {"language": "asl", "text": "hi", "output": "hi.npz", "workdir": workdir.path} | change
    if values["output"] is not None:
        name = values["output"].replace("FILE", str(tmp_path / "file"))
        values["output"] = os.path.join(tmp_path / "out", name)
    before = contents(workdir.path)
    args = [f"--{name}={value}" for name, value in values.items() if value is not None]
    refused(
        run(tmp_path, "produce", args), *(w.replace("FILE", str(tmp_path / "file")) for w in words)
    )
    assert contents(workdir.path) == before
    assert contents(tmp_path / "out") == {"folder.npz": None}


def test_a_prompt_produces_what_its_text_does(tmp_path, workdir):
    for prompt, language in (
        ("How do you sign 'six' in American Sign Language?", None),
        ("how would you spell “six”, please", "asl"),
    ):
        out = tmp_path / "prompt.npz"
        args = [f"--workdir={workdir.path}", f"--prompt={prompt}", f"--output={out}"]
        args += [f"--language={language}"] if language else []
        code, printed, err = run(tmp_path, "produce", args)
        assert code == 0, err
        assert printed.splitlines()[0] == "asl: 'six'"
        args = [f"--workdir={workdir.path}", "--language=asl", "--text=six"]
        assert run(tmp_path, "produce", [*args, f"--output={tmp_path}/text.npz"])[0] == 0
        asked, told = np.load(out), np.load(tmp_path / "text.npz")
        assert set(asked) == set(told)
        for name in told:
            np.testing.assert_array_equal(asked[name], told[name])


def test_producing_refuses_damaged_parameters(workdir, tmp_path):
    copy = Workdir(tmp_path / "copy")
    for name, data in contents(workdir.path).items():
        if data is not None:
            (copy.path / name).parent.mkdir(parents=True, exist_ok=True)
            (copy.path / name).write_bytes(data)
    file = next(copy.group("asl").glob("params-*"))
    for damage in (file.read_bytes()[:-200], file.read_bytes()[:-200] + bytes(200), b"", None):
        file.write_bytes(damage) if damage is not None else file.unlink()
        args = ["--language=asl", "--text=hi", f"--output={tmp_path}/hi.npz"]
        refused(run(tmp_path, "produce", [f"--workdir={copy.path}", *args]), file.name)
    assert not (tmp_path / "hi.npz").exists()


def test_the_traceback_is_shown_when_asked_for(tmp_path):
    command = start(tmp_path, "produce", ["--debug", "--workdir=nothing"])
    assert command.end() == cli.BAD_INPUT
    assert "Traceback" in command.err.read_text()
