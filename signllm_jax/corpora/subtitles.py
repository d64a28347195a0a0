"""Subtitles as segments of the video beside them: .srt, .vtt and the tiers of ELAN's .eaf."""

import html
import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from pathlib import Path

from signllm_jax.core.errors import ConfigError, DataError
from signllm_jax.corpora.entries import Odd, Rows, make_entry
from signllm_jax.corpora.tables import read_text

SUFFIXES = (".srt", ".vtt", ".eaf")
_LONG = "eng|deu|ger|fra|fre|ita|spa|por|nld|kor|jpn|zho|chi|tur|rus|pol"
_SHORT = "en|de|fr|it|es|pt|nl|ko|ja|zh|tr|ru|pl"
_TAG = re.compile(  # other words of two or three letters are a part of the video's name
    rf"(?:\.([a-z]{{2}}|{_LONG})|_({_SHORT}))(?:[-_][A-Za-z0-9]{{2,8}})?(?:[-_.](?:orig|auto))?$"
)
_SPEAKER = re.compile(r"^([AB])\s*:\s*")  # the DGS Corpus writes who signs before the text
_SRT_TAG = re.compile(r"</?(?:[ibus]|font)(?:\s[^>]*)?>|\{\\[^}]*\}", re.IGNORECASE)
_TEXT_TIERS = ("translation", "text", "sentence", "free translation", "caption", "subtitle")
_GLOSS_TIERS = ("gloss", "glosses", "signs")
_DGS_TEXT = {"de": "Deutsche_Übersetzung_{}", "en": "Translation_into_English_{}"}
_DGS_GLOSS = ("Lexem_Gebärde_r_{}", "Lexem_Gebärde_l_{}", "Lexem_Gebärde_{}")
_CAMERAS = {"A": ("1a1", "a", "A"), "B": ("1b1", "b", "B")}


def video_of(path: Path) -> tuple[str, str]:
    """The name of the video that a file of subtitles lies beside, and its language tag or ''."""
    tag = _TAG.search(path.stem)
    if tag and path.suffix.lower() != ".eaf":
        return path.stem[: tag.start()], tag[1] or tag[2]
    return path.stem, ""


def choose(paths: Sequence[Path], spoken: str) -> tuple[list[Path], list[Odd]]:
    """One file of subtitles per video: the one in its spoken language where there are several.

    Args:
        paths: All files.
        spoken: BCP 47 code of the spoken language.

    Returns:
        The files to read, and those that were passed over because none could be chosen.
    """
    videos: dict[str, list[Path]] = {}
    for path in sorted(paths):
        videos.setdefault(video_of(path)[0], []).append(path)
    chosen, odd = [], []
    for video, files in videos.items():
        files.sort(key=lambda path: SUFFIXES[::-1].index(path.suffix.lower()))
        short = spoken.partition("-")[0]
        fit = [file for file in files if video_of(file)[1][:2] in (short, "")]
        if len(files) == 1 or fit:
            chosen.append((fit or files)[0])
        else:
            odd.append(Odd(video, f"several subtitles, none in {short}", files[0].name))
    return chosen, odd


def read_subtitles(
    path: Path, encoding: str = "", spoken: str = "", named: Mapping[str, str] | None = None
) -> Rows:
    """The segments of one video.

    Args:
        path: `.srt`, `.vtt` or `.eaf`, named as the video.
        encoding: See `tables.read_text`.
        spoken: The spoken language of the texts.
        named: For ELAN files, `text` and `gloss` -> the tier that holds it.

    Yields:
        An entry per cue, all under the name of the video, or why there is none. A file that
        cannot be read is one row that names no clip.

    Raises:
        ConfigError: An ELAN file has several tiers and none is known to hold the text.
    """
    try:
        if path.suffix.lower() == ".eaf":
            yield from _elan(path, encoding, spoken, named or {})
        else:
            yield from _cues(path, encoding, spoken)
    except DataError as error:
        yield Odd(path.name, "subtitles that cannot be read", str(error))


def _cues(path: Path, encoding: str, spoken: str) -> Rows:
    import webvtt
    from webvtt.errors import MalformedFileError

    content = read_text(path, encoding, spoken)
    name, _ = video_of(path)
    try:
        cues = webvtt.from_buffer(io.StringIO(content.lstrip()), format=path.suffix.lower()[1:])
    except (MalformedFileError, ValueError, IndexError) as error:
        raise DataError(f"{path}: no {path.suffix[1:]}: {error}") from None
    count = 0
    for count, cue in enumerate(cues.captions, 1):
        # of .srt webvtt takes all between < and > for a tag, `5 < 6 and 7 > 3` too
        shown = _SRT_TAG.sub("", cue.raw_text) if path.suffix.lower() == ".srt" else cue.text
        text = " ".join(html.unescape(shown).split())
        # `_it` may be the end of the video's name, too
        both = path.stem.startswith(f"{name}_")
        values = {"id": name, "file": f"{name}|{path.stem}" if both else ""}
        values |= {"text": text, "start": cue.start, "end": cue.end}
        if who := _SPEAKER.match(text):
            values |= _participant(name, who[1]) | {"text": text[who.end() :]}
        yield make_entry(f"{path.name} cue {count}", values)
    lines = sum("-->" in line for line in content.splitlines())
    for _ in range(lines - count):
        yield Odd(path.name, "a cue with a damaged time", path.name)


