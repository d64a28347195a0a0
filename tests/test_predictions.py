"""Interoperation: what is exported, and other systems' predictions scored on our references."""

import dataclasses
import json
import pickle
import zipfile

import numpy as np
import pytest
import test_report
from real_clips import phoenix
from test_report import Words

from signllm_jax.artifacts.export import PRETRAINED
from signllm_jax.core.errors import DataError, OutputError
from signllm_jax.eval import eval_set, figures
from signllm_jax.eval.export import export
from signllm_jax.eval.pose_report import evaluate
from signllm_jax.eval.prediction_ids import aliases
from signllm_jax.eval.predictions import Predictions, file_name, match, read_predictions
from signllm_jax.eval.report import keeps, report_path
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import Repairs
from signllm_jax.poses.openpose import write_openpose
from signllm_jax.poses.pose_file import read_pose_file
from signllm_jax.poses.skels import read_skels, write_skels

ARRAYS = ("positions", "confidence")

words, workdir = test_report.words, test_report.workdir  # fixtures


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


@pytest.fixture
def languages(workdir, words):
    """The clips of the test split, every production a copy of its reference."""
    found = eval_set.open_texts(eval_set.Workdir(workdir), "test").languages
    for each in found.values():
        each.rows = {"ground_truth": each.references, "produced": list(each.references)}
    return found


def rates(languages):
    return {name: 25.0 for each in languages.values() for name in each.names}


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


def copies(languages, make):
    """Predictions that are the references, each as `make` changes it."""
    clips = {
        file_name(name): make(clip)
        for each in languages.values()
        for name, clip in zip(each.names, each.references)
    }
    return Predictions("copies", clips, Repairs())


def test_a_prediction_without_an_end_is_cut_and_left_out_of_distances(languages):
    endless = file_name(languages["asl"].names[1])

    def repeated(clip):
        arrays = {name: np.concatenate([getattr(clip, name)] * 40) for name in ARRAYS}
        return dataclasses.replace(clip, **arrays)

    predictions = copies(languages, lambda clip: clip)
    whole = predictions.clips[endless]
    predictions.clips[endless] = repeated(whole)
    asl = languages["asl"]
    clips = match(predictions, languages)["asl"]
    assert asl.cut_off.tolist() == [False, True, False, False]
    assert not languages["tsl"].cut_off.any()
    assert len(clips[1]) == max(map(len, asl.references))
    assert predictions.seconds == {endless: pytest.approx(40 * len(whole) / whole.fps)}
    scores = figures.score_row(asl.references, clips, ("dtw", "hand_travel", "duration_ratio"))
    lasts = [predictions.seconds.get(file_name(name), np.nan) for name in asl.names]
    figures.leave_out(scores, np.array(lasts))
    assert np.isnan(scores["dtw"]).tolist() == [False, True, False, False]
    assert np.isfinite(scores["hand_travel"]).all()
    assert scores["seconds"][1] > 30


def test_ids_may_be_the_corpus_own_and_have_the_suffix_of_a_video(languages, tmp_path):
    each = languages["asl"]
    each.names = ["asl_how2sign_a", "asl_how2sign_dev/b", "asl_how2sign_c", "asl_other_c"]
    clips = each.references
    for name, clip in zip(("a.mp4.npz", "b.npz", "c.npz", "other_c.npz"), clips):
        clip.save(tmp_path / name)
    found = read_predictions(tmp_path, rates({"asl": each}))
    assert sorted(found.clips) == sorted(
        ["asl_how2sign_a", "asl_how2sign_dev_b", "asl_other_c", "c"]
    )


def test_a_text_of_the_demo_is_an_id_where_it_means_one_clip():
    names = ["asl_fingerspelling_texts_room_12", "asl_fingerspelling_texts_no"]
    known = aliases([*names, "gsl_fingerspelling_texts_no", "asl_fingerspelling_yes"])
    assert known["room_12"] == names[0] and known["yes"] == "asl_fingerspelling_yes"
    assert "no" not in known and known[names[1]] == names[1]


