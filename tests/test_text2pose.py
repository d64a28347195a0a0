import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from tiny import CONFIG, packed_batch

from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.core.typing import Batch, Prediction
from signllm_jax.models import mlsf
from signllm_jax.models.history import teacher_forcing
from signllm_jax.models.layers.embed import segment_positions
from signllm_jax.models.losses import joint_weights, pose_losses
from signllm_jax.models.smoothing import smoothed_tracks
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.smooth import smoothed

pytestmark = pytest.mark.usefixtures("mesh")
MODEL = dataclasses.replace(tiny.MODEL, head=40)
TEXT2POSE = Text2Pose(MODEL)
WEIGHTS = joint_weights(OPENPOSE50, hand=2.0, wrist=3.0)


@pytest.fixture(scope="module")
def fresh(mesh):
    """The initial parameters of asl alone, [1, ...]."""
    return jax.jit(lambda: mlsf.init(MODEL, jax.random.key(0), ("asl",)))()


@pytest.fixture(scope="module")
def params(fresh):
    """Of one language, with every bias and slope moved off its initial value."""
    random = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: leaf[0] + 0.1 * random.normal(size=leaf.shape[1:]), fresh)


def asl(**options) -> Batch:
    return jax.tree.map(lambda field: field[0], packed_batch(("asl",), **options))


def apply(params, batch, history, counter, segment):
    return TEXT2POSE.apply(
        {"params": params}, batch.text, batch.text_segment, history, counter, segment
    )


@jax.jit
def predict(params, batch):
    """The teacher-forced Prediction of a batch, and its losses."""
    given = teacher_forcing(batch.frames, batch.segment, MODEL.patch)
    predicted = apply(params, batch, *given)
    args = (batch.frames, batch.joint_mask, batch.segment)
    return predicted, pose_losses(*args, predicted, WEIGHTS, CONFIG.loss)


def unpacked(batch, padding=0):
    """The same clips, one a row, with `padding` more frames and tokens at the end of each."""
    rows = []
    for r in range(len(batch.text)):
        for clip in range(1, batch.segment[r].max() + 1):
            token, frame = batch.text_segment[r] == clip, batch.segment[r] == clip
            fields = [batch.text[r][token], batch.text_segment[r][token] > 0]
            fields += [field[r][frame] for field in batch[2:4]]
            fields += [batch.segment[r][frame] > 0, batch.position[r][frame]]
            sizes = (batch.text.shape[1] + padding,) * 2 + (batch.frames.shape[1] + padding,) * 4
            rows.append([pad(field, size) for field, size in zip(fields, sizes)])
            rows[-1].append(np.array([clip]))
    fields = [np.stack(field) for field in zip(*rows)]
    types = [np.int32, np.int32, np.float32, bool, np.int32, np.int32, np.int32]
    return Batch(*(field.astype(kind) for field, kind in zip(fields, types)))


def pad(field, size):
    return np.pad(field, [(0, size - len(field))] + [(0, 0)] * (field.ndim - 1))


def test_teacher_forcing_shows_the_patch_before_within_the_clip():
    batch = asl(rows=2)
    history, counter, segment = teacher_forcing(batch.frames, batch.segment, MODEL.patch)
    place = segment_positions(segment)[0]
    for row, n in np.ndindex(segment.shape):
        before = batch.frames[row, (n - 1) * 4 : n * 4]
        if segment[row, n] > 0 and place[row, n] > 0:
            np.testing.assert_array_equal(history[row, n], before[:, :-1].reshape(-1))
            assert counter[row, n] == before[-1, -1]
        else:
            assert not history[row, n].any() and counter[row, n] == 0


def test_a_prediction_depends_on_its_clips_earlier_patches_and_on_nothing_else(params):
    batch = asl(rows=2)
    history, counter, segment = teacher_forcing(batch.frames, batch.segment, MODEL.patch)
    rows, patches = segment.shape
    size = MODEL.frame_size + (MODEL.frame_size - 1) // 3
    weights = np.random.default_rng(0).normal(size=(rows, patches, 4, size))

    def of_each_patch(history, counter):
        made = apply(params, batch, history, counter, segment)
        numbers = jnp.concatenate([made.frames, made.counter[..., None], made.seen], -1)
        return (numbers.reshape(weights.shape) * weights).sum((-1, -2))

    by_history, by_counter = jax.jit(jax.jacrev(of_each_patch, (0, 1)))(history, counter)
    row, patch = np.indices((rows, patches))
    same_row = row[..., None, None] == row
    earlier = patch[..., None, None] >= patch
    same_clip = (segment[..., None, None] == segment) & (segment > 0)
    may = same_row & earlier & same_clip
    depends = np.abs(by_history).sum(-1) > 0
    # what is predicted on padding is thrown away
    np.testing.assert_array_equal(depends[segment > 0], may[segment > 0])
    np.testing.assert_array_equal((np.asarray(by_counter) != 0)[segment > 0], may[segment > 0])
    assert 0 < may.sum() < may.size / 4


