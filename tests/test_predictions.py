"""Other systems' predictions are scored on our references."""

import dataclasses
import json

import numpy as np
import pytest
import test_report
from test_report import Words

from signllm_jax.artifacts.export import PRETRAINED
from signllm_jax.core.errors import DataError, OutputError
from signllm_jax.eval import eval_set, figures
from signllm_jax.eval.pose_report import evaluate
from signllm_jax.eval.prediction_ids import aliases
from signllm_jax.eval.predictions import Predictions, file_name, match, read_predictions
from signllm_jax.eval.report import keeps, report_path
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import Repairs
from signllm_jax.poses.openpose import write_openpose
from signllm_jax.poses.skels import write_skels

ARRAYS = ("positions", "confidence")

words, workdir = test_report.words, test_report.workdir  # fixtures


@pytest.fixture
def languages(workdir, words):
    """The clips of the test split, every production a copy of its reference."""
    found = eval_set.open_texts(eval_set.Workdir(workdir), "test").languages
    for each in found.values():
        each.rows = {"ground_truth": each.references, "produced": list(each.references)}
    return found


def rates(languages):
    return {name: 25.0 for each in languages.values() for name in each.names}


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


def test_names_for_files_hold_no_path():
    assert file_name("dev/01April_2010 é:x") == "dev_01April_2010_é_x"
