"""MLSF: one encoder-decoder group per language.

    python launch/train.py --config=configs/mlsf.py                         # the demo
    python launch/train.py --config=configs/mlsf.py:fingerspelling,base     # 40M per language

The first trains four languages on fingerspelled texts of 1 to 16 letters; `fingerspelling` has only
words of 3 to 6 letters. Costs and results are in docs/results.md, which a command writes from the
reports. Both learn as in the paper: by the RL loss, with the Priority Learning Channel. One word
turns both off:

    python launch/train.py --config=configs/mlsf.py:plain
    python launch/train.py --config=configs/mlsf.py:fingerspelling,base,plain

`paper` instead of `plain` is the default. Its parts can be changed:

    --config.rl.plc=False           # every row comes in the order of the data
    --config.rl.loss=mse            # no RL loss: the same gradient, where nothing is reweighted
    --config.rl.threshold=0         # clips worse than the median are drawn too
    --config.rl.eta=0               # clips that are drawn are drawn alike

Where several signers sign a text, as in `configs/mlsf.py:fingerspelling_signers`:

    --config.model.latent=16        # a clip has a latent beside its text: signers are not averaged
    --config.model.decoder=parallel # all patches in one pass, the length first
    --config.model.flow=8           # with it: in so many passes out of noise, by flow matching
"""

from configs.base import config_dict

# The paper: P(i) ~ r(i)^eta, "if the reward is less than 50%, skip", and cyclic sampling beside.
# It names no eta and no share. `strata` = 0: as many as a batch's rows can serve.
PAPER = {
    "loss": "reward",
    "plc": True,
    "share": 0.3,
    "eta": 1.0,
    "threshold": 0.5,
    "beta": 0.0,
    "direction": "high_reward",
    "strata": 0,
}
LEARNING = {"paper": PAPER, "plain": PAPER | {"loss": "mse", "plc": False}}
"""The last word of the config's argument -> changes of `config.rl`."""


def get_config(arg: str | None = None):
    """`arg` is DATASET,SIZE,LEARNING; all may be left out (`fingerspelling_texts,tiny,paper`)."""
    *parts, last = (arg or "").split(",")
    learning, parts = (last, parts) if last in LEARNING else ("paper", [*parts, last])
    config = config_dict("mlsf", ",".join(parts), "fingerspelling_texts")
    config.rl.update(LEARNING[learning])
    if config.size == "tiny":
        steps = 3000 if config.data.dataset.startswith("fingerspelling_") else 3500
        config.train.update(steps=steps, batch_size=3)
    else:
        config.optimizer.learning_rate = 3e-4
        config.rl.capacity = 2048  # of the last clips seen: 0.3 GB per language at 20 seconds each
    return config
