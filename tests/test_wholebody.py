"""COCO-WholeBody's points in the forms that RTMPose, MMPose, AlphaPose and rtmlib write."""

import json

import numpy as np
import pytest
from pose_format import Pose
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions
from pose_format.utils.alphapose import get_alphapose_components
from pose_format.utils.alphapose_133 import get_alphapose_133_components
from pose_format.utils.cocowholebody133_header import cocowholebody_components
from pose_format.utils.openpose_135 import OpenPose_Components as BODY_135
from signers import signer

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.core.skeleton import DWPOSE_TO_OPENPOSE50, OPENPOSE50
from signllm_jax.poses import files
from signllm_jax.poses.dwpose import read_dwpose
from signllm_jax.poses.frames import Repairs
from signllm_jax.poses.pose_file import read_pose_file
from signllm_jax.poses.pose_headers import holistic_points, make_components, point_rows

FRAMES = 12
SIGNER = signer(FRAMES)
COCO = {"nose": 0, "left_shoulder": 5, "right_shoulder": 6, "left_elbow": 7, "right_elbow": 8}
COCO |= {"left_wrist": 9, "right_wrist": 10}
HANDS = {133: (91, 112), 134: (92, 113), 136: (94, 115)}


def points(count, keypoints=SIGNER, score=1.0):
    """[T, count, 3] of COCO-WholeBody; scores are `score` times the confidence."""
    whole = np.zeros((len(keypoints), count, 3))
    for joint in range(8):
        name = OPENPOSE50.joints[joint]
        if count == 134:
            whole[:, joint] = keypoints[:, joint]
        elif name in COCO:
            whole[:, COCO[name]] = keypoints[:, joint]
    if count == 136:
        whole[:, 18] = keypoints[:, 1]
    for start, joints in zip(HANDS[count], (slice(8, 29), slice(29, 50))):
        whole[:, start : start + 21] = keypoints[:, joints]
    whole[..., 2] *= score
    return whole


def expected():
    """The signer in shoulder widths about the median neck."""
    flat = SIGNER[..., :2]
    neck = np.median(flat[:, 1], axis=0)
    return (flat - neck) / np.linalg.norm(flat[0, 2] - flat[0, 5])


def is_the_signer(clip, atol=0.03):
    """The neck of 133 points is the middle of the shoulders, which is near."""
    positions = clip.positions[
        :, list(DWPOSE_TO_OPENPOSE50) if len(clip.skeleton.joints) > 50 else slice(None)
    ]
    np.testing.assert_allclose(positions[..., :2], expected(), atol=atol)
    return True


@pytest.mark.parametrize("count", HANDS)
@pytest.mark.parametrize("score", [1.0, 7.0], ids=["scores_to_1", "scores_above_1"])
def test_arrays_of_a_clip_are_read(tmp_path, count, score):
    whole = points(count, score=score)
    path = tmp_path / "a.npz"
    np.savez(path, keypoints=whole[:, None, :, :2].astype(np.float32), scores=whole[:, None, :, 2])
    clip = read_dwpose(path, 25.0)
    assert is_the_signer(clip) and clip.confidence.max() <= 1
    np.savez(path, keypoints=whole)  # of one person, with the score as a third number
    np.testing.assert_allclose(read_dwpose(path, 25.0).positions, clip.positions, atol=1e-5)


@pytest.mark.parametrize("of", [lambda part: part, lambda part: 2 * part - 1])
@pytest.mark.parametrize("name", ["a.npz", "a.json", "a"])
def test_parts_of_a_picture_need_its_shape(tmp_path, of, name):
    whole = points(133)
    seen = whole[..., 2:] > 0
    whole[..., :2] = np.where(seen, of(whole[..., :2] / (1280, 720)), 0)
    path = tmp_path / name
    if path.suffix == ".json":
        path.write_text(json.dumps([{"keypoints": frame.tolist()} for frame in whole]))
    elif path.suffix:
        np.savez(path, keypoints=whole)
    else:
        path.mkdir()
        for number, frame in enumerate(whole):
            np.savez(path / f"{number}.npz", keypoints=frame)
    with pytest.raises(PoseFormatError, match="parts of a picture whose size is not known"):
        read_dwpose(path, 25.0)
    assert is_the_signer(read_dwpose(path, 25.0, aspect=1280 / 720))


