"""A lifted clip over its picture: the fit, the distance, the drawing and the command."""

import dataclasses

import numpy as np
import pytest
from commands import run
from PIL import Image
from real_clips import letters

from launch.benchmarks.lift_quality import planar_share, wrist_depth_motion
from signllm_jax.core import cli
from signllm_jax.core.errors import DataError, OutputError, PoseFormatError
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.pose_file import read_pose_keypoints, write_pose_file
from signllm_jax.render.overlay import (
    draw_overlay,
    fit_projection,
    measure,
    overlay,
    overlay_strip,
    pixel_distances,
)
from signllm_jax.render.pictures import video_pictures
from signllm_jax.render.video import write_video


def seen_at(clip, scale=150.0, shift=(300.0, 200.0)):
    """The keypoints of a clip in a picture."""
    points = clip.positions[..., :2] * scale + shift
    keypoints = np.concatenate([points, clip.confidence[..., None]], axis=-1)
    return np.where(clip.observed[..., None], keypoints, 0)


def test_the_scale_and_place_of_a_clip_in_its_picture_are_found():
    clip = letters()[0]
    found = fit_projection(clip, seen_at(clip))
    assert found.scale == pytest.approx(150, rel=1e-5)
    np.testing.assert_allclose(found.shift, [300, 200], atol=1e-3)
    assert pixel_distances(clip, seen_at(clip)).max() < 1e-2
    # a guess of little confidence hardly moves the fit, and is not measured
    keypoints = seen_at(clip)
    keypoints[:, 0, 0] += 400
    keypoints[:, 0, 2] = 0.001
    measured = measure(clip, keypoints)
    assert measured["mean"] < 0.1 and measured["share"] < clip.observed.mean()
    # the distance is in pixels, and in shoulder widths of the picture
    rng = np.random.default_rng(0)
    noise = rng.normal(size=keypoints.shape[:2])
    keypoints = seen_at(clip)
    keypoints[..., 0] += 3 * noise
    measured = measure(clip, keypoints)
    sure = clip.confidence >= 0.4
    assert measured["mean"] == pytest.approx(3 * np.abs(noise)[sure].mean(), rel=0.05)
    assert measured["mean_shoulder_widths"] == pytest.approx(measured["mean"] / 150, rel=0.02)


def test_what_has_nothing_in_common_is_refused():
    clip = letters()[0]
    with pytest.raises(PoseFormatError, match=r"keypoints .* for a clip"):
        fit_projection(clip, seen_at(clip)[1:])
    with pytest.raises(PoseFormatError, match="no joints in common"):
        fit_projection(clip, np.zeros_like(seen_at(clip)))
    with pytest.raises(PoseFormatError, match=r"confidence of 0\.4"):
        measure(clip, seen_at(dataclasses.replace(clip, confidence=clip.confidence * 0.3)))


def test_the_clip_is_drawn_where_it_stands():
    clip = letters()[0]
    keypoints, frame = seen_at(clip), 10
    ground = Image.new("RGB", (600, 500), "#000000")
    drawn = np.asarray(
        draw_overlay(ground, clip, keypoints, frame, fit_projection(clip, keypoints))
    )
    rows, columns = np.nonzero(drawn.any(-1))
    points = keypoints[frame, clip.observed[frame], :2]
    assert columns.min() >= points[:, 0].min() - 5 and columns.max() <= points[:, 0].max() + 5
    assert rows.min() >= points[:, 1].min() - 5 and rows.max() <= points[:, 1].max() + 5
    elbow = keypoints[frame, 3, :2].round().astype(int)
    assert drawn[elbow[1], elbow[0]].any()
    assert not np.asarray(ground).any()  # the picture given stays as it is
    strip = overlay_strip(clip, keypoints, None, frames=3)
    assert strip.height == 240 and strip.width > 300


def test_pixels_of_a_pose_file_are_those_that_were_written(tmp_path):
    clip = letters()[0]
    write_pose_file(tmp_path / "a.pose", clip)
    keypoints, fps = read_pose_keypoints(tmp_path / "a.pose")
    assert fps == clip.fps
    np.testing.assert_array_equal(keypoints[..., 2] > 0, clip.observed)
    assert fit_projection(clip, keypoints).scale == pytest.approx(160, rel=1e-3)


def test_a_video_gives_its_pictures_back(tmp_path):
    frames = [np.full((48, 64, 3), 20 * number, np.uint8) for number in range(8)]
    write_video(tmp_path / "a.mp4", iter(frames), 25.0)
    found = list(video_pictures(tmp_path / "a.mp4"))
    assert len(found) == 8 and found[0].size == (64, 48)
    assert np.asarray(found[6]).mean() == pytest.approx(120, abs=4)
    (tmp_path / "b.mp4").write_bytes(b"no video")
    with pytest.raises(DataError, match=r"b\.mp4: no readable video"):
        list(video_pictures(tmp_path / "b.mp4"))
    with pytest.raises(DataError, match="no such video"):
        list(video_pictures(tmp_path / "c.mp4"))


