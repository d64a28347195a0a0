"""Runs a study whose page stands in docs/.

    python launch/study.py NAME

The name: sentences. launch/ablation.py has the study of reinforcement learning.
"""

import importlib
import sys

from signllm_jax.core import cli
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.memory import keep_freed

# modules of launch.studies with a function `study`, which may define flags of their own
STUDIES = ("sentences",)

name = sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else ""
module = importlib.import_module(f"launch.studies.{name}") if name in STUDIES else None


def main():
    """Runs the study that was named and prints what it says."""
    if module is None:
        raise ConfigError(f"name a study, one of {', '.join(STUDIES)}, not {name!r}")
    keep_freed()  # as training does
    for line in module.study():
        print(line, flush=True)


if __name__ == "__main__":
    cli.run(main)
