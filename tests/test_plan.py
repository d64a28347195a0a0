"""Plan 2: rows that are packed once, in an order of their own in every epoch; and its listing."""

import dataclasses
import json

import numpy as np
import pytest

from launch.benchmarks import plan_worker
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import Config, DataConfig, read_config, to_dict
from signllm_jax.core.errors import DataError
from signllm_jax.corpora.digests import listing_digest
from signllm_jax.corpora.listings import read_columns, write_listing
from signllm_jax.data import packing, token_table
from signllm_jax.data.packing import FixedPlan, Packing, plan_rows
from signllm_jax.data.row_packing import GROUP, pack_rows
from signllm_jax.data.token_table import TokenTable
from signllm_jax.text.tokenizer import Tokenizer

LIMITS = 64, 14, 4
COUNT = 900
random = np.random.default_rng(0)
LENGTHS = random.integers(5, 40, COUNT)
TOKENS = random.integers(1, 7, COUNT)


def plan(stratum=0, **changed):
    of_rows = dict(zip(("row_frames", "row_tokens", "row_clips"), LIMITS))
    packed = Packing(**{"seed": 3, "patch": 4, "plan": 2, **of_rows, **changed})
    return plan_rows("asl", LENGTHS, TOKENS, packed, stratum)


def epoch(of, number):
    return [of.row(number * of.first_rows + place) for place in range(of.first_rows)]


@pytest.mark.parametrize("count", [1, 7, GROUP, GROUP + 1, 3 * GROUP - 5])
def test_rows_hold_every_clip_once_and_keep_their_limits(count):
    needs = np.random.default_rng(count).integers(1, 5, (count, 3)).astype(np.int32)
    clips, starts = pack_rows(needs, (10, 9, 4))
    assert sorted(clips) == list(range(count)) and (starts[0], starts[-1]) == (0, count)
    taken = np.add.reduceat(needs[clips], starts[:-1])
    assert (taken <= (10, 9, 4)).all() and (np.diff(starts) > 0).all()


@pytest.mark.parametrize("stratum", [0, 2])
def test_every_clip_comes_once_an_epoch(stratum):
    met = plan(stratum, strata=3)
    for number in (0, 1, 1000):
        clips = [clip for row in epoch(met, number) for clip in row]
        assert sorted(clips) == sorted(met.clips.tolist()) and len(clips) == COUNT // 3


def test_an_epoch_is_a_permutation_of_the_same_rows():
    """Neighbours in a batch of eight rows are others in every epoch, as by chance."""
    met = plan()
    one, other = epoch(met, 0), epoch(met, 1)
    assert sorted(one) == sorted(other) and one != other

    def together(rows):
        batches = [rows[start : start + 8] for start in range(0, len(rows), 8)]
        return {frozenset((a, b)) for batch in batches for a in batch for b in batch if a != b}

    again = len(together(one) & together(other)) / len(together(one))
    assert again < 3 * 7 / len(one)  # by chance seven of the others
    places = np.array([epoch(met, number).index(one[0]) for number in range(40)]) / len(one)
    assert abs(places.mean() - 0.5) < 0.2 and places.std() > 0.2


def test_the_first_rows_of_an_epoch_are_as_all_rows_are():
    """So that no part of an epoch has longer clips, or more of them, than another."""
    met = plan()
    frames = np.array([LENGTHS[list(row)].mean() for row in epoch(met, 5)])
    sizes = np.array([len(row) for row in epoch(met, 5)])
    for values in (frames, sizes):
        half = len(values) // 2
        error = values.std() / np.sqrt(half / 2)
        assert abs(values[:half].mean() - values[half:].mean()) < 3 * error


def test_any_epoch_is_resumed_by_packing_once(monkeypatch):
    packed = []
    monkeypatch.setattr(packing, "pack_rows", lambda *args: packed.append(1) or pack_rows(*args))
    met = plan()
    assert isinstance(met, FixedPlan) and not packed
    far, near = met.row(10**9), met.row(0)
    assert len(packed) == 1
    assert (plan().row(10**9), plan().row(0)) == (far, near) != (plan(seed=4).row(10**9), near)


@pytest.mark.parametrize("number", [1, 2])
def test_strata_that_share_their_numbers_have_the_rows_of_each_alone(number):
    of_rows = dict(zip(("row_frames", "row_tokens", "row_clips"), LIMITS))
    packed = Packing(**of_rows, plan=number, strata=2)
    first = plan_rows("asl", LENGTHS, TOKENS, packed, 0)
    second = plan_rows("asl", LENGTHS, TOKENS, packed, 1, first)
    first.row(0)
    for beside in (None, first):
        alone = plan_rows("asl", LENGTHS, TOKENS, packed, 1, beside)
        assert [alone.row(place) for place in range(200)] == [second.row(p) for p in range(200)]


