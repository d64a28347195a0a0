"""Other systems that sign the texts of an evaluation, each in a Python environment of its own."""

import dataclasses
import json
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from signllm_jax.core.errors import ConfigError, DataError, PoseFormatError
from signllm_jax.core.languages import get_language
from signllm_jax.eval.eval_set import Language
from signllm_jax.eval.flat import flatten
from signllm_jax.poses.clean import at_rate
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.pose_file import read_pose_file

PEERS = ("spoken-to-signed",)
PYTHON = ".venv-signed-peer/bin/python"
"""The interpreter of the environment that `make signed-peer-env` makes."""


@dataclasses.dataclass
class Peer:
    """Another system.

    Attributes:
        name: One of `PEERS`.
        python: The interpreter of its environment.
        lexicon: Folder of its lexicon; without one it spells every word.
        versions: Versions of its packages, after `sign`.
        failed: Reason why it has no clip of a text -> number of texts, after `sign`.
    """

    name: str
    python: str = PYTHON
    lexicon: str = ""
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    failed: Counter = dataclasses.field(default_factory=Counter)

    def __post_init__(self):
        if self.name not in PEERS:
            raise ConfigError(f"unknown peer {self.name!r}: known are {', '.join(PEERS)}")
        if not Path(self.python).is_file():
            raise ConfigError(
                f"{self.python}: no Python for the peer {self.name}: make signed-peer-env sets it "
                "up, or give --peer_python"
            )
        if self.lexicon and not (Path(self.lexicon) / "index.csv").is_file():
            raise ConfigError(f"{self.lexicon}: no lexicon, for there is no index.csv in it")

    def describe(self) -> dict:
        """The section of report.json about it."""
        facts = {"name": self.name, "versions": self.versions, "lexicon": self.lexicon}
        return facts | {"failed": dict(self.failed)}


def sign(peer: Peer, languages: Mapping[str, Language]) -> dict[str, list[PoseClip | None]]:
    """The peer's clips of all texts, made from the texts only.

    Args:
        peer: The system; its versions and failures are filled in.
        languages: Languages that are evaluated.

    Returns:
        Language -> clips in x and y, in shoulder widths and at the rates of the references, in the
        order of its texts; None where the peer cannot sign the text, or its clip shows no shoulders
        to measure it by.

    Raises:
        DataError: The peer's process fails.
    """
    jobs = []
    with tempfile.TemporaryDirectory() as folder:
        for code, evaluated in languages.items():
            language = get_language(code)
            for number, text in enumerate(evaluated.texts):
                output = str(Path(folder) / f"{code}-{number}.pose")
                spoken = language.spoken.partition("-")[0]
                job = {"text": text, "spoken": spoken, "signed": language.iso, "output": output}
                jobs.append(job)
        results = zip(jobs, _run(peer, jobs), strict=True)
        return {
            code: [
                _read(peer, job["output"], error, reference.fps)
                for reference, (job, error) in zip(evaluated.references, results)
            ]
            for code, evaluated in languages.items()
        }


def _run(peer: Peer, jobs: list[dict]) -> list[str]:
    worker = Path(__file__).with_name("peer_worker.py")
    lexicon = [os.path.abspath(peer.lexicon)] if peer.lexicon else []
    # isolated: modules that lie beside the worker, and our packages, would hide its environment's
    done = subprocess.run(
        [os.path.abspath(peer.python), "-I", str(worker), *lexicon],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        answer = json.loads(done.stdout)
        peer.versions = answer["versions"]
        return answer["errors"]
    except (ValueError, KeyError, TypeError):
        last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise DataError(f"the peer {peer.name} failed in {peer.python}: {last:.200}") from None


def _read(peer: Peer, path: str, error: str, fps: float) -> PoseClip | None:
    if not error:
        try:
            return at_rate(flatten(read_pose_file(path), path), fps)
        except PoseFormatError as damage:
            error = str(damage)
            for name in (path, os.path.basename(path)):  # the same reason for all clips
                error = error.removeprefix(f"{name}: ")
    peer.failed[error.partition(" for ")[0]] += 1  # without the words of the text
    return None
