"""Which letter is signed when, and what shows it: pictures, subtitles, ELAN, the clip itself."""

import dataclasses

import numpy as np
import pytest
import webvtt
from PIL import Image
from pympi import Elan
from real_clips import letters

from signllm_jax import PoseClip
from signllm_jax.core.errors import OutputError, PoseFormatError
from signllm_jax.corpora.fingerspelling import spelled_clip
from signllm_jax.inference.letter_times import with_gloss
from signllm_jax.inference.request import Request, title
from signllm_jax.poses.cues import Cue, cue_at, signed_cues, spelled_cues, spelling
from signllm_jax.poses.join import join_clips
from signllm_jax.render.figure import ACCENT
from signllm_jax.render.page import clip_dict, clip_page
from signllm_jax.render.scene import video_frames
from signllm_jax.text.spoken_signs import split_signs, spoken_signs


@pytest.fixture(scope="module")
def clip():
    """A real one of `hi du`, which is spelled in two words."""
    made = spelled_clip("hi du", "asl")
    return dataclasses.replace(made, cues=spelled_cues(["hi", "du"], made.seconds))


@pytest.mark.parametrize("text", ["hello", "abcd", "hello world", "good old tree"])
def test_letters_lie_where_the_recorded_ones_do(text):
    made = spelled_clip(text, "asl")
    cues, at = spelled_cues(text.split(), made.seconds), 0
    assert [cue.label for cue in cues] == [*text.replace(" ", "")]
    for number, (cue, after) in enumerate(zip(cues, (*cues[1:], None))):
        assert cue.start <= at / made.fps and (at + 12) / made.fps <= cue.end + 1e-9
        assert after is None or cue.end <= after.start + 1e-9
        at += 12 + (4 if after and after.word == cue.word else 12)
        assert cue_at(cues, (cue.start + cue.end) / 2) == number
    assert cues[0].start == 0 and cues[-1].end == pytest.approx(made.seconds)


def test_joined_clips_keep_their_letters_in_order(clip):
    joined = join_clips([clip, dataclasses.replace(clip, ended=False)], 0.4)
    assert spelling(joined.cues) == "h-i d-u h-i d-u" and not joined.ended
    assert joined.cues[-1].end == pytest.approx(joined.seconds)
    assert joined.cues[4].start == pytest.approx(clip.seconds + 0.4)


def test_the_glosses_of_a_sentence_are_lit_one_after_the_other(clip):
    cues = signed_cues(["HELLO", "TEA", "PLEASE"], clip.seconds)
    assert [cue.label for cue in cues] == ["HELLO", "TEA", "PLEASE"] and spelling(cues) == ""
    assert [cue_at(cues, clip.seconds * share) for share in (0.0, 0.4, 0.99)] == [0, 1, 2]
    signed = dataclasses.replace(clip, cues=cues)
    colour = [int(ACCENT[i : i + 2], 16) for i in (1, 3, 5)]
    first, last = video_frames(signed, only={0, len(clip) - 1}, height=240)
    lit = [(picture[:60] == colour).all(-1) for picture in (first, last)]
    assert lit[0].any() and lit[1].any() and not np.array_equal(*lit)


def test_texts_that_say_their_signs_are_told_from_others():
    lines = [["HELLO", "TEA"], ["THANK-YOU"], ["TEA", "PLEASE"]]
    signs = spoken_signs(["hello tea", "Thank you", "tea please"], lines)
    assert signs == ("hello", "please", "tea", "thank you")
    assert split_signs("Hello tea thank you please", signs) == [
        "hello",
        "tea",
        "thank you",
        "please",
    ]
    assert split_signs("a tea please", signs) == ["a tea please"]
    assert split_signs("any text", ()) == ["any text"] and split_signs("", signs) == [""]
    assert spoken_signs(["hello tea", "some coffee"], [["HELLO", "TEA"], ["COFFEE"]]) == ()
    assert spoken_signs(["hello"], [[]]) == ()


def test_letters_within_a_sentence_are_one_word_and_take_less_time(clip):
    said = "<asl:I> <asl_fs:A> <asl_fs:L> <asl:TEA>"
    cues = with_gloss(clip, said, spelled=False).cues
    assert [(cue.label, cue.word, cue.spelled) for cue in cues] == [
        *(("I", 0, False), ("a", 1, True), ("l", 1, True), ("TEA", 2, False)),
    ]
    lengths = [cue.end - cue.start for cue in cues]
    assert lengths[0] == pytest.approx(lengths[3]) and lengths[1] < lengths[0]
    assert cues[0].start == 0 and cues[-1].end == pytest.approx(clip.seconds)


def test_a_clip_says_what_it_shows(clip):
    request = Request("asl", "hi, du!", "hi du")
    assert title(request, clip) == "h-i d-u, fingerspelled in the ASL alphabet"
    cut = dataclasses.replace(clip, ended=False)
    assert title(request, cut).endswith("(did not end by itself)")
    signed = dataclasses.replace(clip, cues=(Cue(0, 1, "HI", spelled=False),))
    assert title(request, signed) == "hi, du!, in American Sign Language"
    frames = f"{len(clip)} frames, {len(clip) / 25:.1f} s at 25 fps"
    assert repr(clip) == f"<PoseClip 'h-i d-u': {frames}, openpose50>"
    assert "did not end by itself" in repr(cut)
    assert "h-i d-u" in clip_page(clip) and "&lt;!doctype html&gt;" in clip._repr_html_()
    empty = PoseClip(np.zeros((0, 50, 3)), np.zeros((0, 50)), 25)
    assert empty._repr_html_() == "<p>&lt;PoseClip: 0 frames, 0.0 s at 25 fps, openpose50&gt;</p>"
    assert clip_dict(clip)["cues"][0]["label"] == "h" and clip_dict(clip)["ended"]


