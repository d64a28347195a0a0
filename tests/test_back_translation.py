"""The reader of poses: it reads what is signed, only that, and the same for a seed."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from signllm_jax.core.errors import CheckpointError
from signllm_jax.corpora import fingerspelling
from signllm_jax.data.splits import open_split
from signllm_jax.eval.back_translate import (
    Reader,
    ReaderConfig,
    _initial,
    load_reader,
    save_reader,
    train_reader,
)
from signllm_jax.eval.reader_clips import Distortion, ReaderClips
from signllm_jax.metrics.pairs import held
from signllm_jax.metrics.text_metrics import cer
from signllm_jax.models.back_translation import PoseReader, greedy
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.features import collect_statistics
from signllm_jax.text.tokenizer import train_tokenizer

TINY = ReaderConfig(steps=3, batch_size=2, width=8)


def _parts(languages):
    sources = [open_split("fingerspelling", code, "train") for code in languages]
    tokenizers = [
        train_tokenizer(s.texts, [u for w in s.units for u in w], "letters", 128, s.language)
        for s in sources
    ]
    statistics = [collect_statistics((s[i] for i in range(len(s))), "openpose50") for s in sources]
    return sources, tokenizers, statistics


def _clips(language, split="test"):
    source = open_split("fingerspelling", language, split)
    return [source.clip(i) for i in range(len(source))], source.texts


@pytest.fixture(scope="module")
def turkish():
    return _parts(["tsl"])


@pytest.fixture(scope="module")
def reader(turkish):
    """TSL is the hardest: two hands, and the one that a letter does not use is not seen."""
    return train_reader(*turkish, ReaderConfig(steps=220))


def test_the_best_path_merges_repeats_and_drops_blanks():
    path = [0, 3, 3, 0, 3, 5, 5, 0, 7]
    logits = np.eye(8)[[path, path]]
    padding = np.zeros((2, 9))
    padding[1, 4:] = 1
    assert greedy(logits, padding) == [[3, 3, 5, 7], [3]]
    assert greedy(np.zeros((1, 4, 8)), np.ones((1, 4))) == [[]]


def _network():
    module = PoseReader(vocab=12, width=16)
    params = _initial(module, 6, np.random.default_rng(1))
    return jax.jit(lambda *parts: module.apply({"params": params}, *parts))


def test_padding_changes_nothing():
    random = np.random.default_rng(0)
    frames = random.standard_normal((2, 32, 6)).astype(np.float32)
    length = np.array([32, 21])
    network = _network()
    logits, padding = network(frames, length)
    wider = np.pad(frames, ((0, 0), (0, 32), (0, 0)), constant_values=9.0)
    wider[1, 21:] = -7.0
    again, wider_padding = network(wider, length)
    for row, steps in enumerate((8, 6)):
        np.testing.assert_allclose(again[row, :steps], logits[row, :steps], atol=1e-5)
    assert padding.sum(1).tolist() == [0, 2]
    assert wider_padding.sum(1).tolist() == [8, 10]


def test_a_step_sees_twenty_frames_and_no_more():
    frames = jnp.ones((1, 64, 6))
    length = np.array([64])
    network = _network()
    seen = jax.jit(jax.grad(lambda x: jnp.square(network(x, length)[0][0, 8]).sum()))(frames)
    places = np.flatnonzero(np.abs(seen[0]).sum(-1))
    assert (places.min(), places.max()) == (32 - 8, 32 + 11)


def test_training_clips_are_the_same_for_a_seed_and_fit_their_frames(turkish):
    (source,), (tokenizer,), (statistics,) = turkish
    clips = ReaderClips(source, tokenizer, statistics, 20, 112, Distortion())
    draw = [
        clips.batch(np.random.default_rng(seed), 16, clips.frames, clips.tokens)
        for seed in (4, 4, 5)
    ]
    for first, second in zip(draw[0], draw[1]):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(draw[0][0], draw[2][0])
    assert (draw[0][1] <= clips.frames).all()


def test_an_unseen_joint_is_shown_in_some_training_clips_and_missing_in_others(turkish):
    (source,), (tokenizer,), (statistics,) = turkish
    clips = ReaderClips(source, tokenizer, statistics, 20, 112, Distortion(0, 0, 0, 1.0))
    ends_right = next(i for i in range(20) if not source[i]["confidence"][-1, 8:29].any())
    shown = [
        np.abs(clips._distorted(ends_right, 3, np.random.default_rng(s))[-1, 24:87]).max() > 0
        for s in range(30)
    ]
    assert 10 <= sum(shown) <= 28


def test_it_reads_real_words_that_it_never_saw(reader):
    clips, texts = _clips("tsl")
    assert cer(reader.read(0, clips), texts) <= 0.03


def test_it_reads_by_the_hand_that_signs_when_the_other_shows_something(reader):
    clips, texts = _clips("tsl")
    shown = [dataclasses.replace(c, confidence=np.ones_like(c.confidence)) for c in clips]
    assert cer(reader.read(0, shown), texts) <= 0.06


def test_it_reads_nothing_from_a_mean_pose_and_little_from_lifeless_hands(reader):
    clips, texts = _clips("tsl")
    statistics = reader.statistics[0]
    still = [held(statistics.mean_pose, clip) for clip in clips]
    assert cer(reader.read(0, still), texts) >= 0.9
    lifeless = []
    for clip in clips:
        positions = clip.positions.copy()
        for wrist, hand in ((7, slice(8, 29)), (4, slice(29, 50))):
            positions[:, hand] = positions[:, [wrist]] + statistics.mean[hand]
        lifeless.append(dataclasses.replace(clip, positions=positions))
    assert cer(reader.read(0, lifeless), texts) >= 0.4


def test_it_forgives_small_errors(reader):
    clips, texts = _clips("tsl")
    random = np.random.default_rng(0)
    scale = 0.25 * reader.statistics[0].deviation[:, None]
    rough = [
        PoseClip(
            (c.positions + scale * random.standard_normal(c.positions.shape)).astype(np.float32),
            c.confidence,
            c.fps,
        )
        for c in clips
    ]
    assert cer(reader.read(0, rough), texts) <= 0.06


def test_a_clip_without_frames_or_joints_reads_as_nothing_much(reader):
    empty = PoseClip(np.zeros((0, 50, 3), np.float32), np.zeros((0, 50), np.float32), 25.0)
    missing = PoseClip(np.zeros((40, 50, 3), np.float32), np.zeros((40, 50), np.float32), 25.0)
    one = fingerspelling.spelled_clip("at", "tsl")
    texts = reader.read(0, [empty, missing, one])
    assert texts[0] == "" and texts[2] == "at"
    assert reader.read(0, []) == []


@pytest.mark.slow
def test_the_order_of_languages_changes_nothing():
    both = _parts(["asl", "tsl"])
    first = train_reader(*both, TINY)
    second = train_reader(*(part[::-1] for part in both), TINY)
    for a, b in zip(jax.tree.leaves(first.params), jax.tree.leaves(second.params)):
        np.testing.assert_allclose(a, b[::-1], atol=1e-5)


def test_a_saved_reader_is_found_again_only_for_what_it_was_trained_on(reader, turkish, tmp_path):
    _, tokenizers, statistics = turkish
    save_reader(tmp_path, reader)
    again = load_reader(tmp_path, ["tsl"], tokenizers, statistics, reader.config)
    assert isinstance(again, Reader)
    clips, _ = _clips("tsl")
    assert again.read(0, clips[:5]) == reader.read(0, clips[:5])
    other_seed = dataclasses.replace(reader.config, seed=1)
    assert load_reader(tmp_path, ["tsl"], tokenizers, statistics, other_seed) is None
    moved = [dataclasses.replace(statistics[0], mean=statistics[0].mean + 1)]
    assert load_reader(tmp_path, ["tsl"], tokenizers, moved, reader.config) is None
    assert load_reader(tmp_path / "no", ["tsl"], tokenizers, statistics, reader.config) is None
    damaged = bytearray((tmp_path / "params.msgpack").read_bytes())
    damaged[-9] ^= 1
    (tmp_path / "params.msgpack").write_bytes(damaged)
    with pytest.raises(CheckpointError, match="delete it"):
        load_reader(tmp_path, ["tsl"], tokenizers, statistics, reader.config)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_at_most_one_percent_of_real_test_letters_are_misread(seed):
    languages = ("asl", "gsl", "dsgs", "tsl")
    reader = train_reader(*_parts(languages), ReaderConfig(seed=seed))
    read, texts = [], []
    for place, code in enumerate(languages):
        clips, words = _clips(code)
        read += reader.read(place, clips)
        texts += words
    assert cer(read, texts) <= 0.01
