import dataclasses
import operator
import re
from itertools import chain

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec
from tiny import CONFIG, MODEL, mesh_of

from signllm_jax.aot.collectives import cross_language_bytes
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.errors import TextError
from signllm_jax.data import splits
from signllm_jax.eval import judge
from signllm_jax.inference import pose_decoding
from signllm_jax.inference.text_to_pose import Producer
from signllm_jax.models import mlsf
from signllm_jax.models.text2pose import PHASES, Text2Pose
from signllm_jax.parallel import sharding
from signllm_jax.poses.clip import PoseClip
from signllm_jax.train import groups
from signllm_jax.train.dev import DevSet

pytestmark = pytest.mark.usefixtures("mesh")
TEXT2POSE = Text2Pose(MODEL)
MAX_FRAMES = 20
TEXT = np.array([[5, 6, 7, 0, 0], [9, 8, 7, 6, 5], [0, 0, 0, 0, 0]], np.int32)


@pytest.fixture(scope="module")
def stacked(mesh):
    """The parameters of two languages, the frame head large enough to make clips that move."""
    params = jax.jit(lambda: mlsf.init(MODEL, jax.random.key(0), ("asl", "tsl")))()
    params["frame_head"]["kernel"] = params["frame_head"]["kernel"] * 10
    return params


@pytest.fixture(scope="module")
def params(stacked):
    return jax.tree.map(lambda leaf: leaf[0], stacked)


@jax.jit
def generate(params, text):
    return pose_decoding.generate(TEXT2POSE, params, text, MAX_FRAMES)


def ending_at(params, length):
    """Parameters whose counter runs to 1 in `length` frames, whatever the text."""
    head = jax.tree.map(jnp.zeros_like, params["counter_head"])
    head["bias"] = jnp.arange(1, MODEL.patch + 1) / length
    return params | {"counter_head": head}


