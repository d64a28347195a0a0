"""What lies in a folder, to say that a command left it as it was."""

import hashlib
import os
from pathlib import Path


def listing(folder: Path) -> dict[str, str]:
    """Every entry below a folder: a digest of a file, the target of a link; links not followed."""
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            if path.is_symlink():
                described = f"link to {os.readlink(path)}"
            elif path.is_dir():
                described = "folder"
            else:
                described = hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path.relative_to(folder))] = described
    return found
