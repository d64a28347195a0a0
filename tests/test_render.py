import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from real_clips import letters, phoenix

from signllm_jax.core.errors import OutputError
from signllm_jax.corpora.fingerspelling import spelled_clip
from signllm_jax.render import lettering, view
from signllm_jax.render.figure import CARD, contact_strip, draw_frame
from signllm_jax.render.save import SUFFIXES, save_clip
from signllm_jax.render.scene import video_frames
from signllm_jax.render.view import signing_view


def short(clip, frames=6):
    return dataclasses.replace(
        clip, positions=clip.positions[:frames], confidence=clip.confidence[:frames]
    )


def pixels(image, reddish):
    """Where a picture [H, W, 3] is orange (the right hand's colours) or blue (the left's)."""
    red, _, blue = np.moveaxis(np.asarray(image).astype(int), -1, 0)
    return (red - blue > 90) if reddish else (blue - red > 90)


def drawn(clip, index=10, view=None, size=(240, 240), **changes):
    clip = dataclasses.replace(clip, **changes)
    view = view or signing_view([clip], aspect=size[0] / size[1])
    return draw_frame(clip, index, view, size)


def test_hands_stand_where_the_joints_are_in_their_own_colours():
    clip = letters()[0]
    view = signing_view([clip], aspect=1)
    places = view.project(clip.positions[10], (240, 240))
    right, left = (clip.skeleton.groups[name] for name in ("right_hand", "left_hand"))
    ys, xs = np.nonzero(pixels(drawn(clip), reddish=True))
    assert len(ys) > 100
    low, high = places[list(right)].min(0) - 8, places[list(right)].max(0) + 8
    assert xs.min() > low[0] and xs.max() < high[0] and ys.min() > low[1] and ys.max() < high[1]
    assert not clip.observed[10, left].any()
    assert not pixels(drawn(clip), reddish=False).any()


def test_a_missing_joint_is_not_drawn():
    clip = letters()[0]
    confidence = clip.confidence.copy()
    confidence[:, list(clip.skeleton.groups["right_hand"])] = 0
    view = signing_view([clip])
    assert not pixels(drawn(clip, view=view, confidence=confidence), reddish=True).any()
    nothing = drawn(clip, view=view, confidence=np.zeros_like(confidence))
    assert len(nothing.getcolors()) == 1
    assert "#{:02x}{:02x}{:02x}".format(*nothing.getpixel((0, 0))) == CARD


def test_a_shoulder_width_is_as_long_across_as_down_in_any_shape_of_picture():
    view = signing_view(letters())
    for size in ((200, 200), (400, 150)):
        corner, across, down = view.project(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0.0]]), size)
        np.testing.assert_allclose(across - corner, (down - corner)[::-1])
        assert (across - corner)[0] > 10


def test_the_view_holds_head_and_hands_of_every_clip(shared_data):
    clips = phoenix(shared_data)
    for side in (False, True):
        view = signing_view(clips, side=side)
        size = (300, round(300 * view.height / view.width))
        hands = [8 + joint for joint in range(42)]
        places = np.concatenate(
            [view.project(frame[[0, *hands]], size) for clip in clips for frame in clip.positions]
        )
        assert ((places > 0) & (places < size)).all(-1).mean() > 0.99


def test_the_side_view_shows_depth():
    clip = letters()[0]
    flat = dataclasses.replace(clip, positions=clip.positions * np.float32([1, 1, 0]))
    deep = flat.positions.copy()
    deep[:, 29:, 2] -= 0.8  # the right hand stretched towards the camera
    deep = dataclasses.replace(clip, positions=deep)
    front, side = (signing_view([deep], side=side, aspect=1) for side in (False, True))
    same = [np.asarray(drawn(c, view=front)) for c in (flat, deep)]
    np.testing.assert_array_equal(*same)
    columns = [np.nonzero(pixels(drawn(c, view=side), True))[1].mean() for c in (flat, deep)]
    assert columns[1] < columns[0] - 30  # it faces left


