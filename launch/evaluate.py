"""Evaluates: python launch/evaluate.py [--workdir=DIR] [--split=test] [--output=DIR/report.json].

A flag that has no meaning for the kind of run is refused."""

from absl import flags

from signllm_jax.core import cli

WORKDIR = flags.DEFINE_string(
    "workdir", None, "a trained run or export, by default the model that comes with the package"
)
SPLIT = flags.DEFINE_enum("split", "test", ("train", "dev", "test"), "what is evaluated")
OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "by default report.json in the workdir; to be given where that is the package's model",
)
EVALUATORS = flags.DEFINE_list(
    "evaluators", [], "work directories of back-translation runs that read the clips"
)
READERS = flags.DEFINE_integer(
    "readers",
    None,
    "without evaluators: number of CTC readers of letters, seeds 0, 1, ..., by default 1",
    lower_bound=1,
)
SAMPLES = flags.DEFINE_integer(
    "samples",
    None,
    "clips of a language to render, by default the config's; of a text stage texts to list",
    lower_bound=0,
)
DATA_DIR = flags.DEFINE_string("data_dir", None, "prepared data, by default the run's")
ENSEMBLE = flags.DEFINE_list("ensemble", [], "further runs of a text stage, to be averaged")
PREDICTIONS = flags.DEFINE_string(
    "predictions", None, "score these, not the run's model: FILE.skels, FILE.pt, a folder"
)
PEER = flags.DEFINE_enum(
    "peer", None, ("spoken-to-signed",), "let this system sign the same texts, as a row"
)
PEER_PYTHON = flags.DEFINE_string(
    "peer_python",
    ".venv-signed-peer/bin/python",
    "of the peer's environment, which make signed-peer-env makes",
)
PEER_LEXICON = flags.DEFINE_string(
    "peer_lexicon", "", "folder of the peer's lexicon; without one it spells all words"
)
EXPORT = flags.DEFINE_string(
    "export", None, "folder to write productions and references to: .skels .pose SLRTP's .pt"
)


def main() -> None:
    """Reads the flags, writes the report and prints its main figures."""
    from signllm_jax.artifacts.export import PRETRAINED
    from signllm_jax.core.errors import ConfigError
    from signllm_jax.corpora.outputs import check_outside
    from signllm_jax.eval.dispatch import evaluate_run

    peer = None
    for flag in (PEER_PYTHON, PEER_LEXICON):
        if flag.present and not PEER.value:
            raise ConfigError(f"--{flag.name}: has no meaning without --peer")
    if PEER.value:
        from signllm_jax.eval.peers import Peer

        peer = Peer(PEER.value, PEER_PYTHON.value, PEER_LEXICON.value)
    if PREDICTIONS.value:
        check_outside(filter(None, [OUTPUT.value, EXPORT.value]), [PREDICTIONS.value])
    summary = evaluate_run(
        WORKDIR.value or PRETRAINED,
        SPLIT.value,
        OUTPUT.value,
        evaluators=EVALUATORS.value,
        readers=READERS.value,
        data_dir=DATA_DIR.value,
        ensemble=ENSEMBLE.value,
        samples=SAMPLES.value,
        predictions=PREDICTIONS.value,
        export=EXPORT.value,
        peer=peer,
    )
    cli.say(summary)


if __name__ == "__main__":
    cli.run(main)