def test_a_video_lights_the_letter_of_the_moment(clip):
    middles = [round((cue.start + cue.end) / 2 * clip.fps) for cue in clip.cues]
    pause = round((clip.cues[1].end + clip.cues[2].start) / 2 * clip.fps)
    colour, columns = [int(ACCENT[i : i + 2], 16) for i in (1, 3, 5)], []
    for picture in video_frames(clip, text="h-i d-u", only={*middles, pause}):
        lit = (picture[:90] == colour).all(-1)
        columns.append(np.nonzero(lit)[1].mean() if lit.any() else None)
    assert columns.pop(2) is None  # between the words no letter is lit
    first, second, third, fourth = columns
    assert first < second and third < fourth


def test_subtitles_and_elan_have_the_letters_with_their_times(clip, tmp_path):
    for suffix in ("vtt", "srt"):
        path = clip.save(tmp_path / f"clip.{suffix}")
        read = webvtt.from_srt(str(path)) if suffix == "srt" else webvtt.read(str(path))
        assert [caption.text for caption in read] == [*"hidu"]
        for caption, cue in zip(read, clip.cues):
            assert caption.start_in_seconds == pytest.approx(cue.start, abs=1)
            assert caption.start[-3:] == f"{cue.start % 1:.3f}"[-3:]
    made = Elan.Eaf(str(clip.save(tmp_path / "clip.eaf", "hi du")))
    assert [path.name for path in tmp_path.iterdir() if path.suffix not in (".vtt", ".srt")] == [
        "clip.eaf"
    ]
    assert {*made.get_tier_names()} == {"text", "words", "letters"}
    letters_ = sorted(made.get_annotation_data_for_tier("letters"))
    assert [value for _, _, value in letters_] == [*"hidu"]
    assert [start for start, _, _ in letters_] == [round(1000 * c.start) for c in clip.cues]
    assert [v for _, _, v in sorted(made.get_annotation_data_for_tier("words"))] == ["hi", "du"]
    assert made.get_annotation_data_for_tier("text")[0][2] == "hi du"


def test_a_clip_without_letters_has_no_subtitles(tmp_path):
    for suffix in ("vtt", "srt", "eaf"):
        with pytest.raises(OutputError, match="does not say what is signed when"):
            letters()[0].save(tmp_path / f"clip.{suffix}")
    assert not any(tmp_path.iterdir())


def test_a_webm_is_a_video(tmp_path):
    path = letters()[0].save(tmp_path / "clip.webm", "ab")
    assert path.read_bytes()[:4] == bytes.fromhex("1a45dfa3") and b"webm" in path.read_bytes()[:64]


@pytest.mark.parametrize("fps, delays", [(60.0, {20}), (120.0, {20}), (50.0, {20}), (25.0, {40})])
def test_a_gif_plays_at_an_even_pace(fps, delays, tmp_path):
    clip = dataclasses.replace(letters()[0], fps=fps)
    with Image.open(clip.save(tmp_path / "clip.gif")) as picture:
        found = []
        for number in range(picture.n_frames):
            picture.seek(number)
            found.append(picture.info["duration"])
    assert all(delay % min(delays) == 0 for delay in found)  # equal pictures are joined
    assert sum(found) / 1000 == pytest.approx(clip.seconds, abs=0.03)


def test_a_saved_clip_is_loaded_again(clip, tmp_path):
    again = PoseClip.load(clip.save(tmp_path / "clip.npz"))
    np.testing.assert_array_equal(again.positions, clip.positions)
    assert again.fps == clip.fps


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda: PoseClip([[1]], np.ones((1, 50)), 25), "positions must be an array"),
        (lambda: PoseClip(np.zeros((1, 50, 3)), None, 25), "confidence must be an array"),
        (lambda: PoseClip(np.zeros((1, 50, 3)), np.ones((1, 50)), "25"), "not '25'"),
        (lambda: PoseClip(np.zeros((1, 50, 3), str), np.ones((1, 50)), 25), "numbers, not <U1"),
        (lambda: PoseClip(np.zeros(()), np.ones(()), 25), "needs positions"),
        (lambda: PoseClip.load(5), "not from int"),
        (lambda: PoseClip.load("/nowhere/clip.npz"), "/nowhere/clip.npz: there is no such file"),
    ],
)
def test_wrong_types_are_told_apart(make, said):
    with pytest.raises(PoseFormatError, match=said):
        make()


def test_what_is_no_clip_is_not_saved(tmp_path):
    from signllm_jax.render.save import save_clip

    with pytest.raises(OutputError, match="list is no PoseClip"):
        save_clip(tmp_path / "a.npz", [1])
