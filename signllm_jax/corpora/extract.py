"""Extracts a folder of videos to `.pose` files: resumable, in workers of another environment."""

import contextlib
import dataclasses
import json
import multiprocessing.pool
import os
from collections.abc import Iterator
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

import tqdm

from signllm_jax.core.errors import ConfigError, DataError, OutputError
from signllm_jax.core.plain_files import write_whole
from signllm_jax.core.schema import parse_json, read_as
from signllm_jax.core.storage import read_regular
from signllm_jax.corpora import extract_worker
from signllm_jax.corpora.outputs import check_outside

SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v", ".mpg", ".mpeg")
REPORT = "extract_report.json"
_CRASHED = "the extraction crashed"


@dataclasses.dataclass
class _Video:
    path: Path
    output: Path
    name: str  # relative to the folder of videos


def _stamp(path: Path) -> list[int]:
    """Size and time of a file, which change when the file does."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def find_python(folder: Path) -> Path:
    """The interpreter that `make extract-env` made in `folder`; raises ConfigError without."""
    named = os.environ.get("SIGNLLM_EXTRACT_PYTHON")
    python = Path(named) if named else folder / ".venv-extract" / "bin" / "python"
    if not python.is_file():
        raise ConfigError(
            f"there is no {python}: `make extract-env` makes it (MediaPipe needs another numpy "
            "than the rest), or name its python in SIGNLLM_EXTRACT_PYTHON"
        )
    return python


def _videos(folder: Path, output: Path) -> list[_Video]:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of videos")
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not paths:
        raise DataError(f"{folder}: no videos in it ({' '.join(SUFFIXES)})")
    videos: dict[Path, _Video] = {}
    for path in paths:
        name = path.relative_to(folder)
        video = _Video(path, output / name.with_suffix(".pose"), str(name))
        first = videos.setdefault(video.output, video)
        if first is not video:
            raise DataError(f"{first.path} and {path} would be the same .pose file")
    return list(videos.values())


@dataclasses.dataclass(frozen=True)
class _Seen:
    """The report on a video that was read."""

    frames: int
    seconds: float
    body: float
    hands: float
    stamp: tuple[int, ...]


def _known(output: Path) -> dict[str, dict]:
    """The reports of an earlier run on the videos that it could read, by name."""
    try:
        report = parse_json(read_regular(output / REPORT))
    except (OSError, ConfigError):
        return {}
    videos = report.get("videos") if isinstance(report, dict) else None
    known = {}
    for name, values in videos.items() if isinstance(videos, dict) else ():
        with contextlib.suppress(ConfigError):
            known[name] = dataclasses.asdict(read_as(_Seen, values, name, strict=False))
    return known


class _Worker:
    """A process that extracts one video at a time, and is started again when it dies."""

    def __init__(self, python: Path, model: str):
        self._command, self._model = [str(python), extract_worker.__file__], model
        self._process: Popen[str] | None = None

    def ask(self, video: _Video) -> dict:
        """The worker's answer; it has `error` when the process died while working."""
        if self._process is None:
            self._process = Popen(self._command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, text=True)
        request = {"video": str(video.path.absolute()), "output": str(video.output.absolute())}
        request |= {"model": self._model} if self._model else {}
        process = self._process  # closed by the other thread where the run ends
        if process is None or not (process.stdin and process.stdout):
            return {"error": _CRASHED}
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())
        except (OSError, ValueError):
            self.close()
            return {"error": _CRASHED}

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def _answers(
    videos: list[_Video], python: Path, jobs: int, model: str
) -> Iterator[tuple[_Video, dict]]:
    """Every video with its answer, as they come."""
    workers = [_Worker(python, model) for _ in range(max(1, min(jobs, len(videos))))]
    idle = list(workers)

    def ask(video: _Video) -> tuple[_Video, dict]:
        worker = idle.pop()
        answer = worker.ask(video)
        idle.append(worker)
        return video, answer

    try:
        with multiprocessing.pool.ThreadPool(len(workers)) as pool:
            yield from pool.imap_unordered(ask, videos)
    finally:
        for worker in workers:
            worker.close()


