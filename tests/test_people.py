"""Of several people one signer is followed, whatever order and confidence a detector gives them."""

import numpy as np
import pytest
from signers import openpose_person, signer
from test_openpose import write_frame

from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.poses.frames import Repairs
from signllm_jax.poses.openpose import read_openpose
from signllm_jax.poses.people import follow
from signllm_jax.poses.pose_file import read_pose_file

LISTENER_X, SIGNER_X = 350.0, 900.0


def mixed(people, seed=0):
    """Frames with everybody in them in random order, and where the first one stands in each."""
    rng = np.random.default_rng(seed)
    frames, places = [], []
    for frame in range(len(people[0])):
        order = rng.permutation(len(people))
        frames.append(np.stack([people[number][frame] for number in order]))
        places.append(int(np.argmin(order)))
    return frames, np.array(places)


def test_the_one_whose_hands_move_is_followed():
    listener = signer(40, x=LISTENER_X, swing=0, confidence=0.95)
    frames, places = mixed([signer(40, x=SIGNER_X), listener])
    followed = follow(frames, OPENPOSE50)
    np.testing.assert_array_equal(followed.person, places)
    assert followed.others == 40


def test_a_passer_by_with_large_gestures_is_not_taken():
    frames = [keypoints[None] for keypoints in signer(60, x=SIGNER_X)]
    passing = signer(60, x=LISTENER_X, swing=150)
    for frame in range(20, 26):
        frames[frame] = np.stack([passing[frame], frames[frame][0]])
    followed = follow(frames, OPENPOSE50)
    assert followed.person.tolist() == [1 if 20 <= frame < 26 else 0 for frame in range(60)]
    assert followed.others == 6


def test_where_the_signer_is_lost_nobody_is_taken_instead():
    frames, places = mixed([signer(40, x=SIGNER_X), signer(40, x=LISTENER_X, swing=0)])
    for frame in range(10, 15):
        frames[frame] = np.delete(frames[frame], places[frame], axis=0)
    person = follow(frames, OPENPOSE50).person
    assert (person[10:15] == -1).all()
    assert (np.delete(person, slice(10, 15)) == np.delete(places, slice(10, 15))).all()


def test_a_signer_who_moves_through_the_picture_is_one_person():
    walking, still = signer(60), signer(60, x=1100, swing=0)
    walking[..., 0] += np.linspace(-400, 100, 60)[:, None]
    frames, places = mixed([walking, still])
    np.testing.assert_array_equal(follow(frames, OPENPOSE50).person, places)


def test_a_hand_found_on_somebody_else_is_no_motion():
    listener, other = signer(40, x=LISTENER_X, swing=0), signer(40, x=SIGNER_X)
    listener[::2, 4] = other[::2, 4]  # his wrist is seen on the other one in every second frame
    frames, places = mixed([other, listener])
    np.testing.assert_array_equal(follow(frames, OPENPOSE50).person, places)


@pytest.mark.parametrize("frames", [[], [np.zeros((0, 50, 3))] * 3])
def test_without_anybody_nobody_is_followed(frames):
    assert follow(frames, OPENPOSE50).person.tolist() == [-1] * len(frames)


def neck_range(clip):
    neck = clip.positions[clip.observed[:, 1], 1, :2]
    return np.ptp(neck, axis=0).max()


def test_openpose_clips_show_one_person_throughout(tmp_path):
    people = [signer(30, x=SIGNER_X), signer(30, x=LISTENER_X, swing=0)]
    for frame in range(30):  # each is the more confident one for six frames
        for who, keypoints in enumerate(people):
            keypoints[frame, :, 2] = 0.9 if frame // 6 % 2 == who else 0.8
    frames, _ = mixed(people)
    for frame, keypoints in enumerate(frames):
        write_frame(tmp_path / "both", frame, *map(openpose_person, keypoints))
        write_frame(tmp_path / "alone", frame, openpose_person(people[0][frame]))
    repairs = Repairs()
    both = read_openpose(tmp_path / "both", 25.0, repairs)
    alone = read_openpose(tmp_path / "alone", 25.0)
    assert neck_range(both) < 0.1
    np.testing.assert_array_equal(both.positions, alone.positions)
    assert repairs == {"frames with several people": 30, "poses of other people left out": 30}


def test_pose_files_show_one_person_throughout(tmp_path):
    people = [signer(30, x=SIGNER_X), signer(30, x=LISTENER_X, swing=0, confidence=0.95)]
    frames, _ = mixed(people)
    write_people(tmp_path / "both.pose", np.stack(frames))
    write_people(tmp_path / "alone.pose", people[0][:, None])
    repairs = Repairs()
    both = read_pose_file(tmp_path / "both.pose", repairs=repairs)
    alone = read_pose_file(tmp_path / "alone.pose")
    np.testing.assert_allclose(both.positions, alone.positions, atol=1e-5)
    assert repairs["poses of other people left out"] == 30


def write_people(path, keypoints):
    """[T, people, 50, 3] as a `.pose` of OpenPose's points."""
    from pose_format import Pose
    from pose_format.numpy import NumPyPoseBody
    from pose_format.pose_header import PoseHeader, PoseHeaderDimensions

    from signllm_jax.poses.pose_headers import make_components, point_rows, written_points

    head = PoseHeader(0.2, PoseHeaderDimensions(1280, 720), make_components("openpose", False))
    rows, points = point_rows(head), written_points("openpose")
    places = [rows[points[joint]] for joint in OPENPOSE50.joints]
    data = np.zeros((*keypoints.shape[:2], head.total_points(), 2), np.float32)
    confidence = np.zeros(data.shape[:3], np.float32)
    data[:, :, places], confidence[:, :, places] = keypoints[..., :2], keypoints[..., 2]
    with open(path, "wb") as file:
        Pose(head, NumPyPoseBody(25.0, data, confidence)).write(file)


def test_the_people_of_a_crowd_keep_their_time():
    people = [signer(20, x=200.0 * number, swing=10 * number) for number in range(1, 6)]
    frames, places = mixed(people[::-1])
    followed = follow(frames, OPENPOSE50)
    np.testing.assert_array_equal(followed.person, places)
    assert followed.others == 80
