"""The figures of a text stage: BLEU-4, exact match and whether the marks are right."""

from collections.abc import Sequence

import numpy as np

from signllm_jax.metrics.text_metrics import bleu, chrf
from signllm_jax.text.langgloss import split_marks

TOKENIZE = "none"
"""Tokenizer of BLEU: glosses are separated by spaces. Punctuation does not divide a gloss."""


def score_lines(
    lines: Sequence[Sequence[str]], references: Sequence[Sequence[str]], language: str
) -> dict[str, float]:
    """Scores the lines of one language.

    Args:
        lines: Produced lines of marked tokens such as `<gsl:REGEN>`.
        references: Glosses of each true line, unchanged.
        language: Code of the language that is the right mark.

    Returns:
        `bleu1` to `bleu4` (sacrebleu, tokenize none, of the glosses without marks; without the
        orders that no line has enough glosses for), `chrf`, `exact_match` (share of lines whose
        glosses and marks are all right), `accuracy` (the same, where every line is one gloss),
        `language_accuracy` (share of lines without a wrong mark, empty lines included) and
        `foreign_marks` (number of tokens with a wrong mark).

    Raises DataError as `bleu` does.
    """
    pairs = [split_marks(line) for line in lines]
    produced = [" ".join(gloss for _, gloss in line) for line in pairs]
    true = [" ".join(reference) for reference in references]
    foreign = np.array([sum(code != language for code, _ in line) for line in pairs])
    right = float(np.mean([p == t and not f for p, t, f in zip(produced, true, foreign)]))
    return {
        **bleu(produced, true, tokenize=TOKENIZE)[0],
        "chrf": chrf(produced, true)[0],
        "exact_match": right,
        **({"accuracy": right} if all(len(line) == 1 for line in references) else {}),
        "language_accuracy": float((foreign == 0).mean()),
        "foreign_marks": int(foreign.sum()),
    }
