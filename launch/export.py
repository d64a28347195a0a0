"""Copies a run's groups out, with a model card: launch/export.py --workdir=DIR --output=DIR."""

from absl import flags

from signllm_jax.core import cli

WORKDIR = flags.DEFINE_string("workdir", None, "a trained run")
OUTPUT = flags.DEFINE_string("output", None, "folder to make")
LANGUAGES = flags.DEFINE_list("languages", [], "codes of the groups to copy, by default all")


def main() -> None:
    """Reads the flags, writes the export, and prints its digest."""
    from signllm_jax.artifacts.export import export_run
    from signllm_jax.core.errors import ConfigError

    for flag in (WORKDIR, OUTPUT):
        if not flag.value:
            raise ConfigError(f"--{flag.name} is missing")
    made = export_run(WORKDIR.value, OUTPUT.value, LANGUAGES.value)
    print(f"{OUTPUT.value}: {', '.join(made['languages'])}; sha256 {made['sha256']}")


if __name__ == "__main__":
    cli.run(main)