def _participant(name: str, who: str) -> dict[str, str]:
    """The fields of a person's segments; their file has the name of the camera that shows them."""
    files = [f"{name}_{camera}" for camera in _CAMERAS[who]]
    return {"id": f"{name}_{who.lower()}", "file": "|".join(files), "signer": f"{name}_{who}"}


def _elan(path: Path, encoding: str, spoken: str, named: Mapping[str, str]) -> Rows:
    tiers = _tiers(path, encoding, spoken)
    for who in ("A", "B"):
        texts = _DGS_TEXT.get(spoken.partition("-")[0], _DGS_TEXT["de"]).format(who)
        if texts in tiers and not named.get("text"):
            glosses = [sign for tier in _DGS_GLOSS for sign in tiers.get(tier.format(who), [])]
            yield from _annotated(path, tiers[texts], glosses, _participant(path.stem, who))
    if named.get("text") or not any(
        tier.format(who) in tiers for tier in _DGS_TEXT.values() for who in "AB"
    ):
        texts = tiers[_tier(path, tiers, named, "text", _TEXT_TIERS)]
        gloss = next((name for name in tiers if name.lower() in _GLOSS_TIERS), "")
        if named.get("gloss"):
            gloss = _tier(path, tiers, named, "gloss", ())
        yield from _annotated(path, texts, tiers.get(gloss, []), {"id": path.stem})


def _tier(path: Path, tiers: Mapping, named: Mapping[str, str], field: str, usual) -> str:
    """The name of the tier that holds a field."""
    if named.get(field):
        if named[field] in tiers:
            return named[field]
        raise ConfigError(
            f"{path}: no tier {named[field]!r}, which --{field}_column names: {', '.join(tiers)}"
        )
    fitting = [name for name in tiers if name.lower() in usual]
    if len(fitting or tiers) == 1:
        return (fitting or list(tiers))[0]
    raise ConfigError(
        f"{path}: which tier holds the {field}? Give --{field}_column: "
        f"{', '.join(tiers) or 'it has none'}"
    )


def _annotated(path: Path, texts, glosses, values: dict[str, str]) -> Rows:
    """A segment for each text, with the glosses whose middle lies within it, in order."""
    for number, (start, end, text) in enumerate(texts, 1):
        position = f"{path.name} annotation {number}"
        if start is None or end is None:
            yield Odd(values["id"], "an annotation without a time", position)
            continue
        within = [g for g in glosses if None not in g[:2] and start <= (g[0] + g[1]) / 2 < end]
        line = " ".join(gloss for _, _, gloss in sorted(within))
        times = {"start": f"{start / 1000}", "end": f"{end / 1000}"}
        yield make_entry(position, values | times | {"text": text, "gloss": line})


def _tiers(path: Path, encoding: str, spoken: str) -> dict[str, list[tuple]]:
    """Tier -> (start, end, text) in milliseconds, None where a time is not known, in order."""
    try:
        root = ElementTree.fromstring(read_text(path, encoding, spoken).encode())
    except ElementTree.ParseError as error:
        raise DataError(f"{path}: no ELAN file: {error}") from None
    slots = {
        slot.get("TIME_SLOT_ID"): int(value)
        for slot in root.iter("TIME_SLOT")
        if (value := slot.get("TIME_VALUE", "")).isdigit()
    }
    spans: dict[str | None, tuple] = {}
    referring = {
        note.get("ANNOTATION_ID"): note.get("ANNOTATION_REF")
        for note in root.iter("REF_ANNOTATION")
    }
    for note in root.iter("ALIGNABLE_ANNOTATION"):
        ends = (slots.get(note.get(f"TIME_SLOT_REF{end}")) for end in (1, 2))
        spans[note.get("ANNOTATION_ID")] = tuple(ends)

    def span(name: str | None) -> tuple:
        for _ in range(10):  # an annotation may refer to another one, which may refer to a third
            if name in spans:
                return spans[name]
            name = referring.get(name)
        return None, None

    tiers = {}
    for tier in root.iter("TIER"):
        notes = []
        for note in tier.iterfind(".//ANNOTATION/*"):
            text = " ".join((note.findtext(".//ANNOTATION_VALUE") or "").split())
            notes.append((*span(note.get("ANNOTATION_ID")), text))
        if notes:
            tiers[tier.get("TIER_ID", "")] = sorted(notes, key=lambda note: note[0] or 0)
    if not tiers:
        raise DataError(f"{path}: no ELAN file with annotations")
    return tiers
