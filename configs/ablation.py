"""The paper's ablation of reinforcement learning, small enough for a CPU.

    python launch/ablation.py --config=configs/ablation.py --workdir=runs/ablation

One language, short runs. `docs/replay.md`, which the command writes, has what it reaches.
"""

from configs.base import config_dict

# what `config.rl` is in each setting: the paper's three rows, then variations of the third
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
# further training of the trained base, with the same steps each
GRADIENT = {"loss": "policy_gradient", "supervised": 0.0}
FINETUNE = {
    "mse": {},
    "policy_gradient": {**GRADIENT, "deviation": 0.3, "final_deviation": 0.1},
    "policy_gradient_small": {**GRADIENT, "deviation": 0.05, "final_deviation": 0.05},
    "mse_and_policy_gradient": {**GRADIENT, "supervised": 1.0, "policy": 1e-3},
}


def get_config(arg: str | None = None):
    """`arg` is DATASET,SIZE; both may be left out (`fingerspelling,tiny`)."""
    config = config_dict("ablation", arg)
    config.data.languages = ("asl",)
    config.data.corrupt = 0.25
    config.train.update(steps=500, batch_size=3)
    return config
