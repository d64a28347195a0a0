"""What variables of jax do: nothing to the numbers, and one line where a device is absent."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from documented import ROOT
from tiny_run import tiny_config, write_run

from signllm_jax.core import environment
from signllm_jax.parallel import hosts


def test_variables_that_change_numbers_are_set_back_and_named(monkeypatch):
    monkeypatch.setenv("JAX_ENABLE_X64", "1")
    monkeypatch.setenv("JAX_NUMPY_RANK_PROMOTION", "raise")
    monkeypatch.setenv("JAX_NUMPY_DTYPE_PROMOTION", "standard")
    first, second = environment.set_back()
    assert "JAX_ENABLE_X64=1 is not used" in first and "RANK_PROMOTION=raise" in second
    assert os.environ["JAX_ENABLE_X64"] == "0"
    assert environment.set_back() == []


@pytest.mark.parametrize("value", ["0", "false", ""])
def test_a_variable_that_says_the_usual_is_not_named(monkeypatch, value):
    monkeypatch.setenv("JAX_ENABLE_X64", value)
    assert environment.set_back() == []


def test_a_device_that_cannot_be_started_is_one_line(monkeypatch):
    busy = RuntimeError("Unable to initialize backend 'tpu': ABORTED: in use by pid 7\nmore")
    monkeypatch.setenv("JAX_PLATFORMS", "tpu")
    told = str(environment.without_device(busy))
    assert told.startswith("JAX_PLATFORMS=tpu: ") and "in use by pid 7" in told
    assert "\n" not in told
    monkeypatch.delenv("JAX_PLATFORMS")
    assert "does another process use them?" in str(environment.without_device(busy))
    assert environment.without_device(RuntimeError("anything else")) is None
    assert environment.without_device(AssertionError()) is None


def test_who_waits_says_so(monkeypatch, capsys):
    monkeypatch.setattr(hosts, "SAID", 0.05)
    with hosts.saying("waiting for somebody"):
        time.sleep(0.3)
    told = capsys.readouterr().err.splitlines()
    assert len(told) >= 2 and all(line.startswith("waiting for somebody: ") for line in told)


@pytest.mark.slow
def test_a_command_gives_the_same_clip_or_one_line_whatever_jax_is_told(tmp_path, data_dir):
    write_run(tmp_path / "run", tiny_config(str(data_dir), ("asl",)))

    def produce(**variables):
        output = tmp_path / "x.npz"
        output.unlink(missing_ok=True)
        args = [f"--workdir={tmp_path / 'run'}", "--language=asl", "--text=abc"]
        done = subprocess.run(
            [sys.executable, "launch/produce.py", *args, f"--output={output}"],
            cwd=ROOT,
            env={**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT), **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        made = dict(np.load(output)) if output.exists() else None
        return done.returncode, made, done.stderr

    code, usual, _ = produce()
    assert code == 0
    for name, value in (("JAX_ENABLE_X64", "1"), ("JAX_NUMPY_RANK_PROMOTION", "raise")):
        code, made, err = produce(**{name: value})
        assert code == 0 and f"{name}={value} is not used" in err
        for key, array in usual.items():
            np.testing.assert_array_equal(made[key], array)
    for platform in ("cuda", "tpu", "abacus"):
        code, made, err = produce(JAX_PLATFORMS=platform)
        assert (code, made) == (2, None) and err.count("\n") == 1, err
        assert f"JAX_PLATFORMS={platform}" in err
