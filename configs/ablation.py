"""The paper's ablation of reinforcement learning, small enough for a CPU.

    python launch/ablation.py --config=configs/ablation.py --workdir=runs/ablation

One language, short runs. The command writes `docs/replay.md` with the results.
"""

from configs import mlsf, prompt2langgloss
from configs.base import config_dict

# changes of `config.rl` in each setting: the paper's three rows, then variations of the third
PLC = {"loss": "reward", "plc": True}
SETTINGS = {
    "base": {},
    "rl_loss": {"loss": "reward"},
    "plc": PLC,
    "plc_uniform": {**PLC, "eta": 0.0, "threshold": 0.0},
    "plc_free_running": {**PLC, "rollout": "free_running"},
    "plc_high_error": {**PLC, "direction": "high_error"},
    "plc_share": {**PLC, "share": 0.67},
}
# changes of `config.loss` in each control: clips with large errors count less, without a buffer
CONTROLS = {
    f"{kind}_{limit:g}": {"robust": kind, "outlier": limit}
    for kind, limits in {
        "trimmed": (1.0, 1.5, 2.0),
        "clipped": (0.5, 1.0, 2.0),
        "huber": (0.1, 0.3, 1.0),
    }.items()
    for limit in limits
}
# further training of the demo's asl, with equal steps: changes of the sections of the config
FINETUNE_STEPS = 200
SLOW = {"learning_rate": 3e-5, "warmup": 20}
FAST = {"learning_rate": 3e-4, "warmup": 20}
GRADIENT = {"loss": "policy_gradient", "supervised": 0.0, "deviation": 0.1, "final_deviation": 0.05}
BOTH = {**GRADIENT, "supervised": 1.0, "policy": 1e-3}
FINETUNE = {
    "mse": {"optimizer": FAST},
    "mse_slow": {"optimizer": SLOW},
    "policy_gradient": {"optimizer": FAST, "rl": GRADIENT},
    "policy_gradient_slow": {"optimizer": SLOW, "rl": GRADIENT},
    "policy_gradient_dtw": {"optimizer": SLOW, "rl": {**GRADIENT, "reward": "dtw"}},
    "mse_and_policy_gradient": {"optimizer": FAST, "rl": BOTH},
    "mse_and_policy_gradient_slow": {"optimizer": SLOW, "rl": BOTH},
}
# ways of further training of the distribution of a latent, with a reader's reward
READ = {"steps": 200, "learning_rate": 3e-4}
READER_WAYS = {
    "usual_loss": {"usual": 1.0, "policy": 0.0, **READ},
    "reader": {"usual": 0.0, "policy": 1.0, **READ},
    "usual_loss_and_reader": {"usual": 1.0, "policy": 0.1, **READ},
}


def get_config(arg: str | None = None):
    """`arg` is DATASET,SIZE; both may be left out (`fingerspelling,tiny`)."""
    config = config_dict("ablation", arg)
    config.data.languages = ("asl",)
    config.data.corrupt = 0.25
    config.train.update(steps=500, batch_size=3)
    return config


def demo():
    """The demo by the paper's learning, in the study's language: the start of further training."""
    config = mlsf.get_config("fingerspelling,tiny,paper")
    config.data.languages = ("asl",)
    config.log.progress = False
    return config


def signers():
    """Eight signers of the same texts, by the paper's learning: which signers does it draw?"""
    config = mlsf.get_config("fingerspelling_signers,tiny,paper")
    config.data.languages = ("asl",)
    config.train.steps = 800
    return config


def sampled():
    """Eight signers and a latent, for a short time: the model that a reader's reward trains on."""
    config = mlsf.get_config("fingerspelling_signers,tiny,plain")
    config.data.languages = ("asl",)
    config.model.latent = 16
    config.loss.latent = 0.003
    config.train.steps = 1500
    return config


def prompted():
    """Prompt2LangGloss, for as many steps of as many rows."""
    config, compared = prompt2langgloss.get_config(), get_config()
    config.data.languages = compared.data.languages
    config.train.update(steps=compared.train.steps, batch_size=compared.train.batch_size)
    config.eval.every = compared.train.steps
    config.log.progress = False
    return config
