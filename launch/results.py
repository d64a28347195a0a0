"""Writes the table of several runs into the README: launch/results.py --workdirs=A,B,C.

With --settings it is a table of the settings in which the runs differ, and of their scores on dev.
"""

from absl import flags

from signllm_jax.core import cli

WORKDIRS = flags.DEFINE_list("workdirs", None, "runs that have a report.json")
README = flags.DEFINE_string("readme", None, "file to write into; by default it is printed")
COST = flags.DEFINE_bool("cost", False, "only the sentence about the seconds that the runs took")
SETTINGS = flags.DEFINE_bool("settings", False, "the settings in which runs differ, and dev scores")
BLOCK = flags.DEFINE_string("block", "results", "name of the marks around the place in the file")


def main() -> None:
    """Reads the reports and writes or prints their table."""
    from signllm_jax.core.errors import ConfigError
    from signllm_jax.eval import results
    from signllm_jax.eval.run_settings import settings_table

    if not WORKDIRS.value:
        raise ConfigError("--workdirs is missing")
    if COST.value and SETTINGS.value:
        raise ConfigError("give one of --cost and --settings")
    if SETTINGS.value:
        text = settings_table(WORKDIRS.value)
    else:
        made = results.cost if COST.value else results.summary
        text = made(results.read_reports(WORKDIRS.value))
    if README.value:
        results.write_readme(README.value, text, BLOCK.value)
    cli.say(text)


if __name__ == "__main__":
    cli.run(main)
