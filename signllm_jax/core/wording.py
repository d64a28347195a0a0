"""Turns of phrase that lines for people share."""


def counted(count: int, noun: str) -> str:
    """`1 clip`, `2 clips`; the plural of the noun takes an s."""
    return f"{count} {noun}{'s' * (count != 1)}"


def how_to_install(extra: str) -> str:
    """What brings the libraries of an extra of the package."""
    return f"pip install -e '.[{extra}]' in the checkout"
