"""One sentencepiece tokenizer per language: letters for fingerspelling, pieces for sentences.

`letters` has one token per fingerspelling unit, units of several letters (`sch`) included, and
refuses texts that it cannot spell. `pieces` has subwords with byte fallback, so that no text is
unknown.
"""

import io
import unicodedata
from collections.abc import Iterable
from typing import Protocol

from signllm_jax.core.errors import ConfigError, TextError
from signllm_jax.core.languages import get_language

PAD, UNKNOWN = 0, 1


def normalize_text(text: str, language: str) -> str:
    """NFC, white space folded, and in lower case by the rules of the spoken language."""
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    if get_language(language).spoken == "tr":
        text = text.replace("İ", "i").replace("I", "ı")
    return text.lower()


def is_number(letter: str) -> bool:
    """Whether a piece of a text is a number, of any script."""
    return unicodedata.category(letter[0])[0] == "N"


def no_numbers(text: str) -> TextError:
    """The error for a text with numbers if only letters are known."""
    reason = "numbers are not recorded, only letters; write them as words"
    return TextError(f"cannot spell {text[:40]!r}: {reason}", "digits")


class Encoder(Protocol):
    """A `Tokenizer`, or its replacement where texts only become ids."""

    def encode(self, text: str, /) -> list[int]:
        """Token ids of a text; raises TextError when it cannot be written."""
        ...


class Tokenizer:
    """Text of one language <-> token ids; id 0 is padding and is never produced.

    Attributes:
        language: Code of the language.
        kind: `letters` or `pieces`.
        model: Serialized sentencepiece model.
    """

    def __init__(self, model: bytes, kind: str, language: str):
        self.model, self.kind, self.language = model, kind, language
        import sentencepiece  # not in an environment that only prepares data

        self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)

    @property
    def size(self) -> int:
        """Number of ids in use."""
        return self._processor.vocab_size()

    def encode(self, text: str) -> list[int]:
        """Token ids of a text; raises TextError when it is empty or cannot be written."""
        normal = normalize_text(text, self.language)
        if not normal:
            raise TextError("the text is empty", "empty")
        ids = self._processor.encode(normal)
        if self.kind == "letters" and UNKNOWN in ids:
            pieces = self._processor.encode(normal, out_type=str)
            letter = pieces[ids.index(UNKNOWN)].replace("▁", " ")
            if is_number(letter):
                raise no_numbers(text)
            raise TextError(f"cannot spell {text!r}: {self._lacks(letter)}", "letters")
        return ids

    def _lacks(self, letter: str) -> str:
        known = [unit for unit in self.letters() if unit != " "]
        plain = unicodedata.normalize("NFD", letter)[:1]
        hint = f"; write {plain!r} for it" if plain != letter and plain in known else ""
        name = get_language(self.language).name
        return f"{name} has no letter {letter!r} in its data, which has {' '.join(known)}{hint}"

    def letters(self) -> list[str]:
        """Sorted units that a `letters` model can spell, units of several letters included."""
        pieces = self.pieces(range(UNKNOWN + 1, self.size))
        return sorted(piece.replace("▁", " ") for piece in pieces)

    def decode(self, ids: Iterable[int]) -> str:
        """The (normalized) text of ids; padding is skipped."""
        return self._processor.decode([int(i) for i in ids if i != PAD])

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """The piece of every id."""
        return [self._processor.id_to_piece(int(i)) for i in ids]


def train_tokenizer(
    texts: Iterable[str], units: Iterable[str], kind: str, rows: int, language: str
) -> Tokenizer:
    """Trains a tokenizer on the texts of a language's train split.

    Args:
        texts: Sentences or words.
        units: Fingerspelling units that occur; a unit of several letters becomes one token.
        kind: `letters` or `pieces`.
        rows: V, largest number of ids.
        language: Code of the language.

    Raises:
        ConfigError: the ids do not fit into `rows`.
    """
    normal = [normalize_text(text, language) for text in texts]
    common = {
        "sentence_iterator": iter(normal),
        "normalization_rule_name": "identity",
        "add_dummy_prefix": False,
        "pad_id": PAD,
        "unk_id": UNKNOWN,
        "bos_id": -1,
        "eos_id": -1,
        "character_coverage": 1.0,
        "minloglevel": 2,
        "num_threads": 1,  # the same model on every machine
        "hard_vocab_limit": False,
    }
    if kind == "letters":
        lower = {normalize_text(unit, language) for unit in units} - {""}
        symbols = sorted(unit for unit in lower if len(unit) > 1)
        size = len(lower.union(*normal)) + 2
        options = {
            "model_type": "char",
            "vocab_size": size + 1,
            "user_defined_symbols": symbols,
            "use_all_vocab": True,
        }
    else:
        size = rows
        options = {"model_type": "unigram", "vocab_size": rows, "byte_fallback": True}
    if size > rows:
        raise ConfigError(f"config.model.vocab: {language} needs {size} token rows, not {rows}")
    model = io.BytesIO()
    import sentencepiece

    try:
        sentencepiece.SentencePieceTrainer.Train(model_writer=model, **common, **options)
    except RuntimeError as error:
        reason = str(error).split(") ")[-1] or "sentencepiece failed"
        raise ConfigError(f"config.model.vocab = {rows} for {language}: {reason}") from None
    return Tokenizer(model.getvalue(), kind, language)