def test_cached_decoding_is_teacher_forcing_fed_with_its_own_output(params, monkeypatch):
    monkeypatch.setattr(pose_decoding, "WINDOW", 2)
    assert pose_decoding.windows(MAX_FRAMES // MODEL.patch) == [2, 4, 5]
    text = TEXT[:2]
    params = ending_at(params, 18.2) | {"bias_offset": params["bias_offset"] + 0.3}
    generated = jax.jit(lambda params: pose_decoding.generate(TEXT2POSE, params, text, MAX_FRAMES))(
        params
    )
    frames, length = generated.frames, generated.length
    assert length.tolist() == [18, 18]
    patches = MAX_FRAMES // MODEL.patch
    shape = (2, patches, MODEL.patch * (MODEL.frame_size - 1))
    history, counter = np.zeros(shape, np.float32), np.zeros(shape[:2], np.float32)

    @jax.jit
    def forward(history, counter):
        segment = jnp.ones(shape[:2], jnp.int32)
        words = (text > 0).astype(np.int32)
        return TEXT2POSE.apply({"params": params}, text, words, history, counter, segment)

    for patch in range(patches):
        made, reached, seen = forward(history, counter)
        part = slice(patch * MODEL.patch, (patch + 1) * MODEL.patch)
        kept = np.arange(MAX_FRAMES)[part] < 18
        np.testing.assert_allclose(frames[:, part][:, kept], made[:, part][:, kept], atol=1e-4)
        np.testing.assert_array_equal(generated.seen[:, part], kept[:, None] & (seen[:, part] > 0))
        if patch + 1 < patches:
            shown = np.repeat(seen[:, part] > 0, 3, axis=-1)
            history[:, patch + 1] = (made[:, part] * shown).reshape(2, -1)
            counter[:, patch + 1] = reached[:, part.stop - 1]
    assert np.abs(frames[:, 4:8] - frames[:, 8:12]).max() > 0.01  # the history matters
    assert not frames[:, 18:].any()


def test_a_hand_that_is_not_shown_is_not_fed_back(params):
    """In training a hidden joint is 0, so what the head says of it must not reach the decoder."""
    hidden = np.isin(np.arange(MODEL.frame_size - 1) // 3, range(8, 29))
    logit = jnp.where(jnp.tile(hidden[::3], MODEL.patch), -9.0, 9.0)
    seen = {"kernel": jnp.zeros_like(params["seen_head"]["kernel"]), "bias": logit}
    params = ending_at(params, 18) | {"seen_head": seen}
    planted = jnp.tile(jnp.where(hidden, 50.0, 0.0), MODEL.patch)
    head = params["frame_head"] | {"bias": params["frame_head"]["bias"] + planted}
    made, other = generate(params, TEXT), generate(params | {"frame_head": head}, TEXT)
    assert np.abs(other.frames - made.frames)[:2, :18, hidden].min() > 40
    np.testing.assert_allclose(other.frames[..., ~hidden], made.frames[..., ~hidden], atol=1e-5)
    assert not made.seen[..., hidden[::3]].any() and made.seen[:2, :18, ~hidden[::3]].all()


@pytest.mark.parametrize(("counted", "length"), [(10, 10), (10.4, 10), (10.6, 11), (3, 3), (1, 1)])
def test_a_clip_ends_at_the_frame_whose_counter_is_nearest_to_one(params, counted, length):
    frames, found, ended, _ = generate(ending_at(params, counted), TEXT)
    assert found.tolist() == [length, length, 0]
    assert ended.tolist() == [True, True, False]
    assert frames[:2, :length].any(-1).all() and not frames[:, length:].any()


def test_a_clip_whose_counter_never_arrives_is_cut_off_and_says_so(params):
    _, length, ended, _ = generate(ending_at(params, 500), TEXT)
    assert length.tolist() == [MAX_FRAMES, MAX_FRAMES, 0] and not ended.any()


def test_by_the_token_clock_a_clip_lasts_as_long_as_its_text_has_tokens(params):
    """The same head, which says that a frame passes a quarter of a token."""
    clocked = dataclasses.replace(MODEL, token_clock=True)
    kernel = 0.1 * jax.random.normal(jax.random.key(1), (2 * PHASES, MODEL.width))
    timed = ending_at(params, 4) | {"frame_phase": {"kernel": kernel, "bias": jnp.zeros(32)}}
    text = np.array([[5, 6, 0, 0, 0], [5, 6, 7, 0, 0], [9, 8, 7, 6, 5]], np.int32)
    made = jax.jit(lambda p: pose_decoding.generate(Text2Pose(clocked), p, text, MAX_FRAMES))(timed)
    assert made.length.tolist() == [8, 12, 20] and made.ended.all()
    plain = generate(ending_at(params, 4), text)
    assert plain.length.tolist() == [4, 4, 4]


def test_lanes_that_are_decoded_together_make_what_each_makes_alone(stacked, mesh):
    """And as fast: no cache is copied in a step."""
    text, frames = np.stack([TEXT, TEXT[::-1]]), MAX_FRAMES + MODEL.patch
    options = pose_decoding.compiler_options(mesh)
    made = jax.jit(
        lambda params: pose_decoding.generate_lanes(TEXT2POSE, params, text, frames),
        compiler_options=options,
    )
    single = jax.jit(generate, compiler_options=options)
    together = made(stacked)
    for lane in range(2):
        alone = single(jax.tree.map(operator.itemgetter(lane), stacked), text[lane])
        np.testing.assert_allclose(together.frames[lane, :, :MAX_FRAMES], alone.frames, atol=1e-5)
        assert np.minimum(together.length[lane], MAX_FRAMES).tolist() == alone.length.tolist()
    cache = f"f32[2,3,{MODEL.heads},{frames // MODEL.patch},{MODEL.width // MODEL.heads}]"
    hlo = made.lower(stacked).compile().as_text()
    assert cache in hlo
    body = hlo[: hlo.index("ENTRY")]
    assert not re.search(rf"= {re.escape(cache)}\S* copy\(", body)


def test_languages_on_devices_of_their_own_stop_by_themselves_and_make_the_same(stacked):
    """One ends after 4 frames, one never; nothing is told between them."""
    text = np.stack([TEXT, TEXT[::-1]])
    ends = [
        ending_at(jax.tree.map(operator.itemgetter(i), stacked), n) for i, n in ((0, 4), (1, 99))
    ]
    params = jax.tree.map(lambda *leaves: jnp.stack(leaves), *ends)

    def generate(params):
        return pose_decoding.generate_lanes(TEXT2POSE, params, text, MAX_FRAMES)

    together = jax.jit(generate)(params)
    spread = mesh_of(2, 1, 4, 1)
    own = NamedSharding(spread, PartitionSpec("language"))
    with sharding.use_mesh(spread):
        made = jax.jit(generate, out_shardings=own).lower(jax.device_put(params, own)).compile()
        apart = made(jax.device_put(params, own))
    assert cross_language_bytes(made.as_text(), spread, default_trips=1) == 0
    assert together.length.tolist() == [[4, 4, 0], [0, MAX_FRAMES, MAX_FRAMES]]
    for one, other in zip(together, apart):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=2e-5)


def test_a_clip_does_not_depend_on_the_texts_decoded_with_it(params):
    params = ending_at(params, 14)
    together = generate(params, TEXT).frames
    swapped = generate(params, TEXT[[1, 2, 0]]).frames
    np.testing.assert_allclose(swapped[0], together[1], atol=1e-6)
    np.testing.assert_allclose(swapped[2], together[0], atol=1e-6)


@pytest.fixture(scope="module")
def config(data_dir):
    data = dataclasses.replace(CONFIG.data, data_dir=data_dir, languages=("asl", "tsl"))
    return dataclasses.replace(
        CONFIG,
        data=data,
        eval=dataclasses.replace(CONFIG.eval, clips=3, max_frames=MAX_FRAMES, batch_size=2),
    )


@pytest.fixture(scope="module")
def held(config, tmp_path_factory):
    return groups.open_groups(config, ("asl", "tsl"), Workdir(tmp_path_factory.mktemp("run")))


def producer(held, mesh, batch_size=2):
    return Producer(held, mesh, batch_size)


def test_producing_is_deterministic_and_keeps_the_order_of_the_texts(held, mesh, stacked):
    produce = producer(held, mesh)
    texts = [["bad", "cab", "face"], ["kedi"]]
    first, again = produce(stacked, texts), producer(held, mesh)(stacked, texts)
    assert [len(clips) for clips in first] == [3, 1]
    for (clip, ended), (other, other_ended) in zip(chain(*first), chain(*again), strict=True):
        np.testing.assert_array_equal(clip.positions, other.positions)
        assert ended == other_ended and len(clip) > 0
    alone = produce(stacked, [["face"], []])
    np.testing.assert_allclose(alone[0][0][0].positions, first[0][2][0].positions, atol=1e-5)
    assert not np.array_equal(first[0][0][0].positions, first[0][1][0].positions)


def test_a_text_that_is_too_long_is_refused(held, mesh, stacked):
    with pytest.raises(TextError, match="13 tokens, the model reads at most 12"):
        producer(held, mesh)(stacked, [["abcabcabcabca"], []])


def test_a_joint_that_was_never_seen_is_produced_without_confidence(held, mesh, stacked):
    clip, _ = producer(held, mesh)(stacked, [["bad"], []])[0][0]
    shown = held[0].statistics.seen > 0
    assert not clip.confidence[:, ~shown].any() and 0 < shown.sum() < 50
    assert clip.fps == held[0].statistics.fps


def test_no_reference_leaks_into_what_is_produced(config, held, mesh, stacked, monkeypatch):
    """Dev clips swapped for noise of other lengths change the scores and no produced number."""
    scored = []

    def recorded(references, produced, metrics, score=judge.score_clips):
        scored.append(produced)
        return score(references, produced, metrics)

    monkeypatch.setattr(judge, "score_clips", recorded)

    def evaluate():
        evaluated = DevSet(config, ("asl", "tsl"), held, mesh)
        scored.clear()
        scores = evaluated.score(stacked)
        return scores, [clip.positions for produced in scored for clip in produced]

    scores, clips = evaluate()
    random = np.random.default_rng(0)

    def noise(self, index):
        frames = 7 + index
        return PoseClip(
            random.normal(size=(frames, 50, 3)).astype(np.float32),
            np.ones((frames, 50), np.float32),
            25.0,
        )

    monkeypatch.setattr(splits.Source, "clip", noise)
    monkeypatch.setattr(splits.Source, "__getitem__", None)
    noisy_scores, noisy_clips = evaluate()
    assert len(clips) == len(noisy_clips) == 6
    for clip, noisy in zip(clips, noisy_clips):
        np.testing.assert_array_equal(clip, noisy)
    assert scores["asl"]["dtw"] != noisy_scores["asl"]["dtw"]


@pytest.mark.parametrize("takes", [True, False])
def test_a_mean_pose_offered_as_the_best_parameters_is_not_taken(config, held, mesh, takes):
    """Whether texts have several takes or one, what moves as the real clips do is better."""
    dev = DevSet(config, ("asl", "tsl"), held, mesh)
    texts, clips = dev._texts[0], dev._clips[0]
    judged = judge.Judge(
        [texts[0]] * len(texts) if takes else texts, clips, held[0].statistics.mean_pose
    )
    pose, other = judged(judged.still), judged(clips[1:] + clips[:1])
    assert ("frechet_mean_pose_ratio" in pose) == takes
    assert pose["score"] == pytest.approx(2, abs=0.01)
    assert pose["hand_travel_ratio"] < 1e-6 < other["hand_travel_ratio"]
    assert other["score"] < pose["score"]