def test_a_run_from_before_keeps_its_plan(tmp_path):
    before = to_dict(Config())
    del before["data"]["plan"]
    assert read_config(before).data.plan == 1
    run = Workdir(tmp_path / "run")
    run.path.mkdir()
    run.config_file.write_text(json.dumps({"config": before, "languages": ["asl"]}))
    asked = dataclasses.replace(Config(), data=DataConfig(plan=2))
    assert run.check(asked, ("asl",)).data.plan == 1
    assert Workdir(tmp_path / "new").check(asked, ("asl",)).data.plan == 2


def test_the_benchmark_of_plans_starts_and_resumes(tmp_path):
    plan_worker.write_corpus(tmp_path, 400)
    for number, most in ((1, 0.2), (2, 0.1)):
        said = plan_worker.start(tmp_path, number, 3)
        assert said["wall_seconds"] > 0 and 0 < said["padding"] < most


CLIPS = [("a1", "guten Tag", "GUT TAG", 3), ("b", "wie geht's?", "", 5), ("ç3", "über", "ÜBER", 2)]


@pytest.fixture
def listed(tmp_path):
    """The folder of a listing, and what its metadata say."""
    names = "id", "text", "gloss", "pose"
    examples = [dict(zip(names, (*strings, range(n)))) for *strings, n in CLIPS]
    described = {}
    assert list(write_listing(tmp_path, "train", examples, described)) == examples
    return tmp_path, described


def test_a_listing_is_read_as_it_was_written(listed):
    (ids, texts, units, lengths), digest = read_columns(listed[0], "train", listed[1])
    assert ids == [clip[0] for clip in CLIPS] and texts[-1] == "über" and texts != ["über"] * 3
    assert texts[1:] == ["wie geht's?", "über"] and list(units) == [["GUT", "TAG"], [], ["ÜBER"]]
    assert lengths.tolist() == [3, 5, 2] and lengths.dtype == np.int32
    with pytest.raises(IndexError):
        ids[3]
    columns = [list(column) for column in zip(*CLIPS)]
    assert digest == listing_digest(*columns)
    # what was prepared before has the columns in its metadata
    before = dict(zip(("ids", "texts", "glosses", "lengths"), columns))
    same, held = read_columns(listed[0], "train", before)
    assert held == digest and [list(column) for column in same] == [
        list(column) for column in (ids, texts, units, lengths)
    ]


@pytest.mark.parametrize("harm", ["gone", "cut", "fewer", "numbers", "folder"])
def test_a_damaged_listing_is_named(listed, harm):
    folder, described = listed
    file = folder / "train-strings.npy"
    if harm == "gone":
        file.unlink()
    elif harm == "folder":
        file.unlink()
        file.mkdir()
    elif harm == "numbers":
        np.save(folder / "train-lengths.npy", np.ones(3))
    elif harm == "cut":
        file.write_bytes(file.read_bytes()[:-4])
    else:
        described = described | {"clips": 2}
    with pytest.raises(DataError, match="train"):
        read_columns(folder, "train", described)


def test_a_listed_text_that_is_no_text_is_named(listed):
    strings = np.load(listed[0] / "train-strings.npy")
    np.save(listed[0] / "train-strings.npy", np.full_like(strings, 255))
    (_, texts, _, _), _ = read_columns(listed[0], "train", listed[1])
    with pytest.raises(DataError, match="clip 1: its listing is damaged"):
        texts[1]


def test_tokens_are_counted_once_and_made_when_they_are_asked_for(listed, monkeypatch):
    asked = []
    monkeypatch.setattr(token_table, "KEPT_FROM", 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(listed[0] / "cache"))
    (_, texts, _, _), _ = read_columns(listed[0], "train", listed[1])

    class Letters(Tokenizer):
        def __init__(self, model):
            self.model, self.kind, self.language = model, "letters", "gsl"

        def encode(self, text):
            asked.append(text)
            return list(text)

    for model, counted in ((b"one", 3), (b"one", 0), (b"two", 3)):
        asked.clear()
        table = TokenTable(texts, Letters(model))
        assert table.counts.tolist() == [9, 11, 4] and len(asked) == counted
    assert table[2] == list("über") == table[2] and len(asked) == 4
