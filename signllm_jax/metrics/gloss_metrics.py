"""The figures of a text stage: BLEU-4, exact match and whether the marks are right."""

from collections.abc import Sequence

import numpy as np

from signllm_jax.metrics.text_metrics import bleu, chrf
from signllm_jax.text.langgloss import split_marks

TOKENIZE = "none"
"""How glosses are told apart for BLEU: at spaces. Marks within a gloss do not divide it."""


def score_lines(
    lines: Sequence[Sequence[str]], references: Sequence[Sequence[str]], language: str
) -> dict[str, float]:
    """Scores the lines of one language.

    Args:
        lines: what was produced, marked tokens `<gsl:REGEN>`.
        references: the glosses of each true line, unchanged.
        language: the mark that is right.

    Returns:
        `bleu1` to `bleu4` (sacrebleu, tokenize none, of the glosses without marks; without the
        orders that no line has glosses for), `chrf`, `exact_match` (share of lines whose glosses
        and marks are all right), `accuracy` (the same, where every line is one gloss),
        `language_accuracy` (share of lines that have no other mark; an empty line has the right
        one) and `foreign_marks` (tokens of another).

    Raises DataError as `bleu` does.
    """
    pairs = [split_marks(line) for line in lines]
    produced = [" ".join(gloss for _, gloss in line) for line in pairs]
    wanted = [" ".join(reference) for reference in references]
    foreign = np.array([sum(code != language for code, _ in line) for line in pairs])
    exact = np.array([p == w for p, w in zip(produced, wanted)])
    right = float((exact & (foreign == 0)).mean())
    return {
        **bleu(produced, wanted, tokenize=TOKENIZE)[0],
        "chrf": chrf(produced, wanted)[0],
        "exact_match": right,
        **({"accuracy": right} if all(len(line) == 1 for line in references) else {}),
        "language_accuracy": float((foreign == 0).mean()),
        "foreign_marks": int(foreign.sum()),
    }
