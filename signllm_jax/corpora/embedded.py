"""The data sets that are made from an installed package: fingerspelling in three forms."""

import dataclasses
from collections.abc import Callable, Iterator

from signllm_jax.corpora import fingerspelling, spelled_texts
from signllm_jax.corpora.fingerspelling import SPLITS, Example
from signllm_jax.data import spelled_signers


@dataclasses.dataclass(frozen=True)
class Embedded:
    """A data set that needs no preparing by the user.

    Attributes:
        languages: codes of its sign languages, in order.
        corpus: language and split -> its examples, the same on every call and machine.
        splits: its splits.
    """

    languages: tuple[str, ...]
    corpus: Callable[[str, str], Iterator[Example]]
    splits: tuple[str, ...] = SPLITS


EMBEDDED = {
    "fingerspelling": Embedded(fingerspelling.LANGUAGES, fingerspelling.corpus),
    "fingerspelling_texts": Embedded(fingerspelling.LANGUAGES, spelled_texts.corpus),
    "fingerspelling_signers": Embedded(
        (spelled_signers.LANGUAGE,),
        spelled_signers.corpus,
        (*SPLITS, spelled_signers.SIGNER_TEST),
    ),
}
"""Name of the data set (and of the builder's source) -> what it is. All are spelled."""
