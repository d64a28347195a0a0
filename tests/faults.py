"""Corpora with every known fault mixed in, and what must become of them.

    python tests/faults.py --clips=5000

makes one for each form of poses, prepares and checks them by the commands, holds every count of the
reports against what was put in, and writes them into docs/prepare.md (`make faults`).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from fault_corpora import FLAGS, HEADER, UNLISTED, Corpus
from fault_kinds import kinds

from signllm_jax.core import markdown

ROOT = Path(__file__).resolve().parents[1]
SEED = 23
SHARE = 0.05


def make(folder: Path, form: str, clips: int, share: float = SHARE) -> Corpus:
    """Writes a corpus with every kind of fault at least once, the kinds in turn."""
    corpus, faults = Corpus(folder, form), kinds(form)
    bad = max(round(share * clips), len(faults))
    for number in range(bad):
        faults[number % len(faults)](corpus, f"bad{number}")
    for number in range(clips - bad):
        corpus.good(f"clip{number}", number)
    np.random.default_rng(SEED).shuffle(corpus.rows)
    corpus.table.write_text("\n".join([HEADER, *corpus.rows, ""]), "utf-8")
    return corpus


def flags(corpus: Corpus, data_dir: Path) -> list[str]:
    """The arguments of the command that prepares a corpus."""
    return [
        *(f"--source={corpus.source}", f"--manifest={corpus.table}", f"--format={corpus.form}"),
        *("--language=asl", f"--name={corpus.form}", f"--data_dir={data_dir}"),
        *FLAGS[corpus.form],
    ]


def differences(corpus: Corpus, report: dict) -> dict[str, tuple]:
    """What a report says otherwise than was put in: name -> (put in, told)."""
    listed = {kind: len(clips) for kind, clips in report["odd"].items()}
    repairs = {name: report["repairs"].get(name, 0) for name in corpus.repairs}
    named = corpus.out + sum(corpus.lost.values()) - corpus.lost[UNLISTED]
    pairs = {
        "clips_in": (named, report["clips_in"]),
        "clips_out": (corpus.out, report["clips_out"]),
        "train": (corpus.out, report["splits"]["train"]),
        "lost_by_reason": (dict(corpus.lost), report["lost_by_reason"]),
        "other_languages": (dict(corpus.others), report["other_languages"]),
        "odd": (dict(corpus.odd), listed),
        "repairs": (dict(corpus.repairs), repairs),
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def prepare(corpus: Corpus, data_dir: Path) -> tuple[dict, str]:
    """Prepares and checks a corpus by the commands: its report, and the last line of the check.

    Raises RuntimeError where a command ends otherwise than well.
    """
    for own in (flags(corpus, data_dir), ["--check", f"--data_dir={data_dir}"]):
        command = [sys.executable, str(ROOT / "launch" / "prepare.py"), *own]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or "Traceback" in done.stderr:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    report = data_dir / "prepared" / "asl" / corpus.form / "prepare_report.json"
    return json.loads(report.read_text()), done.stdout.splitlines()[-1]


def main() -> int:
    """Prepares a corpus of each form and writes what came of them into docs/prepare.md."""
    from signllm_jax.eval.results import write_readme

    given = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    given.add_argument("--clips", type=int, default=5_000, help="of all corpora together")
    clips, wrong, rows = given.parse_args().clips, 0, []
    for form in FLAGS:
        with tempfile.TemporaryDirectory() as folder:
            corpus = make(Path(folder), form, clips // len(FLAGS))
            began = time.monotonic()
            report, checked = prepare(corpus, Path(folder) / "data")
            seconds = time.monotonic() - began
            found = differences(corpus, report)
            if not checked.endswith(f"asl (train {corpus.out}, dev 0, test 0)"):
                found["--check"] = (corpus.out, checked)
        for name, (put_in, told) in found.items():
            print(f"{form}: {name}: {put_in} was put in, the report says {told}", file=sys.stderr)
        wrong += len(found)
        lost, others, odd = (sum(c.values()) for c in (corpus.lost, corpus.others, corpus.odd))
        figures = (corpus.out + lost, len(kinds(form)), corpus.out, lost, others, odd, len(found))
        rows.append([f"`{form}`", *(f"{figure:,}" for figure in figures), f"{seconds:.0f}"])
        print(*rows[-1], flush=True)
    heads = ["poses", "clips and rows", "kinds of fault", "prepared", "lost"]
    heads += ["of another language", "odd", "wrong counts", "seconds"]
    date = time.strftime("%Y-%m-%d", time.gmtime())
    told = f"{date}: `make faults`, {clips:,} clips, {SHARE:.0%} of them with a fault.\n\n"
    write_readme(str(ROOT / "docs" / "prepare.md"), told + markdown.table(heads, rows), "faults")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
