"""Writes the table of several runs into the README: launch/results.py --workdirs=A,B,C."""

from absl import flags

from signllm_jax.core import cli

WORKDIRS = flags.DEFINE_list("workdirs", None, "runs that have a report.json")
README = flags.DEFINE_string("readme", None, "file to write into; by default it is printed")
COST = flags.DEFINE_bool("cost", False, "only the sentence about the seconds that the runs took")
BLOCK = flags.DEFINE_string("block", "results", "name of the marks around the place in the file")


def main() -> None:
    """Reads the reports and writes or prints their table."""
    from signllm_jax.core.errors import ConfigError
    from signllm_jax.eval import results

    if not WORKDIRS.value:
        raise ConfigError("--workdirs is missing")
    made = results.cost if COST.value else results.summary
    text = made(results.read_reports(WORKDIRS.value))
    if README.value:
        results.write_readme(README.value, text, BLOCK.value)
    cli.say(text)


if __name__ == "__main__":
    cli.run(main)