@pytest.mark.slow  # lifts in a process of its own
def test_the_command_draws_and_measures(tmp_path, shared_data):
    folder = shared_data / "how2sign"
    name = "_2FBDaOPYig_4-3-rgb_front"
    args = [f"--pose={folder / 'openpose' / name}", "--fps=24", f"--output={tmp_path / 'a.png'}"]
    code, out, err = run(tmp_path, "overlay", [*args, f"--video={folder / 'video' / name}.mp4"])
    assert code == 0, err
    assert "62 frames; the projected pose is" in out
    pixels = float(out.partition("pose is ")[2].split()[0])
    assert 1 < pixels < 8  # of 1280 x 720
    with Image.open(tmp_path / "a.png") as image:
        assert image.height == 240
    code, _, err = run(tmp_path, "overlay", [*args, f"--video={tmp_path / 'none.mp4'}"])
    assert code == cli.BAD_INPUT and "no such video" in err and err.count("\n") == 1


def test_a_video_that_is_too_short_and_an_unknown_suffix_are_refused(tmp_path):
    clip = letters()[0]
    write_pose_file(tmp_path / "a.pose", clip)
    with pytest.raises(OutputError, match=r"an overlay is a \.mp4 or a \.png"):
        overlay(tmp_path / "a.pose", tmp_path / "a.gif")
    write_video(tmp_path / "a.mp4", iter([np.zeros((640, 640, 3), np.uint8)] * 3), 25.0)
    with pytest.raises(DataError, match=f"the video has 3 frames, but {len(clip)} have"):
        overlay(tmp_path / "a.pose", tmp_path / "b.mp4", tmp_path / "a.mp4")
    measured = overlay(tmp_path / "a.pose", tmp_path / "b.mp4")
    assert measured["frames"] == len(clip) == len(list(video_pictures(tmp_path / "b.mp4")))
    assert measured["mean_shoulder_widths"] < 0.06


def test_flat_bones_and_shaking_wrists_are_measured():
    positions = np.zeros((3, 50, 3), np.float32)
    positions[:] = np.arange(50)[:, None] * [1, 1, 0]
    clip = PoseClip(positions, np.ones((3, 50), np.float32), 25)
    assert planar_share(clip) == 1 and wrist_depth_motion(clip) == 0
    positions[1, [4, 7], 2] = 5
    shaken = dataclasses.replace(clip, positions=positions)
    assert wrist_depth_motion(shaken) == pytest.approx(5)
    # in one of three frames both forearms and both wrist-to-hand bones lean
    assert planar_share(shaken) == pytest.approx(1 - 4 / 49 / 3)


def test_a_program_that_says_much_about_a_damaged_video_is_no_hang(tmp_path, monkeypatch):
    program = tmp_path / "ffmpeg"  # more words than a pipe holds, then one picture
    program.write_text(
        "#!/bin/sh\nhead -c 300000 /dev/zero | tr '\\0' 'x' >&2\nprintf 'P6\\n1 1\\n255\\nabc'\n"
    )
    program.chmod(0o700)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    (tmp_path / "a.mp4").write_bytes(b"any")
    assert [picture.size for picture in video_pictures(tmp_path / "a.mp4")] == [(1, 1)]


def test_a_picture_that_is_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\nprintf 'P6\\n100000 100000\\n255\\n'\nexec sleep 60\n")
    program.chmod(0o700)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    (tmp_path / "a.mp4").write_bytes(b"any")
    with pytest.raises(DataError, match="100000 x 100000"):
        list(video_pictures(tmp_path / "a.mp4"))


def test_a_video_is_read_no_further_than_it_is_wanted(tmp_path, monkeypatch):
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\nwhile :; do printf 'P6\\n1 1\\n255\\nabc'; done\n")
    program.chmod(0o700)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    (tmp_path / "a.mp4").write_bytes(b"any")
    found = video_pictures(tmp_path / "a.mp4")
    assert next(found).size == (1, 1)
    found.close()  # ends the program, which has no end


def test_a_joint_far_out_makes_no_huge_picture():
    clip = letters()[0]
    keypoints = seen_at(clip)
    keypoints[0, 0] = (1e9, 1e9, 0.001)
    strip = overlay_strip(clip, keypoints, None, frames=2)
    assert max(strip.size) <= 2 * (4 * 240 + 4)