def test_predictions_at_another_rate_are_brought_to_that_of_their_references(languages, tmp_path):
    each = languages["asl"]
    for name, clip in zip(each.names, each.references):
        frames = np.minimum(np.arange(2 * len(clip)) / 2, len(clip) - 1)
        below, above = np.floor(frames).astype(int), np.ceil(frames).astype(int)
        arrays = {
            key: (getattr(clip, key)[below] + getattr(clip, key)[above]) / 2 for key in ARRAYS
        }
        shown = clip.observed[below] & clip.observed[above]
        arrays = {
            key: np.where(shown.reshape(shown.shape + (1,) * (value.ndim - 2)), value, 0)
            for key, value in arrays.items()
        }
        dataclasses.replace(clip, **arrays, fps=50.0).save(tmp_path / f"{file_name(name)}.npz")
    found = read_predictions(tmp_path, rates(languages))
    assert found.repairs == {"clips resampled to the rate of their reference": len(each.names)}
    for ours, theirs in zip(each.references, match(found, languages)["asl"]):
        assert theirs.fps == 25 and len(theirs) == len(ours)
        both = ours.observed & theirs.observed
        np.testing.assert_allclose(theirs.positions[both], ours.positions[both], atol=0.05)


def test_openpose_frames_in_a_folder_are_one_prediction(languages, tmp_path):
    each = languages["asl"]
    write_openpose(tmp_path / "all.json", each.references[0])
    folder = tmp_path / "pred" / file_name(each.names[0])
    folder.mkdir(parents=True)
    for number, frame in enumerate(json.loads((tmp_path / "all.json").read_text())):
        (folder / f"x_{number:012d}_keypoints.json").write_text(json.dumps(frame))
    (folder / "._x_000000000000_keypoints.json").write_bytes(b"")
    found = read_predictions(tmp_path / "pred", rates(languages))
    assert list(found.clips) == [file_name(each.names[0])]
    assert len(found.clips[file_name(each.names[0])]) == len(each.references[0])


@pytest.fixture
def peer(words, tmp_path):
    """Another system's file: an empty line, a clip of one frame, a NaN, a clip without a joint,
    two clips too few and one too many."""
    asl, tsl = words["asl", "test"], words["tsl", "test"]
    clips = [None, *(asl.clip(i) for i in (1, 2, 3)), *(tsl.clip(i) for i in (0, 1))]
    clips[1] = dataclasses.replace(
        clips[1], positions=clips[1].positions[:1], confidence=clips[1].confidence[:1]
    )
    clips[4] = dataclasses.replace(clips[4], confidence=np.zeros_like(clips[4].confidence))
    path = tmp_path / "peer.skels"
    write_skels(path, clips)
    lines = path.read_text().splitlines()
    lines[2] = "nan nan nan " + lines[2].split(" ", 3)[3]  # the nose of a frame
    path.write_text("\n".join([*lines, lines[3]]) + "\n")
    names = [*asl.ids, *tsl.ids[:2], "somebody/else"]
    path.with_suffix(".files").write_text("\n".join(names) + "\n")
    return path


EXCLUDED = {
    "asl": {"prediction empty": 1},
    "tsl": {"prediction unreadable": 1, "no prediction": 2},
}


def test_every_reason_is_counted_and_the_rest_is_matched(languages, words, peer):
    found = read_predictions(peer, rates(languages))
    clips = match(found, languages)
    assert {code: dict(each.excluded) for code, each in languages.items()} == EXCLUDED
    assert len(clips["asl"][0]) == 1
    assert [len(clip) for clip in clips["asl"][1:] + clips["tsl"]] == [
        len(each.references[i])
        for each, i in ((languages["asl"], 1), (languages["asl"], 2), (languages["tsl"], 0))
    ]
    assert languages["tsl"].names == words["tsl", "test"].ids[1:2]
    assert len(languages["tsl"].texts) == len(languages["tsl"].ids) == 1
    told = found.describe()
    assert (told["clips"], told["unknown_ids"]) == (7, 1)
    assert told["unknown_named"] == ["somebody_else"]
    assert told["repairs"] == {"joints not finite": 1, "empty lines": 1}


@pytest.mark.slow
def test_the_report_of_a_peer_says_whose_it_is_and_what_is_left_out(workdir, peer, tmp_path):
    report = evaluate(
        workdir,
        output=tmp_path / "report.json",
        predictions=peer,
        export=tmp_path / "export",
        readers=0,
        samples=1,
    )
    assert report["excluded"] == EXCLUDED
    assert report["overall"]["clips"] == 4 and report["overall"]["excluded"] == 4
    assert report["languages"]["tsl"]["dtw_mean_pose_ratio"] < 0.02  # a copy
    assert report["languages"]["asl"]["duration_ratio"] < 0.8  # one lasts a frame
    assert report["languages"]["asl"]["dtw"] > report["languages"]["tsl"]["dtw"]
    assert "teacher_forced" not in report["rows"]
    own = report["rows"]["own_model"]["overall"]
    assert own["dtw"] > report["overall"]["dtw"] and own["dtw_mean_pose_ratio"] > 0
    text = (tmp_path / "report.md").read_text()
    assert "peer.skels, not of this run's model" in text
    assert "| **predictions (peer)** |" in text and "| the run's own model |" in text
    assert "teacher-forced" not in text
    assert "4 references are excluded" in text and "nan" not in text
    assert "1 predictions have no reference: somebody_else" in text
    assert "another system's predictions" in text and "produced from text alone" not in text
    assert list((tmp_path / "report").glob("asl-*.mp4"))
    assert len(list((tmp_path / "export").glob("*/produced-pose/*.pose"))) == 4
    assert json.loads((tmp_path / "report.json").read_text()) == report