def test_a_folder_of_a_file_a_frame_is_read(tmp_path):
    whole = points(133)
    for number, frame in enumerate(whole):
        np.savez(
            tmp_path / f"{number:05d}.npz", keypoints=frame[None, :, :2], scores=frame[None, :, 2]
        )
    assert is_the_signer(read_dwpose(tmp_path, 25.0))


def test_of_several_people_the_signer_is_followed(tmp_path):
    whole = np.stack([points(133, signer(FRAMES, x=200, swing=0)), points(133)], axis=1)
    repairs = Repairs()
    np.savez(tmp_path / "a.npz", keypoints=whole[..., :2], scores=whole[..., 2])
    assert is_the_signer(read_dwpose(tmp_path / "a.npz", 25.0, repairs=repairs))
    assert repairs["poses of other people left out"] == FRAMES


def test_other_numbers_of_points_are_refused_by_their_shape(tmp_path):
    np.savez(tmp_path / "a.npz", keypoints=np.ones((4, 1, 17, 2)), scores=np.ones((4, 1, 17)))
    with pytest.raises(
        PoseFormatError, match=r"a\.npz: frame 0: keypoints have shape \(1, 17, 2\)"
    ):
        read_dwpose(tmp_path / "a.npz", 25.0)
    np.savez(tmp_path / "b.npz", keypoints=points(133)[..., :2], scores=np.ones((4, 133)))
    with pytest.raises(PoseFormatError, match="of different lengths"):
        read_dwpose(tmp_path / "b.npz", 25.0)


def instances(frame):
    return {"keypoints": frame[:, :2].tolist(), "keypoint_scores": frame[:, 2].tolist()}


WHOLE = points(133)
ALPHAPOSE = [
    {"image_id": f"{number}.jpg", "category_id": 1, "keypoints": frame.ravel().tolist(), "score": 2}
    for number, frame in enumerate(WHOLE)
]


@pytest.mark.parametrize(
    "value",
    [
        {
            "instance_info": [
                {"frame_id": n + 1, "instances": [instances(f)]} for n, f in enumerate(WHOLE)
            ]
        },
        [{"frame_id": n, "instances": [instances(f)]} for n, f in enumerate(WHOLE)],
        ALPHAPOSE[::-1],
        {"frames": ALPHAPOSE, "metadata": {"fps": 25.0, "width": 1280, "height": 720}},
        [{"keypoints": [f[:, :2].tolist()], "scores": [f[:, 2].tolist()]} for f in WHOLE],
        {"keypoints": WHOLE[..., :2].tolist(), "scores": WHOLE[..., 2].tolist()},
    ],
    ids=[
        "mmpose_demo",
        "mmpose_inferencer",
        "alphapose",
        "alphapose_metadata",
        "rtmlib_frames",
        "arrays",
    ],
)
def test_json_of_each_tool_is_read(tmp_path, value):
    (tmp_path / "a.json").write_text(json.dumps(value))
    assert is_the_signer(read_dwpose(tmp_path / "a.json", 25.0))
    assert is_the_signer(files.read_clip(tmp_path / "a.json", 25.0))


def test_frames_that_a_tool_leaves_out_keep_their_time(tmp_path):
    repairs = Repairs()
    (tmp_path / "a.json").write_text(json.dumps(ALPHAPOSE[:3] + ALPHAPOSE[5:]))
    clip = read_dwpose(tmp_path / "a.json", 25.0, repairs=repairs)
    assert len(clip) == FRAMES and not clip.observed[3:5].any()
    assert repairs["frames without a file"] == 2


def test_the_rate_of_the_file_counts_where_none_is_given(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"frames": ALPHAPOSE, "metadata": {"fps": 30}}))
    assert read_dwpose(tmp_path / "a.json", 0).fps == 30
    assert read_dwpose(tmp_path / "a.json", 24.0).fps == 24
    (tmp_path / "a.json").write_text(json.dumps(ALPHAPOSE))
    with pytest.raises(PoseFormatError, match=r"a\.json: no frames per second in it: give --fps"):
        read_dwpose(tmp_path / "a.json", 0)
    endless = {"frames": ALPHAPOSE, "metadata": {"fps": 10**400}}
    (tmp_path / "a.json").write_text(json.dumps(endless))
    with pytest.raises(PoseFormatError, match="frames per second must be above 0, not inf"):
        read_dwpose(tmp_path / "a.json", 0)


