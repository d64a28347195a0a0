"""Writes docs/words.md: launch/words.py --demos=A,B,C --signers=D [--docs=docs].

`--demos` are evaluated runs of configs/mlsf.py, `--clock` two dev reports without and with the
token clock, `--signers` runs on fingerspelling_signers, which are evaluated here. Their figures are
kept in docs/words/, from which the page's tables are made; without any of these flags the page is
written of what is kept.
"""

from pathlib import Path

from absl import flags

from signllm_jax.core import cli

DEMOS = flags.DEFINE_list("demos", [], "evaluated runs of configs/mlsf.py, one per seed")
SIGNERS = flags.DEFINE_list("signers", [], "runs on fingerspelling_signers, one per seed")
CLOCK = flags.DEFINE_list("clock", [], "dev reports without and with model.token_clock")
DATA_DIR = flags.DEFINE_string("data_dir", None, "prepared data; by default the runs' own")
DOCS = flags.DEFINE_string("docs", "docs", "folder of words.md and words/")


def main() -> None:
    """Evaluates the runs that are named and writes the page."""
    from signllm_jax.eval import results, signers_report, words_page

    docs = Path(DOCS.value)
    for report in results.read_reports(DEMOS.value):
        words_page.keep(docs, "demo", words_page.demo_record(report))
    if CLOCK.value:
        words_page.keep(docs, "clock", words_page.clock_record(*results.read_reports(CLOCK.value)))
    for workdir in SIGNERS.value:
        words_page.keep(docs, "signers", signers_report.evaluate_signers(workdir, DATA_DIR.value))
    print(words_page.write(docs))


if __name__ == "__main__":
    cli.run(main)
