"""What a command line says and returns."""

import subprocess
import sys
from pathlib import Path

import pytest

from signllm_jax.core import cli

ROOT = Path(__file__).resolve().parents[1]
COMMAND = """
from absl import flags
from signllm_jax.core import cli
from signllm_jax.core.errors import DataError

NUMBER = flags.DEFINE_integer("number", 0, "what happens")

def main():
    if NUMBER.value == 1:
        raise DataError("the file\\nis damaged")
    if NUMBER.value == 2:
        raise KeyboardInterrupt
    if NUMBER.value == 3:
        raise RuntimeError("a fault")
    print("done")

cli.run(main)
"""


def _run(*arguments):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        ([], 0, ""),
        (["--number=1"], 2, "command.py: the file is damaged\n"),
        (["--number=many"], 2, "many"),
        (["--numbr=1"], 2, "numbr"),
        (["file"], 2, "unexpected argument 'file'"),
        (["--number=2"], 130, "\ninterrupted\n"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, flags, code, said):
    (tmp_path / "command.py").write_text(COMMAND)
    done = _run(str(tmp_path / "command.py"), *flags)
    assert done.returncode == code and said in done.stderr
    assert done.stderr.strip().count("\n") == 0 and "Traceback" not in done.stderr
    assert done.stdout == ("done\n" if code == 0 else "")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("train.step=20", "unknown setting config.train.step: did you mean steps?"),
        ("trian.steps=20", "unknown setting config.trian: did you mean train?"),
        ("log.zzz=1", "unknown setting config.log.zzz: known are every, progress"),
    ],
)
def test_a_setting_that_there_is_not_is_named_with_the_one_that_is_near(setting, said):
    done = _run("launch/train.py", "--config=configs/mlsf.py", f"--config.{setting}")
    assert done.returncode == 2 and done.stderr == f"train.py: {said}\n"


def test_debug_and_faults_show_the_traceback(tmp_path):
    (tmp_path / "command.py").write_text(COMMAND)
    debug = _run(str(tmp_path / "command.py"), "--number=1", "--debug")
    assert debug.returncode == 2 and "Traceback" in debug.stderr
    fault = _run(str(tmp_path / "command.py"), "--number=3")
    assert fault.returncode == 1 and "Traceback" in fault.stderr


def test_evaluating_nothing_is_one_line(tmp_path):
    done = _run("launch/evaluate.py", f"--workdir={tmp_path}")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "no readable run" in done.stderr


def test_what_is_said_moves_no_terminal(capsys):
    cli.say("asl: \x1b[31mŞU 수화\x07\nsecond\tline\r")
    assert capsys.readouterr().out == "asl: \\x1b[31mŞU 수화\\x07\nsecond\\tline\\r\n"
