"""Adds languages: launch/extend.py --workdir=DIR --languages=tsl --output=DIR [--data_dir=DIR].

Writes what a new run starts from: launch/train.py --config=... --config.init_from=DIR, on the old
and the new languages.
"""

from absl import flags

from signllm_jax.core import cli

WORKDIR = flags.DEFINE_string("workdir", None, "a trained run of Prompt2LangGloss or text2gloss")
LANGUAGES = flags.DEFINE_list("languages", None, "codes of the languages to add")
OUTPUT = flags.DEFINE_string("output", None, "folder to write the grown model to")
DATA_DIR = flags.DEFINE_string("data_dir", None, "data of the languages, by default the run's")


def main() -> None:
    """Reads the flags and writes the grown model."""
    from signllm_jax.train.shared import extend_run

    workdir, languages = cli.required(WORKDIR), cli.required(LANGUAGES)
    print(extend_run(workdir, languages, cli.required(OUTPUT), DATA_DIR.value))


if __name__ == "__main__":
    cli.run(main)
