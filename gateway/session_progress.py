"""
Which requests of one FIX session are in the log: the mark from which a restarted gateway asks for the rest.

Requests of one session travel to several shards, some to all of them, so they do not become durable in the order of
their MsgSeqNum(34). The mark is the highest number up to which all are durable, on every shard that they went to; each
command carries it as it stood when it was made.
"""


class SessionProgress:
    """The requests of one session in one epoch that are not known to be durable yet."""

    def __init__(self) -> None:
        self.session_epoch = 0
        self._last = 0
        self._in_doubt: dict[int, None] = {}  # in rising order: a session's messages arrive so
        self._copies: dict[int, int] = {}  # of requests to several shards: how many of them are in no log yet

    @property
    def durable_msg_seq_num(self) -> int:
        """All requests up to this one are in the log."""
        return next(iter(self._in_doubt)) - 1 if self._in_doubt else self._last

    @property
    def is_settled(self) -> bool:
        """Whether all requests are in the log."""
        return not self._in_doubt

    def resume(self, session_epoch: int, durable_msg_seq_num: int) -> None:
        """Go on from what the log knows."""
        self.session_epoch = session_epoch
        self._last = durable_msg_seq_num

    def begin(self, session_epoch: int, msg_seq_num: int) -> None:
        """A request arrived; it is in doubt until `end`."""
        if session_epoch != self.session_epoch:
            self.session_epoch = session_epoch
            self._in_doubt.clear()
            self._copies.clear()
        self._in_doubt[msg_seq_num] = None
        self._last = msg_seq_num

    def spread(self, msg_seq_num: int, shards: int) -> None:
        """The request that has just begun goes to so many shards, and is in doubt until `end` was called for each."""
        if shards > 1:
            self._copies[msg_seq_num] = shards

    def end(self, session_epoch: int, msg_seq_num: int) -> None:
        """The request is in the log; of one that was spread, in one more."""
        if session_epoch != self.session_epoch:
            return
        if self._copies and (copies := self._copies.pop(msg_seq_num, 1)) > 1:
            self._copies[msg_seq_num] = copies - 1
        else:
            self._in_doubt.pop(msg_seq_num, None)