def test_a_prediction_does_not_depend_on_other_clips_text_or_on_padding(params):
    batch = asl(rows=2)
    made, _ = predict(params, batch)
    other = batch.text.copy()
    other[batch.text_segment != 1] = 9
    changed, _ = predict(params, batch._replace(text=other))
    own = batch.segment == 1
    for before, after in zip(made, changed):
        np.testing.assert_array_equal(after[own], before[own])
    assert np.abs(changed.frames - made.frames)[batch.segment == 2].max() > 1e-3


def test_packing_and_padding_change_no_prediction_and_no_loss(params):
    batch = asl(rows=4)
    made, losses = predict(params, batch)
    for padding in (0, 8):
        alone = unpacked(batch, padding)
        assert len(alone.text) == 10  # two or three clips in each of four rows
        alone_made, alone_losses = predict(params, alone)
        # both orders are: row by row, clip by clip, frame by frame
        real, alone_real = batch.segment > 0, alone.segment > 0
        for packed, found in zip(made, alone_made):
            np.testing.assert_allclose(found[alone_real], packed[real], rtol=0, atol=1e-5)
        for name, loss in losses.items():
            np.testing.assert_allclose(alone_losses[name], loss, rtol=1e-6, err_msg=name)


def test_padding_and_missing_joints_do_not_count_in_the_loss(params):
    batch = asl(rows=2)
    made = jax.device_get(predict(params, batch)[0])
    spoilt = jax.tree.map(np.copy, made)
    spoilt.frames.reshape(*made.frames.shape[:2], -1, 3)[~batch.joint_mask] = 1e3
    spoilt.counter[batch.segment == 0] = 1e3
    spoilt.seen[batch.segment == 0] = 1e3
    args = (batch.frames, batch.joint_mask, batch.segment)
    losses = pose_losses(*args, made, WEIGHTS, CONFIG.loss)
    assert pose_losses(*args, spoilt, WEIGHTS, CONFIG.loss) == losses


def test_the_loss_is_the_one_worked_out_by_hand():
    """One clip of two frames, then one frame of another, then padding; one joint is seen."""
    frames, predicted = np.zeros((1, 4, 151), np.float32), np.zeros((1, 4, 150), np.float32)
    mask = np.zeros((1, 4, 50), bool)
    mask[0, :, 3] = True
    predicted[0, :, 9:12] = np.array([[3, 0, 0], [0, 6, 0], [9, 9, 9], [7, 7, 7]])
    frames[0, :, -1] = [0.5, 1, 1, 5]
    counter = np.array([[0.5, 0.9, 0.8, 0]], np.float32)
    logits = np.where(mask, 2, -1).astype(np.float32)
    logits[0, 3] = 50  # padding
    made = Prediction(predicted, counter, logits)
    config = dataclasses.replace(CONFIG.loss, velocity=2.0, counter=3.0, seen=4.0)
    found = pose_losses(frames, mask, np.array([[1, 1, 2, 0]]), made, np.ones(50), config)
    frame, velocity = (3 + 12 + 81) / 3, (9 + 36) / 3
    error = (0.1**2 + 0.2**2) / 3
    np.testing.assert_allclose(found["frame"], frame, rtol=1e-6)
    np.testing.assert_allclose(found["velocity"], velocity, rtol=1e-6)
    np.testing.assert_allclose(found["counter"], error, rtol=1e-5)
    seen = (np.log1p(np.exp(-2)) + 49 * np.log1p(np.exp(-1))) / 50
    np.testing.assert_allclose(found["seen"], seen, rtol=1e-5)
    total = frame + 2 * velocity + 3 * error + 4 * seen
    np.testing.assert_allclose(found["loss"], total, rtol=1e-6)
    assert "speed" not in found

    config = dataclasses.replace(config, speed=5.0)
    found = pose_losses(frames, mask, np.array([[1, 1, 2, 0]]), made, np.ones(50), config)
    # beside a joint that does not move; of moves over one frame, since clips are no longer.
    # Smoothing, by 6/10 and 4/10 of the two frames, leaves a fifth of the move.
    speed = (np.sqrt((9 + 36) / 3) / 5 - 1e-3) ** 2 / 4
    np.testing.assert_allclose(found["speed"], speed, rtol=1e-5)
    np.testing.assert_allclose(found["loss"], total + 5 * speed, rtol=1e-5)


