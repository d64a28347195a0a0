"""A corpus with every known fault mixed in is prepared to its end, and its report is exact."""

import collections
import dataclasses
import json
import unicodedata

import numpy as np
import pytest
from commands import run
from test_clean import waving

from signllm_jax.corpora import shards
from signllm_jax.data import check
from signllm_jax.poses.pose_file import write_pose_file

CLIPS = 1_000
EVERY = 20  # one clip in so many has a fault: 5%
SEED = 23


class Corpus:
    """Writes a corpus of `.pose` files and its table.

    Attributes:
        rows: Lines of the table.
        good: Clips that have to come out.
        lost: Reason -> clips and rows that have to be lost.
        others: Language -> rows.
    """

    def __init__(self, folder):
        self.folder, self.rows, self.good = folder / "src", [], 0
        self.lost, self.others = collections.Counter(), collections.Counter()
        self.repairs = collections.Counter()
        self.folder.mkdir()
        self._files = []
        for number in range(8):
            write_pose_file(folder / "made.pose", waving(40 + number))
            self._files.append((folder / "made.pose").read_bytes())
        still = waving(40)
        still.confidence[:, 8:] = 0
        write_pose_file(folder / "made.pose", dataclasses.replace(still))
        self._handless = (folder / "made.pose").read_bytes()

    def write(self, name, content=None):
        number = len(self.rows) % len(self._files)
        (self.folder / name).write_bytes(self._files[number] if content is None else content)

    def clip(self, number, row="{0},text {0},train,asl,,"):
        self.rows.append(row.format(f"clip{number}"))

    def fault(self, kind, number):
        """Adds a clip with one fault."""
        name = f"clip{number}"
        row = f"{name},text,train,asl,,"
        if kind == "damaged":
            self.write(f"{name}.pose", self._files[0][:200])
            self.lost["damaged"] += 1
        elif kind == "handless":
            self.write(f"{name}.pose", self._handless)
            self.lost["a hand in fewer than 10% of its frames"] += 1
        elif kind == "missing":
            self.lost["no pose file"] += 1
        elif kind == "no text":
            self.write(f"{name}.pose")
            row = f"{name},,train,asl,,"
            self.lost["no text"] += 1
        elif kind == "no id":
            row = ",text,train,asl,,"
            self.lost["no id"] += 1
        elif kind == "few fields":
            self.write(f"{name}.pose")
            row = f"{name},text"
            self.lost["a row with too few fields"] += 1
        elif kind == "many fields":
            self.write(f"{name}.pose")
            row = f"{name},one, two,train,asl,,"
            self.lost["a row with too many fields"] += 1
        elif kind == "open quote":
            self.write(f"{name}.pose")
            row = f'{name},"text,train,asl,,'
            self.lost["a quote that is not closed"] += 1
        elif kind == "unknown split":
            self.write(f"{name}.pose")
            row = f"{name},text,extra,asl,,"
            self.lost["unknown split 'extra'"] += 1
        elif kind == "listed twice":
            self.write(f"{name}.pose")
            self.rows.append(row)
            self.good += 1
            row = f"{name}.MOV,text,train,asl,,"
            self.lost["listed twice"] += 1
        elif kind == "unlisted":
            self.write(f"{name}.pose")
            self.lost["in the folder, but not in the manifest"] += 1
            return
        elif kind == "macos":
            self.write(f"{name}.pose")
            self.write(f"._{name}.pose", b"\0\5\26\7")
            self.good += 1
            self.lost["a file of macOS (._)"] += 1
        elif kind == "decomposed":
            self.write(unicodedata.normalize("NFD", f"{name}ü.pose"))
            row = unicodedata.normalize("NFC", f"{name}ü.mp4,text,train,ASE,,")
            self.good += 1
        elif kind == "other language":
            self.write(f"{name}.pose")
            row = f"{name},text,train,gsg,,"
            self.others["gsg"] += 1
        elif kind == "segments":
            self.write(f"{name}.pose")
            self.rows += [f"{name},a,train,asl,0,0.8", f"{name},b,train,asl,0.8,1.6"]
            self.good += 2
            row = f"{name},c,train,asl,9,10"
            self.lost["its segment begins after the end of its file"] += 1
        elif kind == "no time":
            self.write(f"{name}.pose")
            row = f"{name},c,train,asl,later,10"
            self.lost["a start or end that is no time"] += 1
        self.rows.append(row)


KINDS = (
    *("damaged", "handless", "missing", "no text", "no id", "few fields", "many fields"),
    *("open quote", "unknown split", "listed twice", "unlisted", "macos", "decomposed"),
    *("other language", "segments", "no time"),
)


@pytest.mark.slow
def test_a_corpus_with_all_faults_ends_with_exact_counts(tmp_path):
    corpus = Corpus(tmp_path)
    random = np.random.default_rng(SEED)
    for number in range(CLIPS):
        if number % EVERY == 0:
            corpus.fault(KINDS[number // EVERY % len(KINDS)], number)
        else:
            corpus.write(f"clip{number}.pose")
            corpus.clip(number)
            corpus.good += 1
    random.shuffle(corpus.rows)
    table = "\n".join(["id,text,split,language,start,end", *corpus.rows, ""])
    (tmp_path / "all.csv").write_text(table, "utf-8")
    flags = ["--format=pose", "--language=asl", "--name=t", "--workers=2", f"--data_dir={tmp_path}"]
    flags += [f"--source={corpus.folder}", f"--manifest={tmp_path / 'all.csv'}"]
    code, out, err = run(tmp_path, "prepare", flags)
    assert code == 0, err
    folder = shards.source_folder(tmp_path, "asl", "t")
    report = json.loads((folder / "prepare_report.json").read_text())
    lost = collections.Counter()
    for reason, count in report["lost_by_reason"].items():
        lost[reason if reason in corpus.lost else "damaged"] += count
    assert lost == corpus.lost
    assert report["clips_out"] == report["splits"]["train"] == corpus.good
    assert report["clips_in"] == corpus.good + sum(corpus.lost.values())
    assert report["other_languages"] == corpus.others
    assert out.startswith(f"{corpus.good} of {report['clips_in']} clips")
    assert check.check(tmp_path, "asl")[-1].endswith(f"(train {corpus.good}, dev 0, test 0)")
    code, _, err = run(tmp_path, "prepare", [*flags, "--max_bad=3%"])
    assert code == 2 and err.count("\n") == 1 and "more than --max_bad=3%" in err
