"""What can be wrong with a journal. Pure, so that the session core may know it."""

from pathlib import Path


class JournalError(Exception):
    """A journal cannot be opened, read or written; the message is one sentence for the operator."""


class JournalUnreadable(JournalError):
    """
    A file that was complete when it was written cannot be read any more; what other files hold is not touched by it.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path