def test_a_contact_strip_has_a_row_for_each_clip_and_the_text_above():
    produced, reference = letters()[:2]
    one, two = contact_strip(produced), contact_strip(produced, reference, frames=8)
    titled = contact_strip(produced, reference, "asl · hello", frames=8)
    assert two.height > 1.8 * one.height
    assert titled.height > two.height and titled.width == two.width
    assert (np.asarray(titled)[:40] < 100).any() and not (np.asarray(two)[:12] < 255).any()
    long = contact_strip(produced, reference, "ein sehr langer satz " * 50, frames=8)
    assert titled.height < long.height < titled.height + 60
    still = contact_strip(short(produced, 1), frames=3)
    assert pixels(still, reddish=True).any()


SCRIPTS = ("hello", "şığ ößü", "안녕", "жизнь", "手話", "\U0001f44b hi")


@pytest.mark.parametrize("fonts", [lettering._FONTS, ()], ids=["this machine", "no other font"])
@pytest.mark.parametrize("text", SCRIPTS)
def test_any_script_can_be_written(text, fonts, monkeypatch):
    """No letter is a box: each is another picture than what a font has for no letter."""
    monkeypatch.setattr(lettering, "_FONTS", fonts)
    lettering.legible.cache_clear()
    try:
        face, written = lettering.legible(16, text)
        absent = face.getmask("\uffff")
        for letter in set("".join(written.split())):
            assert bytes(face.getmask(letter)) != bytes(absent), letter
        strip, other = (
            np.asarray(contact_strip(short(letters()[0]), text=shown, frames=2))
            for shown in (text, text[::-1])
        )
        assert not np.array_equal(strip, other)  # boxes would be the same in any order
    finally:
        lettering.legible.cache_clear()


def test_letters_that_no_font_has_are_written_by_their_sound(monkeypatch):
    monkeypatch.setattr(lettering, "_FONTS", ())
    lettering.legible.cache_clear()
    assert lettering.legible(16, "hi 안녕")[1] == "hi annyeong"
    lettering.legible.cache_clear()


def test_a_video_lasts_as_long_as_the_longer_clip_and_has_even_sides():
    produced, reference = letters()[0], letters()[3]
    assert len(reference) > len(produced)
    frames = list(video_frames(produced, reference, "hello", height=89))
    assert len(frames) == len(reference)
    assert {frame.shape for frame in frames} == {(90, 158, 3)}
    half = dataclasses.replace(produced, fps=produced.fps / 2)
    assert len(list(video_frames(half, produced, height=90))) == len(produced)


def test_a_video_has_720_lines_and_shows_each_hand_that_signs_close_up():
    clip = letters()[0]
    (picture,) = video_frames(clip, only={10})
    assert picture.shape == (720, 1280, 3)
    one, two = pixels(picture[:, :640], True), pixels(picture[:, 640:], True)
    assert two.sum() > 2 * one.sum() > 1000
    both = clip.positions.copy()
    both[:, 8:29] = both[:, 29:] * (-1, 1, 1)
    both = dataclasses.replace(clip, positions=both, confidence=np.ones_like(clip.confidence))
    (picture,) = video_frames(both, only={10})
    assert pixels(picture[:350, 960:], True).any() and pixels(picture[370:, 960:], False).any()
    assert not pixels(picture[:350, 960:], False).any()


