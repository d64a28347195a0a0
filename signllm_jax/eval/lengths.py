"""What a report says by the length of spelled texts: error, duration, doubled letters."""

from collections.abc import Mapping, Sequence

import numpy as np

from signllm_jax.core.errors import ConfigError
from signllm_jax.core.wording import how_to_install
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
        languages: what is evaluated.
        where: language -> the places of its clips among those of all.
        read: reader -> what it reads from each production.
        scores: of the productions, `seconds` and `seconds_reference` among them.
    """
    texts = [text for language in languages.values() for text in language.texts]
    tokens = [len(each.encode(t)) for each in languages.values() for t in each.texts]
    lasts = [scores[name] for name in ("seconds", "seconds_reference")]
    return {
        code: by_length(
            [texts[i] for i in chosen.tolist()],
            [tokens[i] for i in chosen.tolist()],
            [[reader[i] for i in chosen.tolist()] for reader in read],
            *(seconds[chosen] for seconds in lasts),
        )
        for code, chosen in ({"overall": np.arange(len(texts))} | dict(where)).items()
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
        texts: of N clips.
        tokens: number of tokens of each text, letters and pauses.
        read: reader -> what it reads from each production.
        seconds: float [N] of the productions.
        seconds_reference: float [N] of the real clips.

    Returns:
        Name (`1-2`, `3-6`, ..., `longer`, `several words`) -> `clips`, `cer` (pooled over letters,
        mean over readers), `duration_ratio` (total over total), and where there are any `doubled`,
        how many doubled letters the texts have, and `doubled_lost`, the share of these that were
        not read as two. A band without clips is left out.
    """
    size = np.array(tokens)
    chosen = {f"{low}-{high}": (size >= low) & (size <= high) for low, high in BANDS}
    chosen["longer"] = size > BANDS[-1][1]
    chosen["several words"] = np.array([" " in text for text in texts])
    found = {}
    for name, mask in chosen.items():
        places = np.flatnonzero(mask).tolist()
        if not places:
            continue
        own = [texts[i] for i in places]
        edits, lost, doubled = zip(
            *(_errors(own, [reader[i] or "" for i in places]) for reader in read)
        )
        figures = {
            "clips": len(places),
            "cer": float(np.mean(edits) / sum(map(len, own))),
            "duration_ratio": float(seconds[places].sum() / seconds_reference[places].sum()),
        }
        if doubled[0]:
            figures |= {"doubled": doubled[0], "doubled_lost": float(np.mean(lost) / doubled[0])}
        found[name] = figures
    return found


def _errors(texts: Sequence[str], read: Sequence[str]) -> tuple[int, int, int]:
    """Edits of all texts, doubled letters that were not read as two, and all doubled letters."""
    try:
        from rapidfuzz.distance import Levenshtein
    except ImportError:
        raise ConfigError(f"rapidfuzz is missing: {how_to_install('demo')}") from None
    edits = lost = doubled = 0
    for text, reading in zip(texts, read):
        operations = Levenshtein.editops(text, reading)
        edits += len(operations)
        wrong = {step.src_pos for step in operations if step.tag != "insert"}
        for place in range(len(text) - 1):
            if text[place] == text[place + 1]:
                doubled += 1
                lost += place in wrong or place + 1 in wrong
    return edits, lost, doubled
