"""The sections of a config about models and their losses, as frozen dataclasses with ranges."""

import dataclasses

from signllm_jax.core.schema import bounded as _at


@dataclasses.dataclass(frozen=True)
class TextConfig:
    """The tokenizer, and the text stage of models that have one (prompt or text to LangGloss).

    Attributes:
        kind: `letters` (fingerspelling units) or `pieces` (subwords with byte fallback) of the
            pose stage; `words` or `characters` that a text stage reads.
        units: rows of the table of units that the text stage reads.
        buckets: rows of the hashed n-grams of units, 0 = none.
        min_count: glosses that train has less often get no row: they are spelled.
        languages: rows of the language marks, the first of which is no language.
        encoder_layers: layers over the units.
        distances: units to either side to which a unit's distance has a learned bias of attention,
            a head and layer its own; those farther away share the last; 0 = none.
        decoder_layers: layers over LangGloss.
        trained: `both` stages together, or one alone; in a run that starts from another
            (`init_from`) the table of LangGloss then stays as it is, and with it the other stage.
        weight: of the text stage's loss beside that of the poses.
        own: largest share of clips whose poses are learned from the LangGloss that the text stage
            writes itself; the share grows with the accuracy of that LangGloss.
        invented: whether prompts for made-up words are trained on as well, where words are spelled.
        dropout: share of embeddings and residual branches dropped while training.
        unit_drop: share of units made unknown while training; their n-grams stay.
        word_drop: share of the frequent words around a character made unknown in every second
            prompt while training.
        smoothing: share of the probability that the loss spreads over all glosses.
        consistency: weight of the divergence between two passes with other dropout (R-drop), which
            doubles the cost of the text stage's training; 0 = one pass.
        longest: longest text that is read, in units, the language's mark included.
        line: longest line of LangGloss that is written, in tokens, the end included.
        beams: hypotheses kept while decoding, 1 = greedy.
        length_penalty: power of (5 + length) / 6 by which a hypothesis' score is divided.
    """

    kind: str = _at("letters", choices=("letters", "pieces", "words", "characters"))
    units: int = _at(4096, 4, 1 << 20)
    buckets: int = _at(0, 0, 1 << 20)
    min_count: int = _at(1, 1, 1 << 20)
    languages: int = _at(10, 2, 1 << 10)
    encoder_layers: int = _at(2, 1, 256)
    distances: int = _at(0, 0, 1 << 10)
    decoder_layers: int = _at(1, 1, 256)
    trained: str = _at("both", choices=("both", "text", "pose"))
    weight: float = _at(1.0, 0.0, 1e4)
    own: float = _at(0.25, 0.0, 1.0)
    invented: bool = True
    dropout: float = _at(0.2, 0.0, 0.9)
    unit_drop: float = _at(0.05, 0.0, 0.9)
    word_drop: float = _at(0.3, 0.0, 0.9)
    smoothing: float = _at(0.1, 0.0, 0.9)
    consistency: float = _at(0.0, 0.0, 1e3)
    longest: int = _at(64, 2, 1 << 12)
    line: int = _at(32, 2, 1 << 12)
    beams: int = _at(5, 1, 64)
    length_penalty: float = _at(2.0, 0.0, 10.0)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The model of one group: its sizes and its decoder.

    Attributes:
        vocab: V, rows of the token table.
        frame_size: D = 3J + 1 (follows from the layout).
        patch: P, frames predicted at a time; 1 is the paper's.
        width: M, features of a token or a frame inside of the model.
        heads: H, a divisor of width.
        mlp: hidden width of the MLPs.
        encoder_layers: layers over the text.
        decoder_layers: layers over the frames.
        dropout: share of residual branches dropped while training.
        row_dropout: whether a row's frames share what is dropped of them (as in T5), which costs a
            TPU next to nothing; False: each frame has draws of its own.
        remat: which activations the backward pass computes again instead of keeping them: `none`;
            `products`, all but the matrix products with weights; `blocks`, all but the inputs of
            the blocks.
        progress_features: Fourier features of progress, even, 0 = none.
        progress_bias: bias of cross-attention towards the clip's progress.
        token_durations: whether the progress bias reckons with how long each token lasts, which is
            learned from the lengths of clips (`loss.length`); False: all tokens of a text last
            equally long. For texts whose tokens differ, as signs and spelled letters do.
        token_clock: whether the decoder counts in tokens: it reads how far the clip is within a
            token, and a patch advances the counter by tokens over the text's length. Texts of all
            lengths then look alike to it. Noise on the counter and the counter's loss are in tokens
            too. For text whose tokens last about equally long, as letters do.
        head: hidden width of the MLP that predicts poses; 0 = one matrix instead, whose rank is at
            most M.
        ease: share of the jump between two patches that is spread evenly over the frames of both
            when a clip is made. Training is the same, and so is what the decoder reads.
        latent: Z, numbers of a clip's latent code, which says how a signer signs a text; which
            hands are shown goes with it. It is drawn anew for every clip. 0 = none: a text has
            one clip, the mean of all signers' where they differ.
        latent_moments: number of cosines of a clip's time from which its latent code is read in
            training, beside the mean over time. With them the code can tell where in a movement a
            clip begins. 0 = the mean alone, which does not depend on the order of the patches.
        decoder: `autoregressive`, patch by patch, until the counter ends the clip (the paper's);
            `parallel` predicts the length first and makes all patches in one pass, without history.
        flow: passes in which a parallel decoder makes a clip out of noise, by flow matching; which
            hands a clip shows is drawn first. 0 = one pass, without noise.
        attention: what computes the decoder's self-attention over a row's patches in training:
            `xla`; `splash`, jax's kernel for TPUs, for rows of a multiple of 128 patches;
            `splash_interpreted`, the same on any device and slow, for tests; `cudnn` on GPUs.
        dtype: compute type; `auto` = bfloat16 on TPU and GPU, float32 on CPU.
    """

    vocab: int = _at(128, 4, 1 << 20)
    frame_size: int = _at(151, 4, 1 << 14)
    patch: int = _at(8, 1, 256)
    width: int = _at(128, 8, 1 << 15)
    heads: int = _at(4, 1, 256)
    mlp: int = _at(512, 8, 1 << 17)
    encoder_layers: int = _at(2, 1, 256)
    decoder_layers: int = _at(2, 1, 256)
    dropout: float = _at(0.0, 0.0, 0.9)
    row_dropout: bool = False
    remat: str = _at("none", choices=("none", "products", "blocks"))
    progress_features: int = _at(48, 0, 512)
    progress_bias: bool = True
    token_durations: bool = False
    token_clock: bool = False
    head: int = _at(0, 0, 1 << 17)
    ease: float = _at(0.0, 0.0, 1.0)
    latent: int = _at(0, 0, 1 << 10)
    latent_moments: int = _at(0, 0, 64)
    decoder: str = _at("autoregressive", choices=("autoregressive", "parallel"))
    flow: int = _at(0, 0, 1000)
    attention: str = _at("xla", choices=("xla", "splash", "splash_interpreted", "cudnn"))
    dtype: str = _at("auto", choices=("auto", "float32", "bfloat16"))

    @property
    def varies(self) -> bool:
        """Whether a text has many clips, of which one is drawn."""
        return self.latent > 0 or self.flow > 0


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Weights of the loss terms and what is done to the decoder's input while training.

    Attributes:
        velocity: weight of the squared error of frame-to-frame differences.
        speed: weight of the squared error of how far each joint moves over 1, 2, 4 and 8 frames,
            after a filter that takes off jitter, whatever the direction. Where the direction is
            uncertain, the mean of all moves is shorter than any of them, and a squared error alone
            asks for it; this term asks for their length.
        counter: weight of the squared error of the counter (with `model.token_clock` in tokens).
        seen: weight of the cross-entropy of a joint being shown.
        latent: weight of what a clip's latent tells more than its text, in nats: its code
            (`model.latent`), and which hands it shows (also with `model.flow`).
        length: weight of the squared error of the logarithm of the length (`model.decoder` =
            `parallel`, and `model.token_durations`).
        hand: weight of a hand joint relative to a body joint.
        wrist: weight of a wrist, which carries a hand, relative to another body joint.
        noise: Gaussian noise on the input poses, in standard deviations.
        history_drop: share of input patches that are blanked.
        counter_noise: Gaussian noise on the input counter (with `model.token_clock` in tokens).
        robust: what becomes of clips that fit badly, without a replay buffer: `none`, they count
            like others; `trimmed`, those whose error is above `outlier` times the median of their
            batch are left out; `clipped`, they contribute what a clip at that limit would; `huber`,
            a coordinate's error counts linearly beyond `outlier` standard deviations.
        outlier: the limit of `robust`.
    """

    velocity: float = _at(5.0, 0.0, 1e4)
    speed: float = _at(0.0, 0.0, 1e4)
    counter: float = _at(3.0, 0.0, 1e4)
    seen: float = _at(0.1, 0.0, 1e4)
    latent: float = _at(0.005, 0.0, 1e4)
    length: float = _at(1.0, 0.0, 1e4)
    hand: float = _at(1.0, 0.0, 1e4)
    wrist: float = _at(10.0, 0.0, 1e4)
    noise: float = _at(1.0, 0.0, 100.0)
    history_drop: float = _at(0.5, 0.0, 1.0)
    counter_noise: float = _at(0.01, 0.0, 1.0)
    robust: str = _at("none", choices=("none", "trimmed", "clipped", "huber"))
    outlier: float = _at(1.0, 1e-6, 1e6)


@dataclasses.dataclass(frozen=True)
class ReadingConfig:
    """Back-translation: the reader of poses, and what is done to its input while training.

    Attributes:
        view: encoder steps that a layer sees to each side; 0 = the whole clip.
        gloss_vocab: rows of the gloss head, blank and unknown included; 0 = no head.
        row_glosses: the most glosses of a clip that the head learns from.
        gloss: weight of the CTC loss on gloss.
        count: weight of the error of the number of text tokens.
        smoothing: label smoothing of the text tokens.
        history_drop: share of the decoder's input tokens that are hidden.
        noise: largest deviation of the noise on every number of every frame, standard ones.
        offset: largest deviation of an offset that lasts the whole clip.
        scale: largest change of size, as a share.
        tempo: largest change of tempo within a clip, as a share.
        blank: share of frames that are blanked.
        beams: texts kept while reading; 1 = greedy.
    """

    view: int = _at(1, 0, 1 << 16)
    gloss_vocab: int = _at(64, 0, 1 << 20)
    row_glosses: int = _at(16, 1, 1 << 12)
    gloss: float = _at(1.0, 0.0, 1e4)
    count: float = _at(0.5, 0.0, 1e4)
    smoothing: float = _at(0.0, 0.0, 0.9)
    history_drop: float = _at(0.5, 0.0, 1.0)
    noise: float = _at(0.4, 0.0, 100.0)
    offset: float = _at(0.2, 0.0, 100.0)
    scale: float = _at(0.0, 0.0, 0.9)
    tempo: float = _at(0.3, 0.0, 0.9)
    blank: float = _at(0.05, 0.0, 1.0)
    beams: int = _at(4, 1, 64)
