"""Produces a clip: launch/produce.py --workdir=DIR --language=asl --text=hello --output=FILE.

Or, from a question: --prompt="How do you sign 'hello' in American Sign Language?"; --language is
then needed only where the prompt does not name the sign language.
"""

from absl import flags

from signllm_jax import cli

WORKDIR = flags.DEFINE_string("workdir", None, "a trained run")
LANGUAGE = flags.DEFINE_string("language", None, "code of the sign language, for example asl")
TEXT = flags.DEFINE_string("text", None, "what to sign")
PROMPT = flags.DEFINE_string("prompt", None, "a question for what to sign, instead of --text")
OUTPUT = flags.DEFINE_string(
    "output", None, "file to write: .mp4 .gif .png .npz .pose .skels .json .zip"
)


def main() -> None:
    """Reads the flags and writes the clip."""
    from signllm_jax.api import SignLLM
    from signllm_jax.errors import ConfigError
    from signllm_jax.output import check_output, save_clip
    from signllm_jax.text.prompts import read_request

    asked = PROMPT.value is not None
    for flag in (WORKDIR, OUTPUT) if asked else (WORKDIR, LANGUAGE, TEXT, OUTPUT):
        if flag.value is None:
            raise ConfigError(f"--{flag.name} is missing")
    if asked and TEXT.value is not None:
        raise ConfigError("give --text or --prompt, not both")
    check_output(OUTPUT.value)
    text, language = TEXT.value, LANGUAGE.value
    if asked:
        text, language = read_request(PROMPT.value, language)
        print(f"{language}: {text!r}")
    clip = SignLLM.load(WORKDIR.value).produce(text, language)
    save_clip(OUTPUT.value, clip, text=text)
    print(f"{OUTPUT.value}: {len(clip)} frames, {len(clip) / clip.fps:.1f} s")


if __name__ == "__main__":
    cli.run(main)
