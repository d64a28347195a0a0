"""What is signed when, for other programs: subtitles `.vtt` and `.srt`, and ELAN's `.eaf`."""

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path

from signllm_jax.core.errors import OutputError
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.cues import Cue


def _cues(clip: PoseClip) -> tuple[Cue, ...]:
    if not clip.cues:
        raise OutputError("this clip does not say what is signed when, as produced clips do")
    return clip.cues


def save_subtitles(path: Path, clip: PoseClip, suffix: str) -> None:
    """Writes one subtitle for each letter or gloss; `suffix` is `.vtt` or `.srt`."""
    import webvtt

    made = webvtt.WebVTT()
    for cue in _cues(clip):
        made.captions.append(webvtt.Caption(_clock(cue.start), _clock(cue.end), cue.label))
    with io.StringIO() as lines:
        made.write(lines, format=suffix[1:])
        path.write_text(lines.getvalue(), encoding="utf-8")


def save_eaf(path: Path, clip: PoseClip, text: str) -> None:
    """Writes an ELAN file: the tiers `text`, `words` and `letters`, or `text` and `glosses`."""
    from pympi import Elan

    cues = _cues(clip)
    made = Elan.Eaf(author="signllm_jax")
    made.remove_tier("default")
    spelled = all(cue.spelled for cue in cues)
    whole = [Cue(0.0, clip.seconds, text or " ".join(cue.label for cue in cues))]
    tiers = {"text": whole, "letters" if spelled else "glosses": cues}
    if spelled:
        tiers["words"] = _words(cues)
    for name, own in tiers.items():
        made.add_tier(name)
        for cue in own:
            start, end = round(1000 * cue.start), round(1000 * cue.end)
            made.add_annotation(name, start, end, cue.label)
    with io.StringIO() as lines:  # into a file pympi would keep a copy of what it replaces
        with contextlib.redirect_stdout(lines):
            made.to_file("-")
        path.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n{lines.getvalue()}', "utf-8")


def _words(cues: Sequence[Cue]) -> list[Cue]:
    """The words that letters make up."""
    words: dict[int, list[Cue]] = {}
    for cue in cues:
        words.setdefault(cue.word, []).append(cue)
    return [
        Cue(own[0].start, own[-1].end, "".join(cue.label for cue in own), number)
        for number, own in words.items()
    ]


def _clock(seconds: float) -> str:
    """`00:00:01.250`."""
    minutes, rest = divmod(round(1000 * seconds), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
