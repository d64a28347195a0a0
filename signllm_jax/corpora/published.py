"""The corpora that `prompt2sign` is made of: their owners, their terms, and how to get them.

None is downloaded: users ask each owner. Their poses are prepared by `launch/prepare.py` with
`--language` and, so that the configs of the builder find them, `--name` as the keys here.
"""

import dataclasses

from signllm_jax.core.languages import get_language

FINGERSPELLING = "fingerspelling"


@dataclasses.dataclass(frozen=True)
class Corpus:
    """A corpus of one or more sign languages.

    Attributes:
        title: name of the corpus.
        languages: codes of its sign languages.
        contents: its contents, in a line.
        licence: its terms in short; the owner's text is binding.
        homepage: address where users ask for it.
        citation: key of its entry in CITATIONS.bib.
        spelled: whether its LangGloss is a word of the text, letter by letter. Such a data set
            is made from recorded letters, which a package brings along.
        signers: number of signers of a spelled data set, each with a tempo of their own where there
            are several; 0 where it is unknown.
        prepare: flags of `launch/prepare.py` beside --source, --language and --name.
    """

    title: str
    languages: tuple[str, ...]
    contents: str
    licence: str
    homepage: str
    citation: str
    prepare: str = "--format=pose"
    spelled: bool = False
    signers: int = 0

    def instructions(self, name: str) -> str:
        """How a user gets and prepares it, in two or three lines."""
        code = self.languages[0] if len(self.languages) == 1 else "CODE"
        return (
            f"{self.title} ({', '.join(self.languages)}): ask for it at {self.homepage} "
            f"({self.licence}), then\n"
            f"  python launch/prepare.py --source=FOLDER {self.prepare} --language={code} "
            f"--name={name} --data_dir=DIR"
        )


_WORDS = Corpus(
    "spoken-to-signed",
    ("asl", "gsl", "dsgs", "tsl"),
    "words spelled from recorded letters of manual alphabets",
    "MIT",
    "https://pypi.org/project/spoken-to-signed/",
    "moryossef2023open",
    spelled=True,
    signers=1,
)
CORPORA: dict[str, Corpus] = {
    "how2sign": Corpus(
        "How2Sign",
        ("asl",),
        "35,000 instruction sentences signed by 11 people, with OpenPose keypoints",
        "CC BY-NC 4.0",
        "https://how2sign.github.io",
        "duarte2021how2sign",
        "--format=openpose --fps=FPS",
    ),
    "phoenix14t": Corpus(
        "RWTH-PHOENIX-Weather 2014T",
        ("gsl",),
        "8,257 sentences of weather forecasts by 9 interpreters, with gloss",
        "CC BY-NC-SA 3.0",
        "https://www-i6.informatik.rwth-aachen.de/~koller/RWTH-PHOENIX-2014-T/",
        "camgoz2018neural",
        "--format=skels --fps=25",
    ),
    "dgs-corpus": Corpus(
        "Public DGS Corpus",
        ("gsl",),
        "conversations of Deaf people from all regions of Germany, with gloss",
        "for research, by the corpus's own license",
        "https://doi.org/10.25592/dgs.corpus-3.0",
        "konrad2020meinedgs",
    ),
    "signsuisse": Corpus(
        "SignSuisse",
        ("dsgs", "lsf_ch", "lis_ch"),
        "entries of the Swiss sign language dictionary, each with an example sentence",
        "for research, by agreement with the SGB-FSS",
        "https://signsuisse.sgb-fss.ch",
        "mueller2023findings",
    ),
    "lsa64": Corpus(
        "LSA64",
        ("lsa",),
        "3,200 takes of 64 signs by 10 people",
        "CC BY-NC-SA 4.0",
        "https://facundoq.github.io/datasets/lsa64/",
        "ronchetti2016lsa64",
    ),
    "lsat": Corpus(
        "LSA-T",
        ("lsa",),
        "14,880 sentences of news for Deaf people",
        "by the terms of its owners",
        "https://github.com/midusi/LSA-T",
        "dalbianco2022lsat",
    ),
    "ksl": Corpus(
        "KETI Korean Sign Language",
        ("ksl",),
        "words and sentences for emergencies",
        "for research, by agreement with the KETI",
        "https://doi.org/10.3390/app9132683",
        "ko2019neural",
    ),
    "autsl": Corpus(
        "AUTSL",
        ("tsl",),
        "38,336 takes of 226 signs by 43 people",
        "for research, by agreement with its owners",
        "https://cvml.ankara.edu.tr/datasets/",
        "sincan2020autsl",
    ),
    FINGERSPELLING: _WORDS,
    "fingerspelling_texts": dataclasses.replace(
        _WORDS, contents="texts of 1 to 16 letters, spelled from recorded letters"
    ),
    "fingerspelling_signers": dataclasses.replace(
        _WORDS,
        languages=("asl",),
        signers=8,
        contents="texts spelled by eight signers, of letter shapes that they share",
    ),
}
"""Name of a corpus -> the corpus; a spelled one needs no preparing."""

PREPARED = {name: corpus for name, corpus in CORPORA.items() if not corpus.spelled}
LANGUAGES = tuple(dict.fromkeys(code for c in PREPARED.values() for code in c.languages))
_PAPER, _PROJECT = "fang2024signllm", "https://signllm.github.io"


def is_spelled(dataset: str) -> bool:
    """Whether the LangGloss of a data set is a word of the text, letter by letter."""
    return dataset in CORPORA and CORPORA[dataset].spelled


def has_signers(dataset: str) -> bool:
    """Whether a spelled data set shows several signers."""
    return is_spelled(dataset) and CORPORA[dataset].signers > 1


def _of(language: str, source: str) -> list[Corpus]:
    """The known corpora of a config: one source, or all that are prepared."""
    chosen = [CORPORA[name] for name in ([source] if source else PREPARED) if name in CORPORA]
    return [corpus for corpus in chosen if language in corpus.languages]


def describe(language: str, source: str) -> str:
    """A config's description: the sign language, and the contents of its corpora."""
    title = get_language(language).name
    known = _of(language, source)
    if not known:
        return f"{title}: all prepared sources." if not source else f"{title}: {source}."
    return f"{title}: " + "; ".join(f"{c.title}, {c.contents}" for c in known) + "."


def licences(language: str, source: str) -> str:
    """The terms of a config's corpora in short."""
    known = [f"{corpus.title}: {corpus.licence}" for corpus in _of(language, source)]
    return "; ".join(known) or "by the terms of the corpus that was prepared"


def homepage(language: str, source: str) -> str:
    """The homepage of a config's corpus; Prompt2Sign's where there are several corpora or none."""
    known = _of(language, source)
    return known[0].homepage if len(known) == 1 else _PROJECT


def instructions() -> str:
    """Instructions for a user without prepared data: where to ask for each corpus, what to run."""
    return "\n".join(
        [
            "The manual directory is DIR/prepared as launch/prepare.py writes it, with",
            "`<language>/<source>/source.json` and the parts beside it.",
            *(corpus.instructions(name) for name, corpus in PREPARED.items()),
            "Any other corpus of poses with texts is prepared in the same way.",
        ]
    )


def citations(bibliography: str, language: str, source: str) -> str:
    """The entries of CITATIONS.bib that a config needs, that of Prompt2Sign first."""
    entries = {}
    for entry in bibliography.split("\n@"):
        entry = "@" + entry.strip().lstrip("@")
        entries[entry.partition("{")[2].partition(",")[0]] = entry
    wanted = [_PAPER, *(corpus.citation for corpus in _of(language, source))]
    return "\n\n".join(entries[key] for key in wanted)
