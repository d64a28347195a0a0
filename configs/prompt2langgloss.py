"""Prompt2LangGloss: prompt -> LangGloss -> poses, one set of parameters for all languages.

    python launch/train.py --config=configs/prompt2langgloss.py                     # four languages
    python launch/train.py --config=configs/prompt2langgloss.py:fingerspelling,base  # 40M

docs/prompt2langgloss.md has the costs and results of the first.
"""

from configs.base import config_dict

# both stages together have the name's number of parameters within 5%; a test counts them
SIZES = {
    "base": {"width": 640, "heads": 5, "mlp": 1664},
    "large": {"width": 896, "heads": 7, "mlp": 2816},
    "super": {"width": 1920, "heads": 15, "mlp": 7680},
}


def get_config(arg: str | None = None):
    """`arg` is DATASET,SIZE; both may be left out (`fingerspelling,tiny`)."""
    config = config_dict("prompt2langgloss", arg)
    config.task = "prompt2langgloss"
    config.text.update(
        kind="characters", units=512, buckets=4096, languages=9, longest=224, line=33, beams=1
    )
    config.data.row_units = 224
    config.optimizer.average = 0.99
    if config.size == "tiny":
        config.model.update(vocab=512, head=512)
        config.text.update(dropout=0.0, unit_drop=0.0, distances=16)
        config.train.update(steps=3500, batch_size=12)
    else:
        config.model.update(SIZES[config.size])
        config.optimizer.learning_rate = 3e-4
    return config
