"""DWPose `.npz`: key layouts, people, missing frames, and damage."""

import numpy as np
import pytest
from damage import damaged, survives

from signllm_jax.core.errors import OutputError, PoseFormatError
from signllm_jax.core.skeleton import DWPOSE128, get_layout
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.dwpose import LAYOUTS, read_dwpose, write_dwpose
from signllm_jax.poses.frames import Repairs

PARTS = {"body": (0, 18), "left_hand": (18, 39), "right_hand": (39, 60), "face": (60, 128)}


def made_clip(frames=5, seed=4):
    rng = np.random.default_rng(seed)
    positions = np.zeros((frames, 128, 3), np.float32)
    positions[:, :, :2] = rng.normal(0, 0.6, (frames, 128, 2))
    positions[:, 1] = 0
    positions[:, 2, :2], positions[:, 5, :2] = (-0.5, 0), (0.5, 0)
    confidence = rng.uniform(0.2, 0.99, (frames, 128)).astype(np.float32)
    confidence[:, 9:11] = 0
    positions[:, :, 2] = confidence
    positions[confidence == 0] = 0
    return PoseClip(positions, confidence, 24.0, "dwpose128")


def person(seed=0, shift=0.0, score=0.9):
    """One person as Prompt2Sign's extraction stores it, hands at the wrists."""
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform(0.3, 0.6, (128, 2)) + [shift, 0]
    keypoints[18], keypoints[39] = keypoints[7], keypoints[4]
    one = {}
    for part, (first, last) in PARTS.items():
        one[f"{part}_keypoints"] = keypoints[first:last]
        one[f"{part}_scores"] = np.full(last - first, score)
    one["body_scores"] = np.arange(18.0)
    return one


def save(path, **members):
    np.savez(path, **members)
    return path


def test_the_layout_is_that_of_128_keypoints():
    layout = get_layout("dwpose128")
    assert layout is DWPOSE128 and layout.size == 128 and layout.frame_size == 385
    assert len(set(layout.joints)) == 128
    assert sorted(joint for group in layout.groups.values() for joint in group) == list(range(128))
    assert [layout.mirror[joint] for joint in layout.mirror] == list(range(128))
    assert layout.mirror[60] == 76 and layout.mirror[60 + 36] == 60 + 45
    assert layout.mirror[4] == 7 and layout.mirror[18] == 39
    # every joint hangs on a bone but the neck and the first point of a face line that is open
    heads = {1, 60, 77, 82, 87, 91}
    assert {child for _, child in layout.bones} == set(range(128)) - heads
    for joint, parent in enumerate(layout.parent):
        assert layout.parent[layout.parent[parent]] == 1, joint


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["clip.npz", "clip"])
def test_a_written_clip_reads_back(tmp_path, layout, name):
    clip, repairs = made_clip(), Repairs()
    write_dwpose(tmp_path / name, clip, layout)
    back = read_dwpose(tmp_path / name, 24.0, repairs=repairs)
    np.testing.assert_allclose(back.positions, clip.positions, atol=1e-5)
    assert (back.observed == clip.observed).all() and not repairs
    assert back.layout == "dwpose128" and back.fps == 24.0
    np.testing.assert_array_equal(back.positions[:, :, 2], back.confidence)


def test_a_rate_and_a_size_that_are_no_numbers_are_as_if_they_were_not_said(tmp_path):
    ragged = np.empty(2, object)
    ragged[:] = [[1.0], [2.0, 3.0]]
    odd = {"num_persons": 1, "person_0": person(), "fps": [[1.0], [2.0, 3.0]]}
    odd |= {"frame_width": [[1], []], "frame_height": 480}
    np.savez(tmp_path / "a.npz", frame_payloads=np.array([odd], object), fps=ragged)
    assert len(read_dwpose(tmp_path / "a.npz", 25.0)) == 1
    with pytest.raises(PoseFormatError, match="no frames per second"):
        read_dwpose(tmp_path / "a.npz", 0)


def test_one_person_reads_alike_from_every_key_layout(tmp_path):
    one = person()
    spelled = {f"person_000_{key}": value for key, value in one.items()}
    hands = [one["left_hand_keypoints"], one["right_hand_keypoints"]]
    scores = [one["left_hand_scores"], one["right_hand_scores"]]
    parts = {
        "bodies": one["body_keypoints"],
        "body_scores": one["body_scores"][None],
        "hands": np.stack(hands),
        "hands_scores": np.stack(scores),
        "faces": one["face_keypoints"][None],
        "faces_scores": one["face_scores"][None],
    }
    subset = {"candidate": one["body_keypoints"], "subset": one["body_scores"][None]}
    layouts = [
        {"num_persons": 1, "person_0": one},
        {"num_persons": 1, **spelled},
        {"num_persons": 1, **{f"person_0/{key}": value for key, value in one.items()}},
        parts,
        parts | {"bodies": subset, "body_scores": np.zeros(0)},
        {"video_id": "a", "frame_payloads": np.array([{"num_persons": 1, **spelled}], object)},
    ]
    clips = [
        read_dwpose(save(tmp_path / f"{number}.npz", **members), 24.0)
        for number, members in enumerate(layouts)
    ]
    for clip in clips[1:]:
        np.testing.assert_allclose(clip.positions, clips[0].positions, atol=1e-6)
        np.testing.assert_allclose(clip.confidence, clips[0].confidence)
    assert clips[0].confidence[0, :18].tolist() == [1.0] * 18


