"""The type checker of the tests, for the import hook in conftest.py."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # PEP 484: an int is a float
