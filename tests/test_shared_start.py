"""A shared start: one language first, and all others begin from its parameters."""

import dataclasses
import json
import types

import jax
import numpy as np
import pytest
from tiny import CONFIG, one_device

from signllm_jax.artifacts.group import load_group
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.errors import ConfigError
from signllm_jax.train import clock, loop, shared_start

LANGUAGES = ("asl", "tsl")


@pytest.fixture
def on_one_device(monkeypatch):
    """Runs on the first of the session's devices alone, like a run on most machines."""
    for module in (loop, shared_start):
        monkeypatch.setattr(module, "make_run_mesh", lambda config, languages: one_device())


@pytest.fixture(scope="module")
def config(data_dir):
    return dataclasses.replace(
        CONFIG,
        data=dataclasses.replace(CONFIG.data, data_dir=data_dir, row_frames=128),
        train=dataclasses.replace(CONFIG.train, steps=3, batch_size=4),
        eval=dataclasses.replace(
            CONFIG.eval, every=3, clips=3, max_frames=32, batch_size=4, report=False
        ),
        checkpoint=dataclasses.replace(CONFIG.checkpoint, every=2),
        log=dataclasses.replace(CONFIG.log, every=1, progress=False),
    )


def started(config, steps):
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, languages=LANGUAGES),
        train=dataclasses.replace(config.train, shared_start=steps),
    )


@pytest.mark.slow
def test_all_languages_begin_from_the_first_ones_parameters(
    config, on_one_device, tmp_path, monkeypatch
):
    config = started(config, 2)
    begun, begin = [], shared_start.begin

    def noted(*args):
        final, params = begin(*args)
        begun.append((final, jax.device_get(params)))  # training takes the memory of the others
        return final, params

    monkeypatch.setattr(shared_start, "begin", noted)
    final = loop.train(config, tmp_path)
    first = load_group(Workdir(tmp_path / "start").group("asl"))
    assert first.step == 2
    ((first_final, params),) = begun
    for own, taken in zip(*map(jax.tree.leaves, (first.params, params)), strict=True):
        np.testing.assert_array_equal(np.broadcast_to(own, taken.shape), taken)
    assert final["step"] == config.train.steps
    assert final["seconds"] > first_final["seconds"]
    held = json.loads((tmp_path / "config.json").read_text())
    assert held["config"]["train"]["shared_start"] == 2
    again = loop.train(config, tmp_path)  # nothing is left to train, in neither
    assert again["params_sha256"] == final["params_sha256"] and len(begun) == 1


@pytest.mark.slow
def test_a_run_that_is_stopped_in_its_start_goes_on_there(
    config, on_one_device, tmp_path, monkeypatch
):
    config = started(config, 2)
    reached = loop.StopSignal.reached
    monkeypatch.setattr(loop.StopSignal, "reached", lambda self: True)
    assert loop.train(config, tmp_path) is None
    assert not (tmp_path / "final.json").exists()
    monkeypatch.setattr(loop.StopSignal, "reached", reached)
    stopped = loop.train(config, tmp_path)
    straight = loop.train(config, tmp_path.with_name("straight"))
    assert stopped["params_sha256"] == straight["params_sha256"]


def test_what_cannot_begin_so_is_refused(config):
    for change in ({"init_from": "runs/other"}, {"extend_from": "runs/other"}):
        with pytest.raises(ConfigError, match="shared_start"):
            shared_start.config_of(dataclasses.replace(started(config, 2), **change), LANGUAGES)
    other = dataclasses.replace(started(config, 2), task="text2gloss")
    with pytest.raises(ConfigError, match="share one model"):
        shared_start.config_of(other, LANGUAGES)
    assert shared_start.config_of(started(config, 0), LANGUAGES) is None


def test_a_paused_clock_counts_what_another_has_counted_meanwhile(monkeypatch):
    now = [0.0]
    times = types.SimpleNamespace(monotonic=lambda: now[0], process_time=lambda: 2 * now[0])
    monkeypatch.setattr(clock, "time", times)
    outer = clock.Clock()
    now[0] = 3.0
    with outer.paused():
        inner = clock.Clock()
        inner.begin("steps")
        now[0] = 10.0
        counted = inner.spent() | {"seconds": 50.0, "cpu_seconds": 80.0}  # an earlier process, too
    outer.add(counted)
    now[0] = 11.0
    spent = outer.spent()
    assert (spent["seconds"], spent["cpu_seconds"]) == (3 + 1 + 50, 6 + 2 + 80)
    assert spent["goodput"]["starting"] == 4.0 and spent["goodput"]["steps"] == 7.0
