"""Every known fault of a table of clips, whatever form their poses have: see fault_kinds.py."""

import unicodedata

from fault_corpora import FRAMES, UNLISTED, Corpus
from signers import signer


def odd_rows() -> dict[str, str]:
    """Reason -> a row that is lost by it."""
    return {
        "no text": "{0},,train,asl,,",
        "a row with too few fields": "{0},some words",
        "a row with too many fields": "{0},one, two,train,asl,,",
        "a quote that is not closed": '{0},"some words,train,asl,,',
        "a quote in the wrong place": '{0},"some" words,train,asl,,',
        "unknown split 'extra'": "{0},some words,extra,asl,,",
        "a start or end that is no time": "{0},some words,train,asl,later,2",
        "a segment that ends before it begins": "{0},some words,train,asl,2,1",
        "its segment begins after the end of its file": "{0},some words,train,asl,90,91",
    }


def _row_fault(reason: str, row: str):
    def fault(corpus: Corpus, name: str) -> None:
        corpus.write(name, signer(FRAMES))
        corpus.rows.append(row.format(name))
        corpus.lost[reason] += 1

    return fault


def no_id(corpus, name):
    corpus.row("")
    corpus.lost["no id"] += 1


def no_file(corpus, name):
    corpus.row(name)
    corpus.lost["no pose file"] += 1


def no_row(corpus, name):
    corpus.write(name, signer(FRAMES))
    corpus.lost[UNLISTED] += 1


def twice(corpus, name):
    corpus.good(name)
    corpus.row(f"{name}.MOV")
    corpus.lost["listed twice"] += 1


def twice_with_another_text(corpus, name):
    corpus.write(name, signer(FRAMES))
    corpus.rows.append(f"{name},one,train,asl,,\n{name},two,train,asl,,")
    corpus.out += 1
    corpus.lost["listed twice with another text"] += 1


def other_language(corpus, name):
    corpus.write(name, signer(FRAMES))
    corpus.row(name, language="gsg")
    corpus.others["gsg"] += 1


def unusual_names(corpus, name):
    """A suffix in capitals, a decomposed name, a split in capitals, a language by its ISO code."""
    corpus.write(unicodedata.normalize("NFD", f"{name}ü"), signer(FRAMES))
    corpus.row(unicodedata.normalize("NFC", f"{name}ü.MP4"), split="TRAIN", language="ASE")
    corpus.out += 1


def segments(corpus, name):
    corpus.write(name, signer(60))
    corpus.row(name, end=1.2)
    corpus.row(name, start=1.2, end=2.4)
    corpus.row(name, start=1.2, end=9)
    corpus.out += 3
    corpus.repairs["segments that end after their file"] += 1


def long_text(corpus, name):
    corpus.write(name, signer(FRAMES))
    corpus.row(name, text=" ".join(["word"] * 40))
    corpus.out += 1
    corpus.odd["a length that does not fit the text"] += 1


TABLE = (
    *(_row_fault(*pair) for pair in odd_rows().items()),
    *(no_id, no_file, no_row, twice, twice_with_another_text, other_language),
    *(unusual_names, segments, long_text),
)
