"""Writes the times of letters and glosses: subtitles `.vtt` and `.srt`, and ELAN's `.eaf`."""

import contextlib
import io
import itertools
from collections.abc import Sequence
from pathlib import Path

from signllm_jax.core.errors import OutputError
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.cues import Cue


def _cues(clip: PoseClip) -> tuple[Cue, ...]:
    if not clip.cues:
        raise OutputError("this clip does not say what is signed when, as produced clips do")
    return clip.cues


def save_subtitles(path: Path, clip: PoseClip) -> None:
    """Writes one subtitle per letter or gloss, in the format of the suffix `.vtt` or `.srt`."""
    import webvtt

    subtitles = webvtt.WebVTT()
    for cue in _cues(clip):
        subtitles.captions.append(webvtt.Caption(_clock(cue.start), _clock(cue.end), cue.label))
    with io.StringIO() as lines:
        subtitles.write(lines, format=path.suffix[1:])
        path.write_text(lines.getvalue(), encoding="utf-8")


def save_eaf(path: Path, clip: PoseClip, text: str) -> None:
    """Writes an ELAN file: the tiers `text`, `words` and `letters`, or `text` and `glosses`."""
    from pympi import Elan

    cues = _cues(clip)
    file = Elan.Eaf(author="signllm_jax")
    file.remove_tier("default")
    spelled = all(cue.spelled for cue in cues)
    whole = [Cue(0.0, clip.seconds, text or " ".join(cue.label for cue in cues))]
    tiers = {"text": whole, "letters" if spelled else "glosses": cues}
    if spelled:
        tiers["words"] = _words(cues)
    for name, tier_cues in tiers.items():
        file.add_tier(name)
        for cue in tier_cues:
            file.add_annotation(name, round(1000 * cue.start), round(1000 * cue.end), cue.label)
    # pympi would keep a copy of a file that it replaces
    with io.StringIO() as lines, contextlib.redirect_stdout(lines):
        file.to_file("-")
        path.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n{lines.getvalue()}', "utf-8")


def _words(cues: Sequence[Cue]) -> list[Cue]:
    """The words that consist of the letters."""
    words = []
    for number, group in itertools.groupby(cues, key=lambda cue: cue.word):
        letters = list(group)
        label = "".join(cue.label for cue in letters)
        words.append(Cue(letters[0].start, letters[-1].end, label, number))
    return words


def _clock(seconds: float) -> str:
    """`00:00:01.250`."""
    minutes, rest = divmod(round(1000 * seconds), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
