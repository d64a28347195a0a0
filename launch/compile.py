"""Compiles the train step, or the generation, for a TPU slice that is not at hand.

    python launch/compile.py --config=configs/mlsf.py:fingerspelling,base --topology=v5e:4x4
    python launch/compile.py --table=docs/slices.md      # from the reports kept in docs/slices/,
                             --readme=README.md          # and into another page's place for it

Prints what it would need and cost and writes it as JSON. Exit code 1 when it does not fit.
"""

import functools
import json
from pathlib import Path

from absl import flags
from ml_collections import config_flags

from signllm_jax.aot.slices import prepare_environment
from signllm_jax.core import cli

CONFIG = config_flags.DEFINE_config_file("config", None, "configs/FILE.py[:DATASET[,SIZE]]")
TOPOLOGY = flags.DEFINE_string("topology", None, "chip and shape, for example v5e:16x16")
MESH = flags.DEFINE_string("mesh", "", "AXIS:SIZE,...; empty = languages first, the rest fsdp")
DECODE = flags.DEFINE_boolean("decode", False, "compile the generation instead of the train step")
SWEEP = flags.DEFINE_boolean("sweep", False, "try several meshes and propose one")
TABLE = flags.DEFINE_string("table", None, "write this page from the reports in its folder instead")
README = flags.DEFINE_string("readme", None, "write the table into this page as well")
OUTPUT = flags.DEFINE_string("output", "aot.json", "where the report is written")


def main() -> int:
    """Compiles, writes the report, and says whether it fits."""
    from signllm_jax.aot.plan import plan
    from signllm_jax.aot.table import write_page, write_table
    from signllm_jax.artifacts.group import write_file
    from signllm_jax.core.config import read_config
    from signllm_jax.core.errors import ConfigError
    from signllm_jax.eval.results import write_readme

    if README.value is not None and TABLE.value is None:
        raise ConfigError("--readme is given a table: --table=docs/slices.md --readme=README.md")
    if TABLE.value is not None:
        page = Path(TABLE.value)
        write_file(page, write_page(page.with_suffix("")).encode())
        if README.value is not None:
            write_readme(README.value, write_table(page.with_suffix("")), "slices")
        return 0
    if CONFIG.value is None or TOPOLOGY.value is None:
        raise ConfigError("--config and --topology are needed, for example --topology=v5e:4x4")
    config = read_config(CONFIG.value.to_dict())
    say = functools.partial(print, flush=True)
    reports = plan(config, TOPOLOGY.value, MESH.value, DECODE.value, SWEEP.value, say)
    chosen = reports[0] | ({"tried": reports[1:]} if SWEEP.value else {})
    write_file(Path(OUTPUT.value), json.dumps(chosen, indent=1).encode())
    return 0 if chosen["fits"] else 1


if __name__ == "__main__":
    prepare_environment()
    cli.run(main)
