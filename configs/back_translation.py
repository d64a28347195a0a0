"""Back-translation: one pose reader per language, which judges productions.

    python launch/train.py --config=configs/back_translation.py               # fingerspelling
    python launch/evaluate.py --workdir=RUN --evaluators=DIR,DIR              # judge by two of them

The readers are trained on real clips of the train split only. A judge of other systems is trained
with two or more seeds (`--config.train.seed=1`). docs/back_translation.md has costs and results.
"""

from configs.base import config_dict


def get_config(arg: str | None = None):
    """`arg` is DATASET,SIZE; both may be left out (`fingerspelling,tiny`)."""
    config = config_dict("back_translation", arg)
    config.task = "back_translation"
    config.model.patch = 4
    if config.size == "tiny":
        config.model.update(width=96, mlp=192)
        config.train.update(steps=800, batch_size=4)
        config.eval.every = 200
    else:
        config.optimizer.learning_rate = 3e-4
    if config.text.kind != "letters":
        # a sign's text is no sequence of letters: the whole clip is needed to read it
        config.reading.update(view=0, gloss_vocab=512, row_glosses=32)
        config.reading.update(offset=0.5, scale=0.2, tempo=0.5)
        config.model.dropout = 0.2
    return config
