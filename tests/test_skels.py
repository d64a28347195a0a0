"""`.skels` files: scales, counters, alignment, and damage."""

import numpy as np
import pytest
from damage import damaged, survives
from test_dwpose import made_clip as made_dwpose
from test_openpose import made_clip as made_flat

from signllm_jax.core.errors import OutputError, PoseFormatError
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import Repairs
from signllm_jax.poses.lift import lift_reference_positions
from signllm_jax.poses.skels import detect_scale, read_skels, skels_line, write_skels

REFERENCES = ("_2FBDaOPYig_3-3-rgb_front", "_2FBDaOPYig_4-3-rgb_front")


def made_clip(frames=7, seed=3):
    clip = made_flat(frames, seed)
    depth = np.random.default_rng(seed).normal(0, 0.3, (frames, 50)) * clip.observed
    depth[:, [1, 2, 5]] = 0
    positions = clip.positions.copy()
    positions[:, :, 2] = depth
    return PoseClip(positions, clip.observed.astype(np.float32), 25.0)


def lines_of(path):
    return path.read_text().split("\n")


@pytest.mark.parametrize("scale", [3, 9])
def test_a_written_clip_reads_back_with_its_scale_found(tmp_path, scale):
    clips = [made_clip(), None, made_clip(4, 5)]
    write_skels(tmp_path / "a.skels", clips, scale)
    repairs = Repairs()
    back = list(read_skels(tmp_path / "a.skels", 25.0, repairs=repairs))
    assert back[1] is None and repairs == {"empty lines": 1}
    for before, after in ((clips[0], back[0]), (clips[2], back[2])):
        np.testing.assert_allclose(after.positions, before.positions, atol=1e-4 * scale)
        assert (after.observed == before.observed).all()
        assert after.fps == 25.0 and after.layout == "openpose50"


def test_a_dwpose_clip_goes_in_385_numbers_a_frame(tmp_path):
    clip = made_dwpose()
    write_skels(tmp_path / "a.skels", [clip])
    assert len(lines_of(tmp_path / "a.skels")[0].split()) == 385 * len(clip)
    (back,) = read_skels(tmp_path / "a.skels", 24.0)
    assert back.layout == "dwpose128"
    np.testing.assert_allclose(back.positions, clip.positions, atol=1e-5)
    assert (back.observed == clip.observed).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", REFERENCES)
def test_the_reference_lift_writes_the_originals_file(shared_data, name):
    folder = shared_data / "how2sign" / "lift_reference"
    with np.load(folder / f"{name}.npz") as reference:
        positions = lift_reference_positions(reference["raw"].reshape(-1, 50, 3))
    ours, theirs = (
        np.array(text.split(), float).reshape(-1, 151)
        for text in (skels_line(positions / 9), (folder / f"{name}.skels").read_text())
    )
    apart = np.abs(ours - theirs)
    assert apart[:, 150].max() == 0
    apart = apart[:, :150].reshape(-1, 50, 3)
    assert apart[..., :2].max() <= 2e-5 and apart[..., 2].max() <= 5e-4


def test_real_files_of_both_scales_are_told_apart(shared_data):
    for split in ("dev", "train"):
        clips = list(read_skels(shared_data / "phoenix" / f"{split}.skels", 25.0))
        assert len(clips) == 5
        for clip in clips:
            assert clip.observed.all() and not clip.positions[:, 1].any()
            # the hands are in front of the signer
            assert np.median(clip.positions[:, [4, 7], 2]) < 0
    folder = shared_data / "how2sign" / "lift_reference"
    for path, scale in [(folder / f"{REFERENCES[0]}.skels", 9)]:
        numbers = np.array(path.read_text().split(), float).reshape(-1, 151)
        assert detect_scale(numbers[:, :150].reshape(-1, 50, 3), "here") == scale
    width = np.diff(next(read_skels(path, 24.0)).positions[:, [2, 5]], axis=1)
    assert np.median(np.linalg.norm(width, axis=-1)) == pytest.approx(1, abs=1e-5)