def write_pose(path, components, whole, axes=2):
    """[T, P, 3] of the header's points."""
    size = sum(len(part.points) for part in components)
    data = np.zeros((len(whole), 1, size, axes), np.float32)
    confidence = np.zeros((len(whole), 1, size), np.float32)
    data[:, 0, : whole.shape[1], :2], confidence[:, 0, : whole.shape[1]] = (
        whole[..., :2],
        whole[..., 2],
    )
    head = PoseHeader(0.2, PoseHeaderDimensions(1280, 720, 0), components)
    with open(path, "wb") as file:
        Pose(head, NumPyPoseBody(25.0, data, confidence)).write(file)
    return path


@pytest.mark.parametrize(
    "components, count",
    [
        (cocowholebody_components, 133),
        (get_alphapose_133_components, 133),
        (get_alphapose_components, 136),
    ],
)
def test_pose_files_of_whole_bodies_are_read(tmp_path, components, count):
    path = write_pose(tmp_path / "a.pose", components(), points(count, score=5.0))
    clip = read_pose_file(path)
    assert is_the_signer(clip) and clip.confidence.max() == 1
    assert is_the_signer(read_pose_file(path, layout="dwpose128"))


def test_pose_files_of_openposes_135_points_are_read(tmp_path):
    names = BODY_135[0].points
    whole = np.zeros((FRAMES, len(names), 3))
    for joint, name in ((0, "Nose"), (2, "RShoulder"), (3, "RElbow"), (4, "RWrist")):
        whole[:, names.index(name)] = SIGNER[:, joint]
    for joint, name in ((5, "LShoulder"), (6, "LElbow"), (7, "LWrist")):
        whole[:, names.index(name)] = SIGNER[:, joint]
    for start, first in ((9, "LThumb1CMC"), (30, "RThumb1CMC")):
        row = names.index(first)
        whole[:, row : row + 20] = SIGNER[:, start : start + 20]
    assert is_the_signer(read_pose_file(write_pose(tmp_path / "a.pose", BODY_135, whole)))


def test_the_four_axes_of_autsl_are_told_apart_by_their_letters(tmp_path):
    parts = [
        PoseHeaderComponent(part.name, part.points, part.limbs, part.colors, "XYZKC")
        for part in make_components("holistic_face")
    ]
    head = PoseHeader(0.1, PoseHeaderDimensions(1280, 720), parts)
    rows, named = point_rows(head), holistic_points()
    whole = np.zeros((FRAMES, head.total_points(), 3))
    for number, joint in enumerate(OPENPOSE50.joints):
        if joint in named:
            whole[:, rows[named[joint]]] = SIGNER[:, number]
    clip = read_pose_file(write_pose(tmp_path / "a.pose", parts, whole, axes=4))
    np.testing.assert_allclose(clip.positions[..., :2], expected(), atol=0.03)


def test_signverses_file_of_a_video_is_read_by_its_frame_numbers_and_rate(tmp_path):
    parts = {"body": slice(0, 18), "face": slice(24, 92), "left_hand": slice(92, 113)}
    parts |= {"right_hand": slice(113, 134)}
    payloads = np.empty(FRAMES, object)
    for number, frame in enumerate(points(134) / (1280, 720, 1)):
        payload = {"num_persons": np.int32(1), "frame_width": 1280, "frame_height": 720}
        for part, joints in parts.items():
            payload[f"person_000_{part}_keypoints"] = frame[joints, :2].astype(np.float32)
            payload[f"person_000_{part}_scores"] = frame[joints, 2].astype(np.float32)
        payload |= {
            f"frame_{side}": np.asarray(size, np.int32)
            for side, size in (("width", 1280), ("height", 720))
        }
        payloads[number] = payload
    path = tmp_path / "poses.npz"
    np.savez(
        path,
        video_id=np.asarray("abc"),
        fps=np.asarray(24, np.int32),
        total_frames=np.asarray(FRAMES, np.int32),
        frame_widths=np.full(FRAMES, 1280),
        frame_indices=np.arange(1, 2 * FRAMES, 2, dtype=np.int32),  # every second frame
        frame_payloads=payloads,
    )
    repairs = Repairs()
    clip = read_dwpose(path, 0, repairs=repairs)
    assert clip.fps == 24 and len(clip) == 2 * FRAMES - 1
    np.testing.assert_allclose(
        clip.positions[::2, list(DWPOSE_TO_OPENPOSE50), :2], expected(), atol=0.03
    )
    assert repairs["frames without a file"] == FRAMES - 1
