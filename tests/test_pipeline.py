import collections
import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from signllm_jax.core.errors import DataError
from signllm_jax.data.batches import TrainData, iterate
from signllm_jax.data.packing import Packing, RowPlan
from signllm_jax.poses.features import collect_statistics
from signllm_jax.text.tokenizer import train_tokenizer

LIMITS = {"row_frames": 64, "row_tokens": 14, "row_clips": 4}
PATCH = 4
random = np.random.default_rng(0)
LENGTHS = random.integers(9, 40, 60)
TOKENS = random.integers(2, 7, 60)


def plan(language="asl", lengths=LENGTHS, tokens=TOKENS, **changed):
    packing = Packing(**{"seed": 3, "patch": PATCH, **LIMITS, **changed})
    return RowPlan(language, lengths, tokens, packing)


def rows(of, count=80):
    return [of.row(index) for index in range(count)]


class Clips:
    """A train split in memory: words with clips that know who they are."""

    words = ("bad", "cafe", "dad", "face", "bed", "ace", "fade", "deaf", "cab", "abc", "fed", "ad")

    def __init__(self, language):
        self.language, self.texts = language, list(self.words)
        self.lengths = np.array([9 + 3 * len(word) + i % 5 for i, word in enumerate(self.words)])
        self.random = np.random.default_rng(len(language))
        self.poses = [self.random.normal(size=(n, 50, 3)) for n in self.lengths]
        self.read = 0

    def __len__(self):
        return len(self.texts)

    def __getitem__(self, index):
        self.read += 1
        seen = np.ones(self.poses[index].shape[:2])
        seen[:, 9] = 0
        signer = f"signer {index % 3}"
        return {"pose": self.poses[index], "confidence": seen, "fps": 25.0, "signer": signer}


def train_data(languages=("asl", "gsl", "tsl"), **changed):
    sources = [Clips(code) for code in languages]
    tokenizers = [
        train_tokenizer(source.texts, "abcdef", "letters", 64, source.language)
        for source in sources
    ]
    statistics = [collect_statistics(map(s.__getitem__, range(12)), "openpose50") for s in sources]
    of_rows = {name: changed.pop(name) for name in {*changed} & Packing.__annotations__.keys()}
    packing = Packing(**{"batch_size": 2, "seed": 1, "patch": PATCH, **LIMITS, **of_rows})
    options = {"cache_mb": 8, **changed}
    data = TrainData(sources, tokenizers, statistics, packing, **options)
    return SimpleNamespace(data=data, sources=sources, tokenizers=tokenizers, statistics=statistics)


def assert_same(one, other):
    for name, a, b in zip(one._fields, one, other):
        np.testing.assert_array_equal(a, b, err_msg=name)


def test_the_plan_is_a_function_of_seed_and_lengths_alone():
    assert rows(plan()) == rows(plan())
    assert rows(plan()) != rows(plan(seed=4))
    assert rows(plan("gsl")) != rows(plan("asl"))


def test_rows_may_be_asked_for_in_any_order():
    forward, backward = rows(plan()), plan()
    assert [backward.row(i) for i in reversed(range(80))] == forward[::-1]


def test_every_clip_comes_once_an_epoch_and_epochs_differ():
    met = plan()
    index, epochs = 0, []
    for _ in range(3):
        epoch = []
        while len(epoch) < len(LENGTHS):
            epoch.extend(met.row(index))
            index += 1
        assert sorted(epoch) == list(range(len(LENGTHS)))
        epochs.append(tuple(epoch))
    assert len(set(epochs)) == 3


