"""Produces a clip: launch/produce.py --workdir=DIR --language=asl --text=hello --output=FILE.

Or, from a question: --prompt="How do you sign 'hello' in American Sign Language?"; --language is
then needed only where the prompt does not name the sign language.
"""

from absl import flags

from signllm_jax.core import cli

WORKDIR = flags.DEFINE_string("workdir", None, "a trained run")
LANGUAGE = flags.DEFINE_string("language", None, "code of the sign language, for example asl")
TEXT = flags.DEFINE_string("text", None, "what to sign")
PROMPT = flags.DEFINE_string("prompt", None, "a question for what to sign, instead of --text")
OUTPUT = flags.DEFINE_string(
    "output", None, "file to write: .mp4 .gif .png .html .glb .npz .pose .skels .json .zip"
)


def main() -> None:
    """Reads the flags and writes the clip."""
    from signllm_jax.api import SignLLM
    from signllm_jax.core.errors import ConfigError
    from signllm_jax.render.save import check_output, save_clip
    from signllm_jax.text.spelling import spelled_runs

    for flag in (WORKDIR, OUTPUT):
        if flag.value is None:
            raise ConfigError(f"--{flag.name} is missing")
    check_output(OUTPUT.value)
    model = SignLLM.load(WORKDIR.value)
    text, language = model.resolve(TEXT.value, LANGUAGE.value, PROMPT.value)
    if PROMPT.value is not None:
        print(model.understood(TEXT.value, LANGUAGE.value, PROMPT.value))
    clip = model.produce(TEXT.value, LANGUAGE.value, prompt=PROMPT.value)
    save_clip(OUTPUT.value, clip, text=text)
    tokenizer = model.describe(language).tokenizer
    if tokenizer is not None and tokenizer.kind == "letters":
        runs, marks = spelled_runs(text, tokenizer.letters())
        if marks or len(runs) > 1:
            left = f"left out: {' '.join(marks)}; " if marks else ""
            print(f"{left}spelled with pauses: {' '.join(runs)}")
    print(f"{OUTPUT.value}: {len(clip)} frames, {len(clip) / clip.fps:.1f} s")


if __name__ == "__main__":
    cli.run(main)
