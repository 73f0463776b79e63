"""
nats-py's client without its detours, for records that are on somebody's way to an answer.

nats-py puts what is published into a list, wakes a task that writes it, puts what is received into the subscription's
queue and wakes a task that calls back: four turns of a busy event loop, each way, and a parse of headers that nobody
reads. Here a publish goes to the socket at once, and a received message to its taker while its bytes are being read.
Connecting, reconnecting, requests, and whatever else is rare stay nats-py's.

This leans on inner parts of the one version that pyproject.toml pins: `_process_msg`, `_error_cb`, `_max_payload`,
`_pending`, `_subs`, `_transport`, and a subscription's `_cb`.
"""

from collections.abc import Awaitable, Callable

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

Taker = Callable[[str, str, bytes, bytes | None], None]
"""Takes subject, reply subject, payload, and the headers as they came, if any; called while the socket is read."""


class DirectClient(Client):
    """A NATS connection."""

    def __init__(self) -> None:
        super().__init__()
        self._takers: dict[Callable[[Msg], Awaitable[None]], Taker] = {}
        """By the callback that stands for each in nats-py's subscription."""

    def write_publish(self, subject: str, payload: bytes, reply: str, headers: dict[str, str] | None) -> None:
        """
        Publish, without waiting and without a copy for the time after a lost connection.

        Raises:
            nats.errors.Error: Not connected, or more than the server takes.
        """
        to = f"{subject} {reply}" if reply else subject
        self._write(self._publish_command(to, payload, headers))

    def write_publish_all(self, messages: list[tuple[str, bytes]]) -> None:
        """
        Publish pairs of subject and payload with one write.

        Raises:
            nats.errors.Error: As from `write_publish`; nothing was published.
        """
        self._write(b"".join([self._publish_command(subject, payload) for subject, payload in messages]))

    @property
    def unwritten_bytes(self) -> int:
        """Bytes that the socket has not taken yet."""
        writer = getattr(self._transport, "_io_writer", None)
        return int(writer.transport.get_write_buffer_size()) if writer is not None else 0

    def _publish_command(self, to: str, payload: bytes, headers: dict[str, str] | None = None) -> bytes:
        size = len(payload)
        if size > self._max_payload:
            raise nats.errors.MaxPayloadError
        if headers is None:
            return b"PUB %b %d\r\n%b\r\n" % (to.encode(), size, payload)
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        block = b"NATS/1.0\r\n%b\r\n" % lines.encode()
        return b"HPUB %b %d %d\r\n%b%b\r\n" % (to.encode(), len(block), len(block) + size, block, payload)

    def _write(self, commands: bytes) -> None:
        if not self.is_connected or self._transport is None:
            raise nats.errors.OutboundBufferLimitError
        if self._pending:  # subscriptions and requests that nats-py's task has not written yet go first
            commands = b"".join((*self._pending, commands))
            self._pending = []
            self._pending_data_size = 0
        try:
            self._transport.write(commands)
        except RuntimeError as error:  # uvloop's: the socket is closed, and nats-py has not been told yet
            raise nats.errors.ConnectionClosedError from error

    async def take(self, subject: str, taker: Taker) -> Callable[[], Awaitable[None]]:
        """
        Subscribe, and have each message taken as it is read; what `taker` raises goes to the error callback.

        Returns what ends the subscription.
        """

        async def never(_message: Msg) -> None:
            """The queue and the task that nats-py makes stay empty and asleep, but for what comes after the end."""

        self._takers[never] = taker
        subscription = await self.subscribe(subject, cb=never)

        async def end() -> None:
            self._takers.pop(never, None)
            await subscription.unsubscribe()

        return end

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        taker = self._takers.get(getattr(self._subs.get(sid), "_cb", None))  # type: ignore[arg-type]  # None has none
        if taker is None:
            await super()._process_msg(sid, subject, reply, data, headers)
            return
        try:
            taker(subject.decode(), reply.decode(), data, headers)
        except Exception as error:
            await self._error_cb(error)