def test_no_row_is_over_its_limits_and_rows_are_well_filled():
    filled = []
    for row in rows(plan()):
        starts = [-(-LENGTHS[clip] // PATCH) * PATCH for clip in row]
        assert 0 < len(row) <= LIMITS["row_clips"]
        assert sum(starts) <= LIMITS["row_frames"]
        assert sum(TOKENS[clip] for clip in row) <= LIMITS["row_tokens"]
        filled.append(sum(starts) / LIMITS["row_frames"])
    assert np.mean(filled) > 0.75
    assert any(len(row) > 1 for row in rows(plan()))


def test_clips_that_fit_no_row_are_left_out_and_listed():
    lengths, tokens = LENGTHS.copy(), TOKENS.copy()
    lengths[5], tokens[7], tokens[9], lengths[11] = 65, 15, 0, 64
    met = plan(lengths=lengths, tokens=tokens)
    assert met.left_out == [5, 7, 9]
    assert {clip for row in rows(met, 400) for clip in row} == set(range(60)) - {5, 7, 9}


def test_a_corpus_of_which_no_clip_fits_is_refused_by_name():
    with pytest.raises(DataError, match=r"gsl: none of 2 .*config\.data\.row_frames"):
        plan("gsl", lengths=[65, 80], tokens=[3, 3])


def test_fewer_clips_than_strata_are_an_error():
    with pytest.raises(DataError, match=r"asl: 2 train clips for config\.rl\.strata = 4"):
        RowPlan("asl", [8, 8], [2, 2], Packing(patch=PATCH, **LIMITS, strata=4), 1)


def test_a_batch_holds_its_rows_clips_frame_by_frame():
    made = train_data()
    batch = made.data.batch(3, [0, 1, 2], [0, 1])
    assert batch.frames.shape == (3, 2, 64, 151) and batch.text.shape == (3, 2, 14)
    for language, row in itertools.product(range(3), range(2)):
        planned = made.data.plans[language][0].row(3 * 2 + row)
        example = batch.example[language, row]
        assert example.tolist() == [*planned, *[-1] * (4 - len(planned))]
        covered = np.zeros(64, bool)
        for number, clip in enumerate(planned):
            of = batch.segment[language, row] == number + 1
            place = np.flatnonzero(of)
            length = made.sources[language].lengths[clip]
            assert len(place) == length and place[0] % PATCH == 0 and np.ptp(place) == length - 1
            assert batch.position[language, row, of].tolist() == list(range(1, length + 1))
            frames = batch.frames[language, row, of]
            np.testing.assert_allclose(frames[:, -1], np.arange(1, length + 1) / length, rtol=1e-6)
            statistics = made.statistics[language]
            values = frames[:, :3] * statistics.deviation[0] + statistics.mean[0]
            pose = made.sources[language].poses[clip]
            np.testing.assert_allclose(values, pose[:, 0] - pose[:, 1], atol=1e-5)
            text = batch.text[language, row, batch.text_segment[language, row] == number + 1]
            assert made.tokenizers[language].decode(text) == Clips.words[clip]
            covered |= of
        assert not batch.joint_mask[language, row, :, 9].any()
        assert batch.joint_mask[language, row, covered, 0].all()
        for name in ("frames", "joint_mask", "position"):
            assert not getattr(batch, name)[language, row, ~covered].any(), name


def test_resuming_at_a_step_gives_the_batches_of_that_step():
    block = ([0, 1, 2], [0, 1])
    whole = list(iterate(train_data().data, 0, 9, block, threads=2, prefetch=4))
    resumed = list(iterate(train_data().data, 6, 9, block, threads=1, prefetch=1))
    assert (len(whole), len(resumed)) == (9, 3)
    for one, other in zip(whole[6:], resumed):
        assert_same(one, other)
    for step, batch in enumerate(whole):
        assert_same(batch, train_data().data.batch(step, *block))


def test_a_language_alone_gets_the_rows_it_gets_among_others_in_any_order():
    among = train_data(("asl", "gsl", "tsl")).data
    turned = train_data(("tsl", "asl", "gsl")).data
    alone = train_data(("asl",)).data
    for step in range(8):
        expected = alone.batch(step, [0], [0, 1])
        assert_same(among.batch(step, [0], [0, 1]), expected)
        assert_same(turned.batch(step, [1], [0, 1]), expected)


def glosses():
    """Two to five ids a clip, one list a language."""
    return [[[2 + i % 7] * (2 + i % 4) for i in range(12)] for _ in range(3)]


def test_hosts_together_load_what_one_host_loads():
    made = train_data(glosses=glosses(), row_glosses=5)
    whole = made.data.batch(2, [0, 1, 2], [0, 1])
    for language, row in itertools.product(range(3), range(2)):
        part = made.data.batch(2, [language], [row])
        assert whole.prompts is part.prompts is None
        for name, a, b in zip(whole._fields[:-2], whole, part):
            np.testing.assert_array_equal(a[language, row], b[0, 0], err_msg=name)


def test_each_clip_has_its_gloss_and_one_with_too_many_has_none():
    batch = train_data(glosses=glosses(), row_glosses=4).data.batch(0, [0, 1, 2], [0, 1])
    assert batch.gloss.shape == (3, 2, LIMITS["row_clips"], 4)
    lengths = set()
    for own, clip in zip(batch.gloss.reshape(-1, 4), batch.example.ravel()):
        ids = glosses()[0][clip] if clip >= 0 else []
        lengths.add(len(ids))
        assert own[own > 0].tolist() == (ids if len(ids) <= 4 else [])
    assert lengths >= {0, 2, 5}
    assert train_data().data.batch(0, [0], [0]).gloss is None


@pytest.mark.parametrize(("group", "count"), [("text", 12), ("signer", 3)])
def test_each_clip_has_the_number_of_its_text_or_signer(group, count):
    made = train_data(group=group)
    found = collections.defaultdict(set)
    for step in range(8):
        batch = made.data.batch(step, [0, 2], [0, 1])
        assert batch.group.shape == batch.example.shape and batch.group.dtype == np.int32
        np.testing.assert_array_equal(batch.group >= 0, batch.example >= 0)
        for clip, number in zip(batch.example.ravel(), batch.group.ravel()):
            found[int(clip)].add(int(number))
    numbers = [number for clip, (number,) in found.items() if clip >= 0]
    assert len(numbers) == 12 and len(set(numbers)) == count
    assert found[1] == found[4] or group == "text"
    assert train_data().data.batch(0, [0], [0]).group is None


def test_the_cache_changes_no_batch_and_keeps_to_its_size():
    cached, bare = train_data(), train_data(cache_mb=0)
    for step in range(12):
        assert_same(cached.data.batch(step, [0], [0, 1]), bare.data.batch(step, [0], [0, 1]))
    assert cached.sources[0].read < bare.sources[0].read
    used = collections.Counter(c for i in range(24) for c in bare.data.plans[0][0].row(i))
    assert bare.sources[0].read == used.total() + 12  # and 12 for the statistics