def extract(
    videos: str | Path,
    output: str | Path,
    python: Path,
    jobs: int = 1,
    model: str | Path | None = None,
) -> dict:
    """Extracts every video under `videos` to a `.pose` file of the same relative name.

    Videos that an earlier run has extracted, or in which it found no signer, are not extracted
    again unless the video or the model has changed. A file appears when it is whole.

    Args:
        videos: folder of videos, at any depth.
        output: folder of the `.pose` files and of `extract_report.json`.
        python: interpreter of the environment that `make extract-env` makes.
        jobs: number of processes.
        model: `.task` file of MediaPipe's holistic landmarker; by default the model that the
            package of the environment carries.

    Returns:
        The content of extract_report.json: `videos` (by name: `frames`, `seconds`, `body`,
        `hands`, or `error`), `extracted`, `kept` (from an earlier run), and the names
        `without_signer`, `without_hands` and `unreadable`.

    Raises:
        ConfigError: the environment has a MediaPipe that cannot be used.
        DataError: no such model, no videos, or none of them can be read.
        OutputError: the output cannot be written, or lies among the videos.
    """
    output, model_stamp = Path(output), []
    check_outside([output], [videos])
    if model:
        if not Path(model).is_file():
            raise DataError(f"{model}: no such model of a holistic landmarker")
        model = Path(model).absolute()
        model_stamp = _stamp(model)
    listed = _videos(Path(videos), output)
    known = _known(output)
    answers: dict[str, dict] = {}
    to_do = []
    for video in listed:
        before = known.get(video.name, {})
        same = before.get("stamp") == (*_stamp(video.path), *model_stamp)
        if same and (video.output.is_file() or before.get("body") == 0):
            answers[video.name] = before
        else:
            to_do.append(video)
    kept = len(answers)
    try:
        for folder in {video.output.parent for video in to_do} | {output}:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{output}: cannot be written: {error.strerror}") from None
    with tqdm.tqdm(total=len(listed), initial=kept, unit="video", disable=None) as bar:
        for video, answer in _answers(to_do, python, jobs, str(model or "")):
            if "unfit" in answer:
                raise ConfigError(f"{python}: {answer['unfit']}")
            answers[video.name] = answer | {"stamp": [*_stamp(video.path), *model_stamp]}
            bar.set_postfix_str(video.name, refresh=False)
            bar.update()
            _write(output, answers, kept)  # for the next run, should this one be killed
    report = _write(output, answers, kept)
    if len(report["unreadable"]) == len(listed):
        first = report["unreadable"][0]
        raise DataError(
            f"{videos}: none of {len(listed)} videos can be extracted, for example {first}: "
            f"{answers[first]['error']}"
        )
    return report


def _write(output: Path, answers: dict[str, dict], kept: int) -> dict:
    """Writes `extract_report.json`; returns its content, see `extract`.

    Args:
        output: Folder of the report.
        answers: Name of a video -> what the worker answered, in this run or in an earlier one.
        kept: Number of answers of an earlier run; `extracted` counts their videos, too.
    """
    answers = dict(sorted(answers.items()))
    readable = {name: answer for name, answer in answers.items() if "error" not in answer}
    report = {
        "videos": answers,
        "kept": kept,
        "extracted": sum(answer["body"] > 0 for answer in readable.values()),
        "without_signer": [name for name, answer in readable.items() if not answer["body"]],
        "without_hands": [name for name, a in readable.items() if a["body"] and not a["hands"]],
        "unreadable": [name for name in answers if name not in readable],
    }
    content = json.dumps(report, indent=1, ensure_ascii=False).encode()
    write_whole(output / REPORT, content)
    return report


def summary(report: dict) -> str:
    """The report of `extract` as lines for the terminal: a count, then a line for each failure."""
    lines = [f"{report['extracted']} of {len(report['videos'])} videos are .pose files"]
    for key, what in (
        ("without_signer", "without a signer, no file written"),
        ("without_hands", "without a hand in any frame"),
        ("unreadable", "unreadable"),
    ):
        lines += [f"  {name}: {what}" for name in report[key]]
    return "\n".join(lines)