def test_mp4_and_gif_keep_frames_time_and_size(tmp_path):
    import imageio_ffmpeg

    produced, reference = letters()[:2]
    expected = list(video_frames(produced, reference, "hello"))
    path = save_clip(tmp_path / "new" / "hello.mp4", produced, reference, "hello")
    count, seconds = imageio_ffmpeg.count_frames_and_secs(str(path))
    assert (count, seconds) == (
        len(expected),
        pytest.approx(len(expected) / produced.fps, abs=0.02),
    )
    raw = subprocess.run(
        [
            imageio_ffmpeg.get_ffmpeg_exe(),
            "-i",
            path,
            *["-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
        ],
        capture_output=True,
        check=True,
    ).stdout
    decoded = np.frombuffer(raw, np.uint8).reshape(-1, *expected[0].shape)
    assert len(decoded) == len(expected)
    assert np.abs(decoded[12].astype(int) - expected[12]).mean() < 4
    path = save_clip(tmp_path / "hello.gif", produced, reference, "hello")
    with Image.open(path) as gif:
        durations = []
        for page in range(gif.n_frames):
            gif.seek(page)
            durations.append(gif.info["duration"])
        assert gif.size == (800, 450)
    assert sum(durations) == pytest.approx(1000 * len(expected) / produced.fps, abs=11)
    assert sorted(p.name for p in tmp_path.rglob("*.*")) == ["hello.gif", "hello.mp4"]


def test_a_gif_at_thirty_frames_a_second_keeps_time(tmp_path):
    clip = dataclasses.replace(letters()[0], fps=30.0)
    with Image.open(save_clip(tmp_path / "a.gif", clip)) as gif:
        total = 0
        for page in range(gif.n_frames):
            gif.seek(page)
            total += gif.info["duration"]
    assert total == pytest.approx(1000 * len(clip) / 30, abs=11)


def test_png_is_the_contact_strip_and_npz_the_clip(tmp_path):
    clip = letters()[0]
    with Image.open(save_clip(tmp_path / "a.PNG", clip, text="a")) as image:
        np.testing.assert_array_equal(image, contact_strip(clip, text="a"))
    arrays = np.load(save_clip(str(tmp_path / "a.npz"), clip))
    np.testing.assert_array_equal(arrays["positions"], clip.positions)
    np.testing.assert_array_equal(arrays["confidence"], clip.confidence)
    assert arrays["fps"] == clip.fps and str(arrays["layout"]) == clip.layout


def test_an_unknown_suffix_names_the_accepted_ones(tmp_path):
    for name in ("hello.avi", "hello"):
        with pytest.raises(
            OutputError,
            match=r"\.mp4 \.webm \.gif \.png \.html \.glb \.bvh \.vtt \.srt \.eaf \.npz",
        ):
            save_clip(tmp_path / name, letters()[0])


def test_elbows_are_in_the_picture_and_the_hand_is_a_fifth_of_it():
    clip = spelled_clip("hello", "asl")
    view = signing_view([clip])
    elbow = clip.positions[:, clip.skeleton.joints.index("right_elbow"), :2]
    inside = (elbow > [view.left, view.top]) & (
        elbow < [view.left + view.width, view.top + view.height]
    )
    assert inside.all(-1).mean() > 0.98
    hand = clip.positions[:, list(clip.skeleton.groups["right_hand"]), :2]
    assert np.ptp(hand, axis=1).max(-1).max() > 0.2 * view.height


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_unwritable_places_and_empty_clips_are_one_line_errors(tmp_path, suffix):
    clip = letters()[0]
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(OutputError, match="cannot write") as error:
            save_clip(folder / f"a{suffix}", clip)
        assert "\n" not in str(error.value)
    with pytest.raises(OutputError, match="no frames"):
        save_clip(tmp_path / f"a{suffix}", short(clip, 0))
    (tmp_path / f"b{suffix}").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        save_clip(tmp_path / f"b{suffix}", short(clip, 2))
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_failure_leaves_the_old_file_and_no_half_written_one(tmp_path, monkeypatch):
    clip = letters()[0]
    path = save_clip(tmp_path / "a.npz", clip)
    before = path.read_bytes()
    monkeypatch.setattr(
        np, "savez_compressed", lambda *_, **__: (_ for _ in ()).throw(OSError("full"))
    )
    with pytest.raises(OutputError, match="full"):
        save_clip(path, clip)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_library_names_the_extra_that_brings_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(OutputError, match=r"imageio_ffmpeg.*\.\[demo\]"):
        save_clip(tmp_path / "a.mp4", letters()[0])
    assert list(tmp_path.iterdir()) == []


def test_a_video_has_a_picture_per_frame():
    clip = letters()[0]
    times = np.arange(90) % len(clip)
    clip = dataclasses.replace(
        clip, positions=clip.positions[times], confidence=clip.confidence[times]
    )
    assert sum(1 for _ in video_frames(clip, text="hello", height=90)) == 90


@pytest.mark.parametrize("count", [1, 2, 7, 500])
def test_percentiles_of_points_are_those_of_numpy(count):
    points = np.random.default_rng(count).normal(size=(count, 3)).astype(np.float32)
    which = np.array([0.5, 5, 50, 99.5])
    known = np.percentile(points, which, axis=0)
    np.testing.assert_allclose(view._percentiles(points, which), known, rtol=1e-5, atol=1e-6)
