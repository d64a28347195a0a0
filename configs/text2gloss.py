"""Text to gloss: the text stage alone, one model for all languages of the corpora.

    python launch/train.py --config=configs/text2gloss.py --config.data.data_dir=FOLDER

trains on PHOENIX-2014T (FOLDER/phoenix14t/{train,dev,test}.csv); `:gloss_corpora` on that, GKSL
and SignSuisse at once, `:gksl` and `:signsuisse` on one. Costs and results are in
docs/text_to_gloss.md.
"""

from configs.base import config_dict

ROWS = {  # gloss rows, units, hashed n-grams: as many as the train split needs
    "phoenix14t": (1408, 3072, 4096),
    "gksl": (1792, 4096, 4096),
    "signsuisse": (3840, 4096, 4096),
    "gloss_corpora": (6272, 12288, 4096),
}


def get_config(arg: str | None = None):
    """`arg` is the DATASET; it may be left out (`phoenix14t`)."""
    dataset = arg or "phoenix14t"
    config = config_dict("text2gloss", dataset)
    config.task = "text2gloss"
    config.model.vocab, config.text.units, config.text.buckets = ROWS[dataset]
    config.text.languages = 9
    config.train.update(steps=3800, batch_size=4)
    config.optimizer.update(
        learning_rate=2e-3, warmup=400, schedule="linear", weight_decay=0.0, average=0.995
    )
    config.eval.update(every=1266, clips=0, batch_size=104)
    return config
