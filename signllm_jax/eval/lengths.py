"""Figures by the length of spelled texts: error, duration, doubled letters."""

from collections.abc import Mapping, Sequence

import numpy as np

from signllm_jax.eval.edits import levenshtein
from signllm_jax.eval.eval_set import Language

BANDS = ((1, 2), (3, 6), (7, 10), (11, 16))
"""Letters and pauses of a text, first and last of each band."""


def of_languages(
    languages: Mapping[str, Language],
    where: Mapping[str, np.ndarray],
    read: Sequence[Sequence[str | None]],
    scores: Mapping[str, np.ndarray],
) -> dict[str, dict[str, dict[str, float]]]:
    """Language, or `overall` -> figures of the productions by the length of their text.

    Args:
        languages: Languages that are evaluated.
        where: Language -> indices of its clips among those of all languages.
        read: Reader -> the text it reads from each production.
        scores: Scores of the productions, `seconds` and `seconds_reference` among them.
    """
    texts = [text for language in languages.values() for text in language.texts]
    tokens = [len(lang.encode(text)) for lang in languages.values() for text in lang.texts]
    return {
        code: by_length(
            [texts[i] for i in chosen],
            [tokens[i] for i in chosen],
            [[texts_read[i] for i in chosen] for texts_read in read],
            scores["seconds"][chosen],
            scores["seconds_reference"][chosen],
        )
        for code, chosen in {"overall": np.arange(len(texts)), **where}.items()
    }


def by_length(
    texts: Sequence[str],
    tokens: Sequence[int],
    read: Sequence[Sequence[str | None]],
    seconds: np.ndarray,
    seconds_reference: np.ndarray,
) -> dict[str, dict[str, float]]:
    """Figures of the productions of each band of lengths, and of texts of several words.

    Args:
        texts: Texts of N clips.
        tokens: Number of tokens of each text, letters and pauses.
        read: Reader -> the text it reads from each production.
        seconds: Durations of the productions, float [N].
        seconds_reference: Durations of the real clips, float [N].

    Returns:
        Name (`1-2`, `3-6`, ..., `longer`, `several words`) -> `clips`, `cer` (pooled over letters,
        mean over readers), `duration_ratio` (total over total), and where there are any `doubled`,
        the number of doubled letters of the texts, and `doubled_lost`, the share of these that were
        not read as two. A band without clips is left out.
    """
    size = np.array(tokens)
    bands = {f"{low}-{high}": (size >= low) & (size <= high) for low, high in BANDS}
    bands["longer"] = size > BANDS[-1][1]
    bands["several words"] = np.array([" " in text for text in texts])
    figures = {}
    for name, mask in bands.items():
        chosen = np.flatnonzero(mask).tolist()
        if not chosen:
            continue
        true = [texts[i] for i in chosen]
        errors = [_errors(true, [texts_read[i] or "" for i in chosen]) for texts_read in read]
        edits, lost, doubled = np.mean(errors, axis=0)
        figures[name] = {
            "clips": len(chosen),
            "cer": float(edits / sum(map(len, true))),
            "duration_ratio": float(seconds[chosen].sum() / seconds_reference[chosen].sum()),
        }
        if doubled:
            figures[name] |= {"doubled": int(doubled), "doubled_lost": float(lost / doubled)}
    return figures


def _errors(texts: Sequence[str], read: Sequence[str]) -> tuple[int, int, int]:
    """Edits of all texts, doubled letters that were not read as two, and all doubled letters."""
    edits = lost = doubled = 0
    for text, text_read in zip(texts, read):
        operations = levenshtein().editops(text, text_read)
        edits += len(operations)
        wrong = {step.src_pos for step in operations if step.tag != "insert"}
        pairs = [{i, i + 1} for i in range(len(text) - 1) if text[i] == text[i + 1]]
        doubled += len(pairs)
        lost += sum(not wrong.isdisjoint(pair) for pair in pairs)
    return edits, lost, doubled