def test_the_loss_of_speed_asks_for_the_length_of_moves_and_not_for_their_direction():
    frames = np.zeros((1, 65, 151), np.float32)
    frames[0, :, 9] = np.arange(65)
    mask, segment = np.zeros((1, 65, 50), bool), np.ones((1, 65), np.int32)
    mask[0, :, 3] = True
    config = dataclasses.replace(CONFIG.loss, speed=1.0)

    def speed(x, y):
        predicted = frames[..., :-1].copy()
        predicted[0, :, 9], predicted[0, :, 10] = x, y
        made = Prediction(predicted, frames[..., -1], np.zeros((1, 65, 50), np.float32))
        return float(pose_losses(frames, mask, segment, made, np.ones(50), config)["speed"])

    steps = np.arange(65)
    assert speed(steps, 0) == 0
    assert speed(0, -steps) == pytest.approx(0, abs=1e-6)
    # half of the way over k frames lacks k / 2, divided by the root of k and of three coordinates;
    # smoothing makes the moves at both ends of the clip shorter
    assert speed(steps / 2, 0) == pytest.approx((1 + 2 + 4 + 8) / 4 / 4 / 3, rel=5e-2)
    assert speed(steps % 2, 0) > speed(steps / 2, 0)  # jitter does not do for it
    assert speed(steps + 0.5 * (-1) ** steps, 0) < 0.01  # nor is it asked for


def test_tracks_are_smoothed_within_a_clip_as_clips_that_are_produced_are():
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(1, 20, 150)).astype(np.float32)
    observed = rng.random((1, 20, 50)) < 0.8
    segment = np.array([[1] * 8 + [2] * 9 + [0] * 3])
    found = np.asarray(smoothed_tracks(frames, segment, observed))
    for rows in (slice(0, 8), slice(8, 17)):
        shown = observed[0, rows]
        tracks = frames[0, rows].reshape(-1, 50, 3) * shown[..., None]
        clip = PoseClip(tracks, shown.astype(np.float32), 25.0)
        np.testing.assert_allclose(found[0, rows], smoothed(clip).positions, atol=1e-6)


def test_hands_and_wrists_weigh_what_the_config_says_and_the_mean_weight_is_one():
    elbow, wrist, finger = WEIGHTS[[OPENPOSE50.index("left_elbow"), 7, 20]]
    assert (finger / elbow, wrist / elbow) == (pytest.approx(2.0), pytest.approx(3.0))
    assert WEIGHTS.mean() == pytest.approx(1.0)


@pytest.mark.parametrize("remat", [pytest.param("products", marks=pytest.mark.slow), "blocks"])
def test_what_is_computed_anew_gives_the_gradient_of_what_is_kept(params, remat):
    batch = asl()
    given = teacher_forcing(batch.frames, batch.segment, MODEL.patch)

    def gradient(remat):
        model = Text2Pose(dataclasses.replace(MODEL, dropout=0.5, remat=remat))

        def loss(params):
            rng = {"dropout": jax.random.key(1)}
            args = batch.text, batch.text_segment, *given, True
            predicted = model.apply({"params": params}, *args, rngs=rng)
            return sum(jnp.square(x).sum() for x in predicted)

        compiled = jax.jit(jax.grad(loss)).lower(params).compile()
        return compiled(params), compiled.as_text().count(" dot(")

    (kept, few), (anew, many) = gradient("none"), gradient(remat)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-3, 1e-3), kept, anew)
    assert many > few


def test_a_language_added_later_leaves_the_others_bit_identical(fresh):
    init = jax.jit(lambda: mlsf.init(MODEL, jax.random.key(0), ("tsl", "gsl", "asl")))
    three = init()
    for alone, among in zip(jax.tree.leaves(fresh), jax.tree.leaves(three)):
        np.testing.assert_array_equal(alone[0], among[2])
    table = three["embed_text"]["embedding"]
    assert len({float(value) for value in table[:, 0, 0]}) == 3
