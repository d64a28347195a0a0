"""The figures of a run on texts by many signers, beside real takes, their mean and the mean pose.

Where signers differ, a distance does not show that a production averages them: the mean pose is
nearer to a real take than another real take is. Travel, speed and the Frechet distance show it.
"""

import os
from collections.abc import Sequence

from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.errors import ConfigError
from signllm_jax.corpora import signers, spelled_signers
from signllm_jax.corpora.fingerspelling import spell
from signllm_jax.corpora.joining import join_letters
from signllm_jax.corpora.published import has_signers
from signllm_jax.eval.eval_set import Language, fill_rows, open_texts
from signllm_jax.eval.evaluators import Evaluator, reader_of, trained_inside
from signllm_jax.eval.referees import mean_take, other_takes, row_figures
from signllm_jax.metrics.text_metrics import cer
from signllm_jax.poses.clip import PoseClip


def evaluate_signers(workdir: str | os.PathLike, data_dir: str | None = None) -> dict:
    """The rows of both tests of a run on `fingerspelling_signers`.

    Args:
        workdir: Work directory of the run; a reader is trained in it where there is none.
        data_dir: Folder of the prepared data; by default the run's.

    Returns:
        Split -> row -> `cer` and the figures of `row_figures`; and `seed`.

    Raises:
        ConfigError: The run is on other data.
    """
    run = Workdir(workdir)
    config, _ = run.read_config()
    if not has_signers(config.data.dataset):
        raise ConfigError(f"{run.path}: {config.data.dataset} does not have several signers")
    figures: dict = {"seed": config.train.seed}
    for split in ("test", spelled_signers.SIGNER_TEST):
        evaluated = open_texts(run, split, data_dir)
        ((code, language),) = evaluated.languages.items()
        fill_rows(evaluated, 0)
        (reader,) = trained_inside(run, evaluated.languages, (0,), reader_of(config))
        figures[split] = _rows(code, language, reader)
    return figures


def _rows(code: str, language: Language, reader: Evaluator) -> dict[str, dict]:
    """Row -> figures against all real clips of the split."""
    texts, references = language.texts, language.references
    rows = {
        "real take": other_takes(texts, references),
        "conditional mean": conditional_means(texts),
        "mean pose": language.rows["mean_pose"],
        "produced": language.rows["produced"],
    }
    figures = {"real clips": {"cer": cer(reader.read(code, references), texts)}}
    for name, clips in rows.items():
        if None not in clips:
            figures[name] = {"cer": cer(reader.read(code, clips), texts)}
            figures[name] |= row_figures(references, clips)
    return figures


def conditional_means(texts: Sequence[str]) -> list[PoseClip]:
    """For every text the mean over the signers of train, which minimizes a squared error."""
    means = {text: conditional_mean(text) for text in dict.fromkeys(texts)}
    return [means[text] for text in texts]


def conditional_mean(text: str) -> PoseClip:
    """The mean clip of a text over all signers at the middle tempo, as `mean_take` makes it."""
    words = [spell(word, spelled_signers.LANGUAGE) for word in text.split()]
    tempo = sum(spelled_signers.TEMPO) // 2
    alphabets = [signers.signer_alphabet(signer) for signer in signers.SIGNERS]
    return mean_take(
        [
            join_letters([[(unit, letters[unit]) for unit in word] for word in words], tempo)
            for letters in alphabets
        ]
    )