def test_the_report_of_a_peer_leaves_the_runs_own_alone(workdir):
    workdir = eval_set.Workdir(workdir)
    assert report_path(workdir, "test", None, None).name == "report.json"
    assert report_path(workdir, "test", None, "them/peer.skels").name == "report-peer.json"


def test_nothing_is_written_into_the_package(monkeypatch, workdir, tmp_path):
    shipped = eval_set.Workdir(PRETRAINED)
    with pytest.raises(OutputError, match="--output is missing"):
        report_path(shipped, "test", None, "them/peer.skels")
    with pytest.raises(OutputError, match="nothing is written into a package"):
        report_path(shipped, "test", PRETRAINED / "report.json")
    output = report_path(shipped, "test", tmp_path / "theirs.json")
    assert keeps(shipped, output).path == tmp_path / "theirs"
    own = eval_set.Workdir(workdir)
    assert keeps(own, output) is own
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert keeps(own, output).path == tmp_path / "theirs"


def test_a_systems_own_unit_and_place_do_not_matter(languages, tmp_path):
    for code, each in languages.items():
        for name, clip in zip(each.names, each.references):
            moved = 7 * clip.positions + np.float32([3, -2, 1])
            moved = np.where(clip.observed[..., None], moved, 0)
            clip = dataclasses.replace(clip, positions=moved)
            clip.save(tmp_path / code / f"{file_name(name)}.npz")
    clips = match(read_predictions(tmp_path, rates(languages)), languages)
    for code, each in languages.items():
        for ours, theirs in zip(each.references, clips[code]):
            np.testing.assert_array_equal(ours.observed, theirs.observed)
            assert np.abs(ours.positions - theirs.positions)[ours.observed].max() < 0.08
    handed = languages["asl"].references[0]
    confidence = handed.confidence.copy()
    confidence[:, :8] = 0
    dataclasses.replace(handed, confidence=confidence).save(
        tmp_path / "asl" / f"{file_name(languages['asl'].names[0])}.npz"
    )
    match(read_predictions(tmp_path, rates(languages)), languages)
    assert languages["asl"].excluded == {"prediction without shoulders": 1}


def test_predictions_of_nothing_that_is_there_are_one_clear_error(workdir, words, tmp_path):
    def refused(path, reason):
        with pytest.raises(DataError, match=reason) as error:
            evaluate(workdir, predictions=path, readers=0)
        assert "\n" not in str(error.value)

    refused(tmp_path / "none.skels", "a .skels file, a .pt file or a folder")
    refused(tmp_path, "no predictions in it")
    write_skels(tmp_path / "a.skels", [Words("asl", "test").clip(0)] * 2)
    refused(tmp_path / "a.skels", r"a\.files: the ids of a\.skels cannot be read")
    (tmp_path / "a.files").write_text("one\n")
    refused(tmp_path / "a.skels", r"a\.skels: 2 lines, but 1 ids in a\.files")
    (tmp_path / "a.files").write_text("one\none\n")
    refused(tmp_path / "a.skels", "a second prediction of one")
    (tmp_path / "a.files").write_text("one\ntwo\n")
    refused(tmp_path / "a.skels", "none of its 2 predictions can be scored: 8 x no prediction")
    wide = PoseClip(
        np.zeros((2, 128, 3), np.float32), np.ones((2, 128), np.float32), 25, "dwpose128"
    )
    (tmp_path / "wide").mkdir()
    for name in words["asl", "test"].ids + words["tsl", "test"].ids:
        wide.save(tmp_path / "wide" / f"{file_name(name)}.npz")
    refused(tmp_path / "wide", "8 x prediction without shoulders")


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


def test_names_for_files_hold_no_path():
    assert file_name("dev/01April_2010 é:x") == "dev_01April_2010_é_x"
