"""The figures of a text stage: BLEU-4, exact match and whether the marks are right."""

from collections.abc import Sequence

import numpy as np

from signllm_jax.metrics.text_metrics import bleu
from signllm_jax.text.langgloss import split_marks


def score_lines(
    lines: Sequence[Sequence[str]], references: Sequence[Sequence[str]], language: str
) -> dict[str, float]:
    """Scores the lines of one language.

    Args:
        lines: what was produced, marked tokens `<gsl:REGEN>`.
        references: the glosses of each true line, unchanged.
        language: the mark that is right.

    Returns:
        `bleu4` (sacrebleu, tokenize none, of the glosses without marks), `exact_match` (share of
        lines whose glosses and marks are all right), `language_accuracy` (share of lines that have
        no other mark; an empty line has the right one) and `foreign_marks` (tokens of another).

    Raises DataError as `bleu` does.
    """
    pairs = [split_marks(line) for line in lines]
    produced = [" ".join(gloss for _, gloss in line) for line in pairs]
    wanted = [" ".join(reference) for reference in references]
    foreign = np.array([sum(code != language for code, _ in line) for line in pairs])
    exact = np.array([p == w for p, w in zip(produced, wanted)])
    return {
        "bleu4": bleu(produced, wanted, tokenize="none")[0]["bleu4"],
        "exact_match": float((exact & (foreign == 0)).mean()),
        "language_accuracy": float((foreign == 0).mean()),
        "foreign_marks": int(foreign.sum()),
    }
