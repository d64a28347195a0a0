"""The spelled data sets, which are made from an installed package, and their examples."""

import dataclasses
from collections.abc import Callable, Iterator

from signllm_jax.corpora import fingerspelling, spelled_signers, spelled_texts
from signllm_jax.corpora.fingerspelling import SPLITS, Example


@dataclasses.dataclass(frozen=True)
class Embedded:
    """A data set that is made from an installed package.

    Attributes:
        corpus: function of language and split that yields the examples, the same on every call
            and machine.
        splits: names of the splits.
    """

    corpus: Callable[[str, str], Iterator[Example]]
    splits: tuple[str, ...] = SPLITS


EMBEDDED = {
    "fingerspelling": Embedded(fingerspelling.corpus),
    "fingerspelling_texts": Embedded(spelled_texts.corpus),
    "fingerspelling_signers": Embedded(
        spelled_signers.corpus, (*SPLITS, spelled_signers.SIGNER_TEST)
    ),
}
"""Name of a spelled data set of `published.CORPORA` -> how it is made."""
