"""Runs that differ in settings, beside each other by their scores on dev."""

import json

import pytest
from commands import run
from tiny_run import tiny_config, write_run

from signllm_jax.core import cli
from signllm_jax.core.errors import CheckpointError, DataError
from signllm_jax.eval.run_settings import settings_table


def ended(path, config, **final):
    workdir = write_run(path, config)
    (workdir.path / "final.json").write_text(json.dumps({"step": 12, "cpu_seconds": 7.0} | final))
    return workdir.path


@pytest.fixture(scope="module")
def runs(tmp_path_factory, data_dir):
    folder = tmp_path_factory.mktemp("runs")
    first = ended(folder / "first", tiny_config(data_dir))
    other = {"loss.noise": 0.5, "train.seed": 3, "eval.every": 4}
    return first, ended(folder / "second", tiny_config(data_dir, **other), cpu_seconds=None)


def test_only_settings_that_say_what_is_learned_and_differ_are_told(runs):
    lines = settings_table(runs).splitlines()
    assert lines[0] == "| settings | seed | steps | dev ↓ | CPU s |"
    assert lines[2:] == [
        "| loss.noise 1.0 | 0 | 12 | – | 7 |",
        "| loss.noise 0.5 | 3 | 12 | – | – |",
    ]
    assert "| all alike | 0 | 12 |" in settings_table(runs[:1])


def test_a_run_that_has_not_ended_or_is_none_is_an_error(runs, tmp_path, data_dir):
    begun = write_run(tmp_path / "begun", tiny_config(data_dir)).path
    with pytest.raises(DataError, match="begun: has not ended: 12 steps"):
        settings_table([begun])
    with pytest.raises(CheckpointError, match="none"):
        settings_table([tmp_path / "none"])


def test_the_command_writes_it_and_refuses_two_tables_at_once(runs, tmp_path):
    args = [f"--workdirs={runs[0]},{runs[1]}", "--settings"]
    code, out, err = run(tmp_path, "results", args)
    assert code == 0 and "loss.noise 0.5" in out, err
    code, _, err = run(tmp_path, "results", [*args, "--cost"])
    assert code == cli.BAD_INPUT and "give one of --cost and --settings" in err
