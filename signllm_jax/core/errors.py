"""Errors that a user may see: one line that says what is wrong and where."""


def reason(error: BaseException) -> str:
    """Why something failed, in one line and without the path: for messages that name the path."""
    line = str(error).strip().partition("\n")[0]
    return getattr(error, "strerror", None) or line or type(error).__name__


class SignLLMError(Exception):
    """Base class; command lines print its message alone and exit with code 2."""


class ConfigError(SignLLMError):
    """A configuration value is unknown, of the wrong type or out of range."""


class DataError(SignLLMError):
    """A data set is missing, unreadable or inconsistent."""


class RecordError(DataError):
    """A record of a prepared data set is damaged; the others may be whole."""


class PoseFormatError(DataError):
    """A pose file is damaged or not of the format that was named."""


class TextError(SignLLMError):
    """A text is empty, too long or cannot be spelled in the language asked for.

    Attributes:
        kind: what is wrong, in a word that a page may translate: `empty`, `long`, `short`,
            `letters`, `digits`, `language`, `question`; '' where it is none of these.
    """

    def __init__(self, message: str = "", kind: str = ""):
        super().__init__(message)
        self.kind = kind


class CheckpointError(SignLLMError):
    """A checkpoint or a work directory cannot be read or written."""


class TrainingError(SignLLMError):
    """Training cannot go on, for example because the loss is not finite."""


class OutputError(SignLLMError):
    """An output cannot be written: unknown suffix or unwritable place."""


class TooSlowError(OutputError):
    """An output was not written in the time that it may take; its writer was ended."""
