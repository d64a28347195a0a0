"""Reads the clips of a corpus and their labels from the label files that it is published with.

Line-aligned: `<split>.files`, `<split>.text` and, where there is one, `<split>.gloss`, as
Prompt2Sign and Progressive Transformers have them. Else a table, a JSON file or subtitles in one of
the `dialects.DIALECTS`, which are recognized where they are not named; or a folder of such files.
"""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from signllm_jax.core.errors import ConfigError, DataError
from signllm_jax.core.languages import get_language
from signllm_jax.corpora import dialects, label_files, subtitles, tables
from signllm_jax.corpora.entries import Entry, Odd, Rows, clip_id, split_of, splits_in, tell_apart
from signllm_jax.text.gloss import clean_gloss
from signllm_jax.text.language_names import code_of


@dataclasses.dataclass(frozen=True)
class Reading:
    """How a manifest is read.

    Attributes:
        language: Code of the sign language that is wanted; empty = all.
        dialect: Name of a dialect; empty = it is recognized.
        columns: Field (`id text gloss split`) -> the column, or ELAN tier, that the user names.
        encoding: Encoding of its files; empty for UTF-8 or what a byte order mark says.
        gloss_rules: Rules of `signllm_jax.text.gloss`; empty for those of the dialect.
        corpus: Name of the corpus, whose gloss rules hold where the dialect has none.
        any_split: Whether splits of unknown names are let through.
    """

    language: str = ""
    dialect: str = ""
    columns: tuple[tuple[str, str], ...] = ()
    encoding: str = ""
    gloss_rules: str = ""
    corpus: str = ""
    any_split: bool = False

    def refuse(self, what: str) -> None:
        """Raises ConfigError where flags say how labels are read, though there are no labels."""
        flags = {f"{field}_column": column for field, column in self.columns}
        flags |= {name: getattr(self, name) for name in ("dialect", "encoding", "gloss_rules")}
        for name, value in flags.items():
            if value:
                raise ConfigError(f"--{name} has no meaning for {what}")

    @property
    def spoken(self) -> str:
        """The spoken language of the texts; empty where no sign language is given."""
        return get_language(self.language).spoken if self.language else ""

    def is_other(self, language: str) -> bool:
        """Whether a row's sign language, where it names one, is not the one that is wanted."""
        return bool(language and self.language) and code_of(language) != self.language


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The content of a manifest.

    Attributes:
        entries: The clips of the language that is wanted.
        odd: Rows that name no clip.
        dialects: Names of the dialects that were read.
        others: Clips of other languages.
        gloss_rules: Rules by which the glosses were cleaned.
    """

    entries: list[Entry]
    odd: list[Odd]
    dialects: tuple[str, ...]
    others: list[Entry]
    gloss_rules: str


def read_manifest(
    path: str | os.PathLike, reading: Reading | None = None, beside: str | os.PathLike = ""
) -> Manifest:
    """Reads a file or a folder of labels.

    A row that names no clip, or a clip that is listed already, is passed over.

    Args:
        path: A table, a JSON file, subtitles, or a folder of them or of line-aligned files.
        reading: How the manifest is read.
        beside: Another folder where subtitles of the videos may lie.

    Raises:
        DataError: There is nothing to read, a column is missing, lines do not align, or the text
            has another encoding; it names the file and what to do.
        ConfigError: The dialect is unknown, or a column is named that it does not have.
    """
    path, reading = Path(path), reading or Reading()
    if reading.dialect and reading.dialect not in dialects.DIALECTS:
        known = ", ".join(dialects.DIALECTS)
        raise ConfigError(f"unknown dialect {reading.dialect!r}: known are {known}")
    names: list[str] = []
    if not (path.is_dir() or path.is_file()):
        raise DataError(f"{path}: there is no such manifest or folder")
    rows = list((_read_folder if path.is_dir() else _read_file)(path, reading, names, beside))
    if not rows:
        raise DataError(f"{path}: the manifest lists no clip")
    rules = _rules(reading, names)
    entries, odd, others = [], [], []
    for row in rows:
        if isinstance(row, Odd):
            odd.append(row)
        elif reading.is_other(row.language):
            others.append(row)
        else:
            code = (code_of(row.language) if row.language else "") or row.language
            gloss = " ".join(clean_gloss(row.gloss, rules)) if row.gloss else ""
            entries.append(dataclasses.replace(row, language=code, gloss=gloss))
    entries, twice = tell_apart(entries)
    return Manifest(entries, odd + twice, tuple(dict.fromkeys(names)), others, rules)


def _rules(reading: Reading, names: Sequence[str]) -> str:
    if reading.gloss_rules:
        clean_gloss("", reading.gloss_rules)  # refuses a name that it does not know
        return reading.gloss_rules
    rules = [dialects.DIALECTS[name].gloss for name in names]
    first = reading.corpus.lower().partition("-")[0].rstrip("0123456789t")
    known = first in {dialect.gloss for dialect in dialects.DIALECTS.values()}
    return next((name for name in rules if name != "plain"), first if known else "plain")


def listed_lines(folder: Path) -> tuple[dict[str, tuple[str, int]], dict[str, int]]:
    """The clips in the `.files` of a folder: id -> (stem, line), and stem -> number of lines."""
    lines: dict[str, tuple[str, int]] = {}
    counts = {}
    for files in sorted(folder.glob("[!.]*.files")):
        names = tables.read_lines(files)
        counts[files.stem] = len(names)
        for line, name in enumerate(names):
            lines.setdefault(clip_id(name), (files.stem, line))
    return lines, counts


def _read_folder(
    folder: Path, reading: Reading, names: list[str], beside: str | os.PathLike
) -> Rows:
    """The files of a folder: line-aligned ones, else tables by split, else subtitles or JSON."""
    aligned = sorted(folder.glob("[!.]*.files"))
    direct = [p for p in sorted(folder.glob("[!.]*")) if p.is_file()]
    named = [p for p in direct if p.suffix.lower() in tables.SUFFIXES]
    lacking = [p for p in aligned if not p.with_suffix(".text").exists()]
    if lacking and any(splits_in(p.stem) for p in named):
        aligned = []  # the .files belong to the .skels, and the texts are in tables
    if aligned and reading.dialect in ("", "lines", "phoenix14t", "dgs", "gksl"):
        _refuse_columns(reading, "lines")
        names += [name for name in ("lines", reading.dialect) if name]
        for files in aligned:
            yield from _read_lines(files, reading)
        return
    if reading.dialect != "subtitles":
        by_split = [p for p in named if splits_in(p.stem)]
        exact = [p for p in by_split if split_of(p.stem)]
        # PHOENIX has a second table of its train clips, with other glosses
        chosen = exact or [p for p in by_split if "complex-annotation" not in p.stem] or by_split
        if not chosen and reading.dialect not in ("", "dgs", "aihub"):
            chosen = [p for p in named if not p.name.startswith("SignList")]
        single = [p for p in named if p.suffix.lower() in (".csv", ".tsv")]
        chosen = chosen or (single if len(single) == 1 else [])
        for file in chosen:
            yield from _read_file(file, reading, names, beside)
        if chosen:
            return
    below = sorted(folder.rglob("[!.]*"))
    cues = [p for p in below if p.suffix.lower() in subtitles.SUFFIXES]
    if cues and reading.dialect in ("", "subtitles", "dgs", "signverse"):
        yield from _read_cues(cues, reading, names)
        return
    poses = ("_keypoints.json", "_openpose.json")
    parts = [p for p in below if p.suffix.lower() == ".json" and not p.name.endswith(poses)]
    if reading.dialect == "aihub" or (parts and parts[0].name.endswith("_morpheme.json")):
        for part in parts:
            try:
                yield from _read_file(part, reading, names, beside)
            except DataError as error:
                yield Odd(part.name, "a JSON file that cannot be read", str(error))
        return
    some = ", ".join(p.name for p in direct[:3]) or "nothing"
    some += f" and {len(direct) - 3} more" if len(direct) > 3 else ""
    raise DataError(
        f"{folder}: no <split>.files with <split>.text, no <split>.csv, .tsv, .json, no .srt, .vtt "
        f"or .eaf in it, but {some}; name a table (id, text) by --manifest"
    )


def _read_cues(paths: list[Path], reading: Reading, names: list[str]) -> Rows:
    chosen, odd = subtitles.choose(paths, reading.spoken)
    columns = dict(reading.columns)
    if columns.get("id") or columns.get("split"):
        raise ConfigError("subtitles have no --id_column or --split_column: files name the videos")
    names.append(reading.dialect or "subtitles")
    yield from odd
    for path in chosen:
        for cue in subtitles.read_subtitles(path, reading.encoding, reading.spoken, columns):
            if isinstance(cue, Entry) and cue.signer:  # no other subtitles say who signs
                names.append("dgs")
            yield cue


def _read_file(path: Path, reading: Reading, names: list[str], beside: str | os.PathLike) -> Rows:
    if path.suffix.lower() in subtitles.SUFFIXES:
        yield from _read_cues([path], reading, names)
        return
    dialect = reading.dialect
    if dialect not in dialects.DIALECTS or not dialects.DIALECTS[dialect].columns:
        recognized = label_files.recognize_file(path, reading.encoding, reading.spoken)
        dialect = dialect if dialect in label_files.READERS else recognized
    if dialect in label_files.READERS:
        _refuse_columns(reading, dialect)
        names.append(dialect)
        yield from label_files.READERS[dialect](path, reading.encoding, reading.spoken)
        return
    table = tables.read_table(path, reading.encoding, reading.spoken)
    dialect = reading.dialect or dialects.recognize(table)
    names.append(dialect)
    rows = dialects.read_rows(table, dialect, dict(reading.columns), reading.any_split)
    if dialect == "signverse":
        rows = _captions(rows, reading, (path.parent, Path(beside or path.parent)))
    yield from rows


def _captions(rows: Rows, reading: Reading, folders: Sequence[Path]) -> Rows:
    """The segments of the videos that a table lists, from the captions that lie beside them."""
    videos: dict[str, list[Path]] = {}
    for path in sorted({p for folder in folders for p in folder.rglob("[!.]*.vtt")}):
        videos.setdefault(subtitles.video_of(path)[0], []).append(path)
    for row in rows:
        if isinstance(row, Odd) or reading.is_other(row.language):
            yield row
            continue
        chosen, odd = subtitles.choose(videos.get(row.id, []), reading.spoken)
        yield from odd
        if not chosen and not odd:
            yield Odd(row.id, "no captions")
        for path in chosen:
            for cue in subtitles.read_subtitles(path, reading.encoding, reading.spoken):
                if isinstance(cue, Entry):
                    cue = dataclasses.replace(cue, split=row.split, language=row.language)
                yield cue


def _refuse_columns(reading: Reading, dialect: str) -> None:
    if fields := [field for field, column in reading.columns if column]:
        title = dialects.DIALECTS[dialect].title
        raise ConfigError(f"--{fields[0]}_column has no meaning for {title}: it has no columns")


def _read_lines(files: Path, reading: Reading) -> Rows:
    names = tables.read_lines(files, reading.encoding, reading.spoken)
    columns = []
    for kind in ("text", "gloss"):
        beside = files.with_suffix(f".{kind}")
        if beside.exists():
            lines = tables.read_lines(beside, reading.encoding, reading.spoken)
            if len(lines) != len(names):
                raise DataError(f"{beside}: {len(lines)} lines, but {files.name} has {len(names)}")
            columns.append([" ".join(line.split()) for line in lines])
        elif kind == "text":
            raise DataError(f"{files}: there is no {beside.name} beside it")
    split, stem = split_of(files.stem), files.stem
    for line, (name, *labels) in enumerate(zip(names, *columns)):
        position = f"{files.name} line {line + 1}"
        if clip_id(name):
            yield Entry(
                clip_id(name), *labels, split=split, stem=stem, line=line, position=position
            )
        else:
            yield Odd(position, "no id", position)
