"""A process that is killed while it prepares costs its clip, not the corpus."""

import os
import signal

import numpy as np
import pytest
from test_prepare import PHX, bits, corpus, files_of, prepare

from signllm_jax.core.errors import DataError
from signllm_jax.corpora import shards, workers
from signllm_jax.corpora.prepare import make_example
from signllm_jax.data import prepare_corpus

DEADLY = ("train/clip2", "train/clip5")


def make_or_die(job, settings, repairs):
    """Kills its own process over some clips, as the system does where memory ends."""
    if job.entry.id in DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)
    return make_example(job, settings, repairs)


def make_without_memory(job, settings, repairs):
    if job.entry.id in DEADLY:
        raise MemoryError
    return make_example(job, settings, repairs)


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def killing(monkeypatch):
    """Prepares with `make_or_die` in the other processes."""
    real = workers.make_parts
    monkeypatch.setattr(prepare_corpus, "make_parts", lambda *args: real(*args, make=make_or_die))


@pytest.mark.slow
def test_a_killed_process_costs_its_clip_which_is_named_and_counted(tmp_path, killing, monkeypatch):
    monkeypatch.setattr(shards, "PART_CLIPS", 4)
    folder = corpus(tmp_path / "corpus", train=10)
    report = prepare(folder, tmp_path / "data", workers=2)
    assert report["lost_by_reason"] == {workers.KILLED: 2}
    assert sorted(each["id"] for each in report["lost"]) == sorted(DEADLY)
    assert report["clips_out"] == 8
    before = files_of(tmp_path / "data")
    again = prepare(folder, tmp_path / "data", workers=2)  # it kills nothing a second time
    assert again == report and files_of(tmp_path / "data") == before
    # what is prepared after a death has the same bits as what is prepared without one
    prepare(folder, tmp_path / "whole")
    whole, rest = bits(tmp_path / "whole"), bits(tmp_path / "data")
    assert {id for id in whole if id not in rest} == {f"gsl_phx_{id}" for id in DEADLY}
    assert all(whole[id] == rest[id] for id in rest)


def test_a_clip_that_memory_does_not_suffice_for_is_lost_alone(tmp_path):
    folder = corpus(tmp_path / "corpus", train=4)
    entries = prepare_corpus.read_manifest(folder).entries
    jobs = prepare_corpus.find_jobs(entries, PHX.format, folder).jobs
    (part,) = shards.plan_parts(jobs, PHX)
    name = shards.make_part(part, PHX, tmp_path, make_without_memory)
    with np.load(tmp_path / name) as archive:
        listed = archive["listed"].tobytes().decode()
    assert "not enough memory" in listed and listed.count('"frames"') == 3


@pytest.mark.slow
def test_where_no_process_can_be_started_nothing_is_counted_as_lost(tmp_path, monkeypatch):
    folder = corpus(tmp_path / "corpus", train=3)
    monkeypatch.setattr(workers, "_end_with_parent", die)  # every process ends as it starts
    with pytest.raises(DataError, match="no other process can be started"):
        prepare(folder, tmp_path / "data", workers=2)
    assert not [name for name in files_of(tmp_path / "data") if name.startswith("part-")]
