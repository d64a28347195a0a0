"""MLSF: one encoder-decoder group a language.

    python launch/train.py --config=configs/mlsf.py                         # the demo
    python launch/train.py --config=configs/mlsf.py:fingerspelling,base     # 40M a language

The first trains four languages on fingerspelled words; what it costs and reaches is in the
README, which a command writes from the reports.
"""

from configs.base import config_dict


def get_config(arg: str | None = None):
    """`arg` is DATASET,SIZE; both may be left out (`fingerspelling,tiny`)."""
    config = config_dict("mlsf", arg)
    if config.size == "tiny":
        config.train.update(steps=3500, batch_size=3)
    else:
        config.optimizer.learning_rate = 3e-4
    return config
