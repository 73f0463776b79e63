"""Files that a crash leaves whole: the old content or the new one, never half of either."""

import os
from pathlib import Path


def replace(path: Path, content: bytes) -> None:
    """
    Put `content` at `path`, durably; its directory is made if it is not there.

    Raises:
        OSError: The disk refused; what was at `path` is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.unfinished")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """
    Put the names in a directory on disk: a new file is durable only with its name.

    Raises:
        OSError: The disk refused.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
