"""Sample clips of a report: productions beside the real clips of the same texts."""

import re

from signllm_jax.core.storage import AnyPath
from signllm_jax.eval.eval_set import Language
from signllm_jax.inference.letter_times import with_cues
from signllm_jax.render.save import save_clip


def save_samples(
    folder: AnyPath, languages: dict[str, Language], count: int, spelled: bool
) -> None:
    """Renders the first `count` clips of each language, the first also as gif and strip.

    Args:
        folder: Folder of the samples.
        languages: Code -> its texts, real clips and rows, of which `produced` is shown.
        count: Number of clips per language.
        spelled: Whether our own model spelled them, so that videos highlight the current letter.

    Raises:
        OutputError: A file cannot be written.
    """
    for code, language in languages.items():
        clips, tokenizer = language.whole("produced"), language.tokenizer
        for number, i in enumerate([i for i, clip in enumerate(clips) if len(clip)][:count]):
            produced, text = clips[i], language.texts[i]
            if spelled and tokenizer is not None:
                produced = with_cues(produced, tokenizer.encode(text), tokenizer)
            name = re.sub(r"[^\w-]+", "_", text)[:40]
            for suffix in (".mp4", ".gif", ".png") if number == 0 else (".mp4",):
                save_clip(folder / f"{code}-{name}{suffix}", produced, language.references[i], text)
