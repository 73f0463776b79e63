"""
One stream in memory, with the rules of JetStream that the venue depends on. Pure.

A record gets the next sequence number, from 1. A write that expects another last sequence than there is is refused,
and so is one beyond the stream's bound. The records of an atomic batch are stored together or not at all.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

WRONG_LAST_SEQ: Final = 10071
LOG_FULL: Final = 10077
BATCH_INCOMPLETE: Final = 10176
_EXPECTED_LAST_SEQ: Final = "Nats-Expected-Last-Sequence"
_BATCH_ID: Final = "Nats-Batch-Id"
_BATCH_SEQ: Final = "Nats-Batch-Sequence"
_BATCH_COMMIT: Final = "Nats-Batch-Commit"


class StoreError(Exception):
    """The stream takes no record, for the reason of this code."""

    def __init__(self, code: int, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


class _Batch(msgspec.Struct):
    expected_last_seq: str | None
    parts: list[bytes]


class StoredLog:
    """A stream's records."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.records: list[bytes] = []
        """All that were ever stored; the record of sequence n is at n - 1."""
        self.first_seq = 1
        """What was before is gone for whoever reads: it was trimmed."""
        self.is_full = False
        self._batches: dict[str, _Batch] = {}

    @property
    def last_seq(self) -> int:
        """Of the newest record; 0 if there is none."""
        return len(self.records)

    def purge(self, first_seq: int) -> None:
        """Take away what is before a sequence."""
        self.first_seq = max(self.first_seq, min(first_seq, self.last_seq + 1))

    def read(self, seq: int) -> bytes | None:
        """The record of this sequence, if it is there."""
        return self.records[seq - 1] if self.first_seq <= seq <= self.last_seq else None

    def store(self, payload: bytes, headers: Mapping[str, str]) -> int | None:
        """
        Store a record.

        Returns:
            The last sequence; None for a part of a batch that is not complete yet.

        Raises:
            StoreError: It is refused.
        """
        batch_id = headers.get(_BATCH_ID)
        if batch_id is None:
            return self._append([payload], headers.get(_EXPECTED_LAST_SEQ))
        if headers[_BATCH_SEQ] == "1":
            self._batches[batch_id] = _Batch(headers.get(_EXPECTED_LAST_SEQ), [])
        batch = self._batches.get(batch_id)
        if batch is None or len(batch.parts) + 1 != int(headers[_BATCH_SEQ]):
            self._batches.pop(batch_id, None)
            if _BATCH_COMMIT in headers:
                raise StoreError(BATCH_INCOMPLETE, "batch publish is incomplete and was abandoned")
            return None
        batch.parts.append(payload)
        if _BATCH_COMMIT not in headers:
            return None
        del self._batches[batch_id]
        return self._append(batch.parts, batch.expected_last_seq)

    def _append(self, payloads: list[bytes], expected_last_seq: str | None) -> int:
        if expected_last_seq is not None and int(expected_last_seq) != self.last_seq:
            raise StoreError(WRONG_LAST_SEQ, f"wrong last sequence: {self.last_seq}")
        if self.is_full:
            raise StoreError(LOG_FULL, "maximum bytes exceeded")
        self.records += payloads
        return self.last_seq
