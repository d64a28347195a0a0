"""The layout of the SLRTP challenge: PyTorch files of 178 points, read without PyTorch."""

import dataclasses
import pickle
import zipfile

import numpy as np
import pytest
from real_clips import letters
from test_exported_clips import tensors

from signllm_jax.core.errors import DataError, OutputError
from signllm_jax.eval.slrtp import POINTS, challenge_points, write_slrtp
from signllm_jax.eval.slrtp_reading import read_slrtp
from signllm_jax.poses.clip import PoseClip


def test_the_slrtp_layout_has_the_challenges_points_in_its_order(tmp_path):
    clip = letters()[0]
    write_slrtp(tmp_path / "a.pt", [("a/1", clip, {"text": "ü", "gloss": "A"}), ("b", clip, {})])
    found = tensors(tmp_path / "a.pt")
    assert list(found) == ["a/1", "b"]
    assert list(found["b"]) == ["name", "text", "gloss", "speaker", "poses_3d"]
    assert (found["a/1"]["name"], found["a/1"]["text"], found["a/1"]["gloss"]) == ("a/1", "ü", "A")
    points = found["a/1"]["poses_3d"]
    assert points.shape == (len(clip), POINTS, 3) and points.dtype == np.float32
    names = {0: "right_shoulder", 2: "right_wrist", 3: "left_shoulder", 5: "left_wrist"}
    names |= {
        8: "right_hand_wrist",
        28: "right_little_4",
        29: "left_hand_wrist",
        34: "left_index_1",
    }
    for point, joint in names.items():
        index = clip.skeleton.index(joint)
        shown = clip.positions[:, index] * clip.observed[:, index, None]
        np.testing.assert_array_equal(points[:, point], shown)
    assert not points[:, [6, 7, *range(50, POINTS)]].any()
    slow = dataclasses.replace(clip, fps=clip.fps / 2)
    assert len(challenge_points(slow)) == 2 * len(clip)
    with pytest.raises(OutputError, match="two clips are named a"):
        write_slrtp(tmp_path / "b.pt", [("a", clip, {}), ("a", clip, {})])
    wide = PoseClip(
        np.zeros((2, 128, 3), np.float32), np.ones((2, 128), np.float32), 5, "dwpose128"
    )
    with pytest.raises(OutputError, match="openpose50 clips, not dwpose128"):
        write_slrtp(tmp_path / "b.pt", [("a", wide, {})])
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


def test_pytorch_itself_reads_the_slrtp_layout(tmp_path):
    torch = pytest.importorskip("torch")
    clip = letters()[0]
    write_slrtp(tmp_path / "a.pt", [("a", clip, {"text": "hello"})])
    found = torch.load(tmp_path / "a.pt", weights_only=True)
    assert found["a"]["text"] == "hello"
    np.testing.assert_array_equal(found["a"]["poses_3d"].numpy(), challenge_points(clip))


def torch_file(path, pickled, storages=()):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        for key, content in storages:
            archive.writestr(f"archive/data/{key}", content)


@pytest.mark.parametrize(
    "pickled, reason",
    [
        (pickle.dumps(print, 2), "it asks for __builtin__.print"),
        (pickle.dumps([1], 2), "no dictionary of clips, but list"),
        (pickle.dumps({"a": 3}, 2), "'a' has no poses_3d"),
        (b"", "no file of the SLRTP challenge"),
    ],
)
def test_nothing_in_a_file_of_the_slrtp_layout_is_run(tmp_path, pickled, reason):
    torch_file(tmp_path / "a.pt", pickled)
    with pytest.raises(DataError, match=reason) as error:
        list(read_slrtp(tmp_path / "a.pt"))
    assert "\n" not in str(error.value)


def test_a_tensor_may_not_reach_beyond_its_storage(tmp_path):
    write_slrtp(tmp_path / "a.pt", [("a", letters()[0], {})])
    assert [name for name, _ in read_slrtp(tmp_path / "a.pt")] == ["a"]
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        pickled, storage = archive.read("archive/data.pkl"), archive.read("archive/data/0")
    torch_file(tmp_path / "b.pt", pickled, [("0", storage[:-4])])
    with pytest.raises(DataError, match="a tensor beyond its storage"):
        list(read_slrtp(tmp_path / "b.pt"))
