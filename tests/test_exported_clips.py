"""What is exported comes back as it was, in every form."""

import dataclasses
import pickle
import zipfile

import numpy as np
import pytest
import test_predictions
import test_report
from real_clips import phoenix
from test_predictions import rates

from signllm_jax.core.errors import DataError
from signllm_jax.eval import eval_set
from signllm_jax.eval.export import export
from signllm_jax.eval.predictions import match, read_predictions
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.pose_file import read_pose_file
from signllm_jax.poses.skels import read_skels

ARRAYS = ("positions", "confidence")

words, workdir = test_report.words, test_report.workdir  # fixtures
languages = test_predictions.languages


def tensors(path):
    """id -> fields of a .pt file, read without PyTorch."""
    with zipfile.ZipFile(path) as archive:

        def rebuild(storage, offset, size, stride, requires_grad, hooks):
            assert (offset, requires_grad, len(hooks)) == (0, False, 0)
            kind, (_, key, where, count) = storage
            assert (kind, where) == ("FloatStorage", "cpu")
            flat = np.frombuffer(archive.read(f"archive/data/{key}"), "<f4")
            assert len(flat) == count
            strides = [4 * step for step in stride]
            return np.lib.stride_tricks.as_strided(flat, size, strides).copy()

        class Reader(pickle.Unpickler):
            def find_class(self, module, name):
                if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
                    return rebuild
                if (module, name) == ("torch", "FloatStorage"):
                    return name
                assert (module, name) == ("collections", "OrderedDict")
                return dict

            def persistent_load(self, value):
                assert value[0] == "storage"
                return value[1], (value[0], *value[2:])

        with archive.open("archive/data.pkl") as file:
            return Reader(file).load()


def test_what_is_exported_comes_back_as_predictions_of_the_same_clips(languages, tmp_path):
    export(tmp_path, "test", languages)
    folder = tmp_path / "asl" / "produced"
    asl = languages["asl"]
    assert (folder / "test.files").read_text().splitlines() == asl.names
    assert (folder / "test.text").read_text().splitlines() == asl.texts
    assert (folder / "test.gloss").read_text().splitlines() == asl.glosses
    assert len(list(read_skels(folder / "test.skels", 25))) == len(asl.names)
    for form in ("produced/test.skels", "produced", "produced-pose"):
        found = read_predictions(tmp_path / "asl" / form, rates(languages))
        copy = {code: dataclasses.replace(each) for code, each in languages.items()}
        clips = match(found, copy)
        assert list(clips) == ["asl"] and not found.unknown and not found.repairs
        # MediaPipe's depth is in a unit that no file says: who signs `.pose` is judged in x and y
        assert found.flat == (form == "produced-pose")
        for ours, clip in zip(copy["asl"].references, clips["asl"]):
            assert clip.fps == ours.fps and len(clip) == len(ours)
            np.testing.assert_array_equal(clip.observed, ours.observed)
            body = clip.positions[:, [3, 6]] - ours.positions[:, [3, 6]]
            assert np.abs(body)[clip.observed[:, [3, 6]]].max() < 0.05
    both = tmp_path / "asl"
    with pytest.raises(DataError, match="a second prediction of"):
        read_predictions(both, rates(languages))


def test_the_slrtp_layout_comes_back_but_for_the_nose(languages, tmp_path):
    export(tmp_path, "test", languages)
    path = tmp_path / "asl" / "produced" / "test.pt"
    clips = match(read_predictions(path, rates(languages)), languages)
    assert list(clips) == ["asl"]
    for ours, clip in zip(languages["asl"].references, clips["asl"]):
        np.testing.assert_array_equal(clip.observed[:, 2:], ours.observed[:, 2:])
        assert not clip.observed[:, 0].any()
        apart = np.diff(clip.positions[:, [3, 6]] - ours.positions[:, [3, 6]], axis=0)
        assert np.abs(apart[ours.observed[1:, [3, 6]] & ours.observed[:-1, [3, 6]]]).max() < 0.05


def test_real_sentences_come_back_from_the_exported_forms(shared_data, tmp_path):
    clips = phoenix(shared_data)
    names = [f"dev/{i}" for i in range(5)]
    each = eval_set.Language(None, None, None, list("abcde"), names, [""] * 5, clips)
    each.rows = {"ground_truth": clips, "produced": [*clips[:4], None]}
    export(tmp_path, "dev", {"gsl": each})
    assert not (tmp_path / "gsl" / "produced" / "dev.gloss").exists()
    found = tensors(tmp_path / "gsl" / "produced" / "dev.pt")
    assert [len(found[f"dev/{i}"]["poses_3d"]) for i in range(4)] == list(map(len, clips[:4]))
    again = list(read_skels(tmp_path / "gsl" / "produced" / "dev.skels", 25))
    assert again[4] is None
    for ours, theirs in zip(again[:4], clips):
        np.testing.assert_allclose(ours.positions, theirs.positions, atol=0.02)
    pose = read_pose_file(tmp_path / "gsl" / "reference-pose" / "dev_4.pose")
    assert len(pose) == len(clips[4])


def test_flat_clips_are_exported_without_the_challenges_file(tmp_path):
    positions = np.zeros((3, 128, 3), np.float32)
    positions[:, [2, 5], 0], positions[..., 2] = [-0.5, 0.5], 1
    clip = PoseClip(positions, np.ones((3, 128), np.float32), 25, "dwpose128")
    each = eval_set.Language(None, None, None, ["a"], ["1"], ["A"], [clip])
    each.rows = {"ground_truth": [clip], "produced": [clip]}
    export(tmp_path, "test", {"tsl": each})
    names = sorted(path.name for path in (tmp_path / "tsl" / "produced").iterdir())
    assert names == ["test.files", "test.gloss", "test.skels", "test.text"]
    again = read_pose_file(tmp_path / "tsl" / "produced-pose" / "1.pose", layout="dwpose128")
    np.testing.assert_allclose(again.positions, clip.positions, atol=1e-4)
