"""Text metrics of maintained libraries: BLEU and chrF of sacrebleu, ROUGE-L of rouge-score, WER and
CER of jiwer. The libraries are extras of the package and are imported when a metric is called.

All take produced texts and one reference text for each, and score the corpus: BLEU, chrF and
ROUGE-L in 0..100 as in published tables; error rates as ratios, 0 = no error.
"""

import importlib
from collections.abc import Sequence
from types import ModuleType, SimpleNamespace

from signllm_jax.core.errors import ConfigError, DataError
from signllm_jax.core.wording import how_to_install

SHORT = "no line has four words"
"""Why BLEU-4 may be absent."""


def _library(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ConfigError(f"{name} is missing: {how_to_install('eval')}") from None


def _check(produced: Sequence[str], references: Sequence[str]) -> None:
    if not references or len(produced) != len(references):
        raise DataError(
            f"{len(produced)} produced texts cannot be scored against {len(references)} references"
        )
    if empty := sum(not reference.strip() for reference in references):
        raise DataError(f"{empty} of {len(references)} references have no text: leave those out")


def bleu(
    produced: Sequence[str], references: Sequence[str], tokenize: str = "13a"
) -> tuple[dict[str, float], str]:
    """Corpus BLEU-1 to BLEU-4 and sacrebleu's signature of how they were computed.

    BLEU-n is the geometric mean of the precisions of orders 1 to n with the brevity penalty, so
    `bleu1` is not the bare unigram precision. An order that no reference has words for has no
    meaning and is left out: perfect lines of one gloss have BLEU-1 100 and no BLEU-4. Source:
    Papineni et al., ACL 2002; Post, A Call for Clarity in Reporting BLEU Scores, WMT 2018. For text
    that is already tokenized, such as that of PHOENIX-2014T, published figures use
    `tokenize='none'`.

    Raises:
        DataError: The counts differ, there is nothing to score, or a reference is empty.
        ConfigError: sacrebleu is not installed.
    """
    _check(produced, references)
    metrics = _library("sacrebleu.metrics")
    scores = {}
    for order in (1, 2, 3, 4):
        metric = metrics.BLEU(tokenize=tokenize, max_ngram_order=order)
        if any(len(metric.tokenizer(text).split()) >= order for text in references):
            scores[f"bleu{order}"] = float(metric.corpus_score(produced, [references]).score)
            signature = str(metric.get_signature())
    return scores, signature


def signatures(tokenize: str = "13a") -> dict[str, str]:
    """How BLEU and chrF are computed, `bleu` and `chrf`, in sacrebleu's words."""
    text = ["a word"]
    return {"bleu": bleu(text, text, tokenize)[1], "chrf": chrf(text, text)[1]}


def chrf(produced: Sequence[str], references: Sequence[str]) -> tuple[float, str]:
    """Corpus chrF2 and sacrebleu's signature. Source: Popovic, WMT 2015. Raises as `bleu`."""
    _check(produced, references)
    metric = _library("sacrebleu.metrics").CHRF()
    return float(metric.corpus_score(produced, [references]).score), str(metric.get_signature())


def rouge_l(produced: Sequence[str], references: Sequence[str]) -> float:
    """The mean over texts of the F1 of ROUGE-L. Source: Lin, 2004. Raises as `bleu`.

    Texts are lowercased and split at white space: rouge-score's own tokenizer drops every letter
    outside a-z, such as German umlauts and all of Korean.
    """
    _check(produced, references)
    words = SimpleNamespace(tokenize=lambda text: text.lower().split())
    scorer = _library("rouge_score.rouge_scorer").RougeScorer(["rougeL"], tokenizer=words)
    scores = [scorer.score(*pair)["rougeL"].fmeasure for pair in zip(references, produced)]
    return 100 * sum(scores) / len(scores)


def wer(produced: Sequence[str], references: Sequence[str]) -> float:
    """Word error rate: edits per reference word of the whole corpus. Raises as `bleu`."""
    _check(produced, references)
    return float(_library("jiwer").wer(list(references), list(produced)))


def cer(produced: Sequence[str], references: Sequence[str]) -> float:
    """Character error rate: edits per reference character of the corpus. Raises as `bleu`."""
    _check(produced, references)
    return float(_library("jiwer").cer(list(references), list(produced)))


def exact_match(produced: Sequence[str], references: Sequence[str]) -> float:
    """The share of texts that are right as a whole: the word accuracy of isolated signs."""
    _check(produced, references)
    return sum(a == b for a, b in zip(produced, references)) / len(references)


def accuracy(produced: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """`accuracy`, the share of signs that are right, where every reference is one word or gloss.

    Empty where a reference has several: the corpus is not one of isolated signs.
    """
    _check(produced, references)
    single = all(len(reference.split()) == 1 for reference in references)
    return {"accuracy": exact_match(produced, references)} if single else {}


def error_rates(produced: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """`cer`, `wer` and `exact_match`, which need only jiwer. Raises as `bleu`."""
    return {
        "cer": cer(produced, references),
        "wer": wer(produced, references),
        "exact_match": exact_match(produced, references),
    }


def score_texts(
    produced: Sequence[str], references: Sequence[str], tokenize: str = "13a"
) -> tuple[dict[str, float], dict[str, str]]:
    """All text metrics by their names in a report, and the signatures of BLEU and chrF.

    Returns:
        `bleu1` to `bleu4`, `chrf`, `rouge_l` and those of `error_rates` and `accuracy`, without
        what has no meaning; and the signatures `bleu` and `chrf`. Raises as `bleu`.
    """
    scores, bleu_signature = bleu(produced, references, tokenize)
    score, chrf_signature = chrf(produced, references)
    scores |= {"chrf": score, "rouge_l": rouge_l(produced, references)}
    scores |= error_rates(produced, references) | accuracy(produced, references)
    return scores, {"bleu": bleu_signature, "chrf": chrf_signature}
