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
        folder: where to.
        languages: code -> its texts, real clips and rows, of which `produced` is shown.
        count: clips of a language.
        spelled: whether our own model spelled them, so that videos light the letter of the moment.

    Raises:
        OutputError: A file cannot be written.
    """
    for code, each in languages.items():
        shown = [i for i, clip in enumerate(each.whole("produced")) if len(clip)][:count]
        for number, i in enumerate(shown):
            produced, text = each.whole("produced")[i], each.texts[i]
            if spelled and each.tokenizer is not None:
                produced = with_cues(produced, each.tokenizer.encode(text), each.tokenizer)
            name = re.sub(r"[^\w-]+", "_", text)[:40]
            for suffix in (".mp4", ".gif", ".png") if number == 0 else (".mp4",):
                save_clip(folder / f"{code}-{name}{suffix}", produced, each.references[i], text)
