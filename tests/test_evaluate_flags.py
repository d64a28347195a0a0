"""Every flag of launch/evaluate.py is obeyed or refused with one line, for every kind of run."""

import pytest
from commands import run

from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import Config
from signllm_jax.core.errors import CheckpointError, ConfigError
from signllm_jax.eval.dispatch import evaluate_run

GIVEN = {
    "evaluators": ["runs/reader"],
    "readers": 2,
    "samples": 3,
    "ensemble": ["runs/other"],
    "predictions": "theirs.skels",
    "export": "out",
}
CLIPS = {"evaluators", "readers", "samples", "predictions", "export"}
OBEYED = {
    "mlsf": CLIPS,
    "prompt2langgloss": CLIPS,
    "text2gloss": {"ensemble", "samples"},
    "back_translation": set(),
}


@pytest.fixture(params=OBEYED)
def claimed(request, tmp_path):
    """The kind of a run, and a work directory of that kind that has no parameters yet."""
    config = Config(name=request.param, task=request.param)
    Workdir(tmp_path / "run").path.mkdir()
    Workdir(tmp_path / "run").claim(config, ("asl",))
    return request.param, tmp_path / "run"


@pytest.mark.parametrize("flag", GIVEN)
def test_a_flag_is_refused_by_name_where_it_has_no_meaning_for_the_run(claimed, flag):
    task, workdir = claimed
    # what is obeyed gets as far as the parameters, which are not there
    expected = CheckpointError if flag in OBEYED[task] else ConfigError
    with pytest.raises(expected) as error:
        evaluate_run(workdir, **{flag: GIVEN[flag]})
    assert "\n" not in str(error.value)
    if flag not in OBEYED[task]:
        assert f"--{flag}" in str(error.value) and task in str(error.value)


def test_readers_are_refused_beside_evaluators(tmp_path):
    (tmp_path / "run").mkdir()
    Workdir(tmp_path / "run").claim(Config(), ("asl",))
    with pytest.raises(ConfigError, match="--readers"):
        evaluate_run(tmp_path / "run", readers=2, evaluators=["runs/reader"])


def test_flags_of_a_peer_are_refused_without_one(tmp_path):
    for flag in ("--peer_lexicon=lexicon", "--peer_python=.venv-signed-peer/bin/python"):
        code, out, err = run(tmp_path, "evaluate", [f"--workdir={tmp_path}", flag])
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert flag.partition("=")[0] in err and "--peer" in err


def test_the_command_says_it_in_one_line_and_ends_with_2(tmp_path):
    (tmp_path / "run").mkdir()
    Workdir(tmp_path / "run").claim(Config(name="text2gloss", task="text2gloss"), ("gsl",))
    for flag in ("--predictions=theirs.skels", "--readers=1", "--export=out"):
        code, out, err = run(tmp_path, "evaluate", [f"--workdir={tmp_path}/run", flag])
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert flag.partition("=")[0] in err and "text2gloss" in err
