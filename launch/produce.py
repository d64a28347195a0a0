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
    from signllm_jax.core.errors import ConfigError, SignLLMError
    from signllm_jax.render.save import check_output, save_clip
    from signllm_jax.text.spelling import left_out

    for flag in (WORKDIR, OUTPUT):
        if flag.value is None:
            raise ConfigError(f"--{flag.name} is missing")
    check_output(OUTPUT.value)
    model = SignLLM.load(WORKDIR.value)
    request = model.read(TEXT.value, PROMPT.value, LANGUAGE.value)
    (signed,) = model.sign([request])
    if isinstance(signed, SignLLMError):
        raise signed
    if PROMPT.value is not None:
        print(signed.gloss or f"{request.language}: {request.text!r}")
    clip = signed.clip
    save_clip(OUTPUT.value, clip, text=request.text)
    tokenizer = model.describe(request.language).tokenizer
    if tokenizer is not None and (said := left_out(request.text, tokenizer)):
        print(said)
    print(f"{OUTPUT.value}: {len(clip)} frames, {len(clip) / clip.fps:.1f} s")


if __name__ == "__main__":
    cli.run(main)