def test_a_scale_that_cannot_be_told_has_to_be_given(tmp_path):
    path = tmp_path / "a.skels"
    positions = made_clip().positions * 0.5
    path.write_text(skels_line(positions) + "\n")
    with pytest.raises(PoseFormatError, match=r"a.skels: line 1: the scale cannot be detected"):
        list(read_skels(path, 25.0))
    (clip,) = read_skels(path, 25.0, scale=3)
    assert len(clip) == 7
    with pytest.raises(PoseFormatError, match="3 or 9, not 4"):
        list(read_skels(path, 25.0, scale=4))


def test_prompt2signs_stand_in_for_missing_is_missing(tmp_path):
    positions = made_clip().positions / 9
    positions[3, 20] = np.nan
    positions[5, 40] = 0
    (tmp_path / "a.skels").write_text(skels_line(positions) + "\n")
    (clip,) = read_skels(tmp_path / "a.skels", 25.0)
    assert not clip.observed[3, 20] and not clip.observed[5, 40]


@pytest.mark.parametrize("shift", [1, 0])
def test_a_counter_that_does_not_count_is_refused(tmp_path, shift):
    frames = np.concatenate([made_clip().positions.reshape(7, 150) / 9, np.zeros((7, 1))], axis=1)
    frames[:, 150] = (np.arange(7) + shift) / 7
    path = tmp_path / "a.skels"
    path.write_text(" ".join(map(str, frames.ravel())))
    assert len(next(read_skels(path, 25.0, scale=9))) == 7
    path.write_text(" ".join(map(str, frames[1:].ravel())))
    with pytest.raises(PoseFormatError, match="line 1: the counter of frame"):
        list(read_skels(path, 25.0, scale=9))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"1 2 3", "3 numbers are no whole number of frames"),
        (b"1 2 x" + b" 0" * 148, "could not convert"),
        (b"1 \xff" + b" 0" * 149, "byte 2 is no text"),
        (b" ".join([b"nan"] * 150 + [b"1.0"]), "the scale cannot be detected"),
        (b" ".join([b"1e99"] * 150 + [b"1.0"]), "the scale cannot be detected"),
        (b" ".join([b"0"] * 384 + [b"1.0"]), "no frame shows both shoulders"),
    ],
)
def test_a_damaged_line_is_refused_by_its_number(tmp_path, line, reason):
    path = tmp_path / "a.skels"
    write_skels(path, [made_clip()])
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(PoseFormatError, match=f"line 2: .*{reason}"):
        list(read_skels(path, 25.0))


def test_unusable_numbers_make_a_joint_missing_and_are_counted(tmp_path):
    path, repairs = tmp_path / "a.skels", Repairs()
    numbers = skels_line(made_clip().positions / 9).split()
    numbers[60], numbers[151 + 70] = "nan", "-1e80"
    path.write_text(" ".join(numbers))
    (clip,) = read_skels(path, 25.0, repairs=repairs)
    assert repairs == {"joints not finite": 1, "joints out of range": 1}
    assert not clip.observed[0, 20] and not clip.observed[1, 23]


def test_places_that_cannot_be_read_or_written(tmp_path):
    with pytest.raises(PoseFormatError, match="cannot be read"):
        list(read_skels(tmp_path / "none.skels", 25.0))
    with pytest.raises(OutputError, match="cannot be written"):
        write_skels(tmp_path / "none" / "a.skels", [made_clip()])
    with pytest.raises(OutputError, match="3 or 9"):
        write_skels(tmp_path / "a.skels", [], scale=1)


def test_two_thousand_damaged_files_end_in_an_error_or_clips(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "a.skels"
    write_skels(path, [made_clip(2), None, made_dwpose(1)])
    content = path.read_bytes()
    taken = 0
    for _ in range(2000):
        path.write_bytes(damaged(content, rng))
        taken += survives(lambda: list(read_skels(path, 25.0, repairs=Repairs())), "a.skels")
    assert 0 < taken < 2000