def test_of_several_people_the_most_confident_gets_its_own_hands(tmp_path):
    first, second = person(0, 0.0, 0.5), person(1, 0.4, 0.8)
    # the extraction takes hands (2p, 2p + 1) of a list of all left, then all right hands
    expected = {side: second[f"{side}_keypoints"] for side in ("left_hand", "right_hand")}
    for kind in ("keypoints", "scores"):
        right, left = first[f"right_hand_{kind}"], second[f"left_hand_{kind}"]
        first[f"right_hand_{kind}"], second[f"left_hand_{kind}"] = left, right
    path = save(tmp_path / "00000001.npz", num_persons=2, person_0=first, person_1=second)
    repairs = Repairs()
    clip = read_dwpose(path, 24.0, repairs=repairs)
    assert repairs == {
        "frames with several people": 1,
        "hands given back to their person": 2,
        "poses of other people left out": 1,
    }
    body = second["body_keypoints"]
    assert clip.confidence[0, 60] == np.float32(0.8)
    width = np.linalg.norm(body[2] - body[5])
    for side, (first_joint, last) in (("left_hand", (18, 39)), ("right_hand", (39, 60))):
        flat = (expected[side] - body[1]) / width
        np.testing.assert_allclose(clip.positions[0, first_joint:last, :2], flat, atol=1e-5)


def test_frames_come_by_number_and_empty_ones_keep_their_time(tmp_path):
    for number in (9, 10, 12):
        members = {"person_0": person(number)} if number != 10 else {}
        save(tmp_path / f"{number}.npz", num_persons=len(members), **members)
    repairs = Repairs()
    clip = read_dwpose(tmp_path, 24.0, repairs=repairs)
    assert clip.observed.any(axis=1).tolist() == [True, False, False, True]
    assert repairs == {"frames without a person": 1, "frames without a file": 1}


def test_the_pictures_shape_is_respected(tmp_path):
    one = {f"person_000_{key}": value for key, value in person().items()}
    sizes = {"frame_width": np.int32(1920), "frame_height": np.int32(1080)}
    known = read_dwpose(save(tmp_path / "a.npz", num_persons=1, **sizes, **one), 24.0)
    given = read_dwpose(save(tmp_path / "b.npz", num_persons=1, **one), 24.0, aspect=16 / 9)
    square = read_dwpose(tmp_path / "b.npz", 24.0)
    video = np.array([{"num_persons": 1, "frame_width": 1920, "frame_height": 1080, **one}], object)
    listed = read_dwpose(save(tmp_path / "c.npz", frame_payloads=video), 24.0)
    np.testing.assert_allclose(listed.positions, given.positions, atol=1e-6)
    np.testing.assert_allclose(known.positions, given.positions, atol=1e-6)
    assert np.abs(known.positions - square.positions).max() > 0.1


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"a": np.zeros(3)}, "neither person_0 nor bodies"),
        ({"num_persons": 0}, "nobody in any of 1 frames"),
        ({"person_0": np.zeros(3)}, "person_0 is no dictionary"),
        ({"person_0": {"body_keypoints": np.zeros((17, 2))}}, r"shape \(17, 2\), not \(18, 2\)"),
        ({"bodies": np.zeros((17, 2))}, "no whole number of 18 points"),
        ({"bodies": np.ones((18, 2)), "hands": np.ones((1, 21, 2))}, "hands has shape"),
        ({"frame_payloads": np.zeros(3)}, "no list of frames"),
        ({"person_0_body_keypoints": np.ones((2, 18, 2)), "a": np.ones(3)}, "frames in one clip"),
    ],
)
def test_wrong_counts_are_refused_by_name(tmp_path, members, reason):
    path = save(tmp_path / "a.npz", **members)
    with pytest.raises(PoseFormatError, match=rf"a.npz.*{reason}"):
        read_dwpose(path, 24.0)


def test_unusable_numbers_make_a_joint_missing_and_are_counted(tmp_path):
    one, repairs = person(), Repairs()
    one["body_keypoints"][8] = np.nan
    one["face_keypoints"][3] = 1e30
    clip = read_dwpose(save(tmp_path / "a.npz", person_0=one), 24.0, repairs=repairs)
    assert repairs == {"joints not finite": 1, "joints out of range": 1}
    assert not clip.observed[0, [8, 63]].any()


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match="unknown key layout"):
        write_dwpose(tmp_path / "a.npz", made_clip(), "xyz")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be written"):
        write_dwpose(tmp_path / "file" / "a.npz", made_clip())
    flat = PoseClip(np.zeros((1, 50, 3), np.float32), np.zeros((1, 50), np.float32), 24.0)
    with pytest.raises(OutputError, match="dwpose128"):
        write_dwpose(tmp_path / "a.npz", flat)


def test_fifteen_hundred_damaged_archives_end_in_an_error_or_a_clip(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "a.npz"
    pickles = save(path, num_persons=2, person_0=person(0), person_1=person(1)).read_bytes()
    write_dwpose(path, made_clip(1), "bodies")
    arrays = path.read_bytes()
    taken = 0
    for number in range(1500):
        content = (pickles, arrays)[number % 2]
        path.write_bytes(damaged(content, rng))
        taken += survives(lambda: read_dwpose(path, 24.0, repairs=Repairs()), "a.npz")
    assert 0 < taken < 1500
