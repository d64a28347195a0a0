"""Produces a clip: launch/produce.py --workdir=DIR --language=asl --text=hello --output=FILE."""

from absl import flags

from signllm_jax import cli

WORKDIR = flags.DEFINE_string("workdir", None, "a trained run")
LANGUAGE = flags.DEFINE_string("language", None, "code of the sign language, for example asl")
TEXT = flags.DEFINE_string("text", None, "what to sign")
OUTPUT = flags.DEFINE_string(
    "output", None, "file to write: .mp4 .gif .png .npz .pose .skels .json .zip"
)


def main() -> None:
    """Reads the flags and writes the clip."""
    from signllm_jax.api import SignLLM
    from signllm_jax.errors import ConfigError
    from signllm_jax.output import check_output, save_clip

    for flag in (WORKDIR, LANGUAGE, TEXT, OUTPUT):
        if flag.value is None:
            raise ConfigError(f"--{flag.name} is missing")
    check_output(OUTPUT.value)
    clip = SignLLM.load(WORKDIR.value).produce(TEXT.value, LANGUAGE.value)
    save_clip(OUTPUT.value, clip, text=TEXT.value)
    print(f"{OUTPUT.value}: {len(clip)} frames, {len(clip) / clip.fps:.1f} s")


if __name__ == "__main__":
    cli.run(main)
