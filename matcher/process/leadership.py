"""
Who leads a shard, as its replicas tell each other: this decides how fast one takes over, never who is right.

The log decides that: whoever writes a new epoch into EXEC leads, and all that an older leader still writes is refused
by the stream (`bus.publisher`). So what is said here may be late, wrong or lost, and costs time only.

The leader answers on `lead.<k>`. A replica that starts, and a standby ever so often, asks there. NATS itself says when
nobody listens, which is so at once after a leader's death; a leader that is paused, or cut off, is silent, and is given
`takeover_after_ms`. That patience doubles with each leader that took over and answered nothing, so that a command that
takes long does not send the leadership round in circles.

A leader that hands over tells one standby on `takeover.<k>.<replica>` where EXEC ends; then it answers no more.
"""

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, Final

import msgspec
import structlog

from bus.connection import Bus, BusError, NobodyThere
from bus.subjects import lead_subject, takeover_subject
from configs.loader import MatcherConfig

log = structlog.get_logger()

VACANT_ANSWERS: Final = 2
"""So many times in a row nobody has to listen: one that has lost its connection is back at once."""
PATIENCE_DOUBLINGS_MAX: Final = 6


class Question(msgspec.Struct, frozen=True):
    """Who asks."""

    replica: int
    consumed_input_seq: int
    """How far it has come; -1: it does not stand by yet."""


class Leads(msgspec.Struct, frozen=True):
    """The leader's answer."""

    replica: int
    leader_epoch: int
    consumed_input_seq: int


class TakeOver(msgspec.Struct, frozen=True):
    """What a leader that hands over says."""

    exec_seq: int
    """EXEC ends here, and its answers are all that there will be from this leader."""
    leader_epoch: int


class HandedOver(msgspec.Struct, frozen=True, omit_defaults=True):
    """What somebody is told who asked for the leadership to be handed over."""

    error: str = ""
    """Why it was not."""
    replica: int = 0
    """Who leads now."""
    leader_epoch: int = 0
    pause_ms: float = 0.0
    """For how long nothing was matched."""


class Silence(Enum):
    """Why there is no answer."""

    NOBODY = "nobody leads"
    SILENT = "the leader is silent"


_encode = msgspec.json.encode
encode_handed_over = msgspec.json.Encoder().encode
decode_handed_over = msgspec.json.Decoder(HandedOver).decode
_decode_question = msgspec.json.Decoder(Question).decode
_decode_leads = msgspec.json.Decoder(Leads).decode
_decode_take_over = msgspec.json.Decoder(TakeOver).decode


async def ask(bus: Bus, shard: int, question: Question, *, timeout_s: float) -> Leads | Silence:
    """Ask who leads."""
    try:
        return _decode_leads(await bus.request(lead_subject(shard), _encode(question), timeout_s))
    except NobodyThere:
        return Silence.NOBODY
    except (BusError, msgspec.MsgspecError):
        return Silence.SILENT


class Leading:
    """The leader's side: it answers as long as it leads, and knows who stands by."""

    def __init__(self, bus: Bus, shard: int, says: Callable[[], Leads], *, standby_patience_s: float) -> None:
        """
        Args:
            bus: Connected.
            shard: Which.
            says: What is true of this leader right now.
            standby_patience_s: Who has asked no later ago than this stands by.
        """
        self._bus = bus
        self._shard = shard
        self._says = says
        self._standby_patience_s = standby_patience_s
        self._loop = asyncio.get_running_loop()
        self._heard: dict[int, tuple[float, int]] = {}
        self._end: Callable[[], Awaitable[None]] | None = None

    async def start(self) -> None:
        """Begin to answer."""
        self._end = await self._bus.subscribe(lead_subject(self._shard), self._on_question)

    async def stop(self) -> None:
        """Answer no more; whoever asks is told by NATS that nobody leads."""
        end, self._end = self._end, None
        if end is not None and self._bus.is_connected:
            await end()

    @property
    def best_standby(self) -> int | None:
        """The replica that has come farthest of those that stand by."""
        since = self._loop.time() - self._standby_patience_s
        standing_by = {replica: done for replica, (heard, done) in self._heard.items() if heard >= since and done >= 0}
        return max(standing_by, key=lambda replica: standing_by[replica], default=None)

    def hand_over(self, replica: int, take_over: TakeOver) -> None:
        """
        Tell a standby that it leads.

        Raises:
            BusError: Not connected.
        """
        self._bus.publish_now(takeover_subject(self._shard, replica), _encode(take_over))

    def _on_question(self, _subject: str, payload: bytes, reply_subject: str) -> None:
        try:
            question = _decode_question(payload)
            self._heard[question.replica] = self._loop.time(), question.consumed_input_seq
            self._bus.publish_now(reply_subject, _encode(self._says()))
        except (BusError, msgspec.MsgspecError) as error:
            log.warning("leader_question_unanswered", reason=str(error))


class Watch:
    """The standby's side: it asks the leader, and notices when there is none."""

    def __init__(
        self,
        bus: Bus,
        config: MatcherConfig,
        *,
        shard: int,
        asks: Callable[[], Question],
        epochs_in_a_row: Callable[[], int],
    ) -> None:
        """
        Args:
            bus: Connected.
            config: Gives interval and patience.
            shard: Which.
            asks: The question right now.
            epochs_in_a_row: How many leaders took over since anything was answered.
        """
        self._bus = bus
        self._shard = shard
        self._asks = asks
        self._epochs_in_a_row = epochs_in_a_row
        self._heartbeat_s = config.heartbeat_ms / 1000
        self._takeover_after_s = config.takeover_after_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._handed_over: asyncio.Future[TakeOver]
        self._believes_from_s = 0.0
        """After an outage of NATS the leader may be back a little later than we are."""

    async def until_it_is_our_turn(self) -> TakeOver | Silence:
        """Wait until the leader hands over to us, or there is none."""
        replica = self._asks().replica
        self._handed_over = self._loop.create_future()
        end = await self._bus.subscribe(takeover_subject(self._shard, replica), self._on_take_over)
        forget = self._bus.on_reconnect(self._on_reconnect)
        asking = asyncio.create_task(self._until_vacant())
        try:
            endings: set[asyncio.Future[Any]] = {asking, self._handed_over}
            await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
            return self._handed_over.result() if self._handed_over.done() else asking.result()
        finally:
            forget()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            if self._bus.is_connected:
                await end()

    async def _until_vacant(self) -> Silence:
        vacant, heard_s = 0, self._loop.time()
        while True:
            if not self._bus.is_connected:
                vacant, heard_s = 0, self._loop.time()  # it is we who hear nothing
                await asyncio.sleep(self._heartbeat_s)
                continue
            left_s = max(heard_s + self._patience_s() - self._loop.time(), self._heartbeat_s)
            answer = await ask(self._bus, self._shard, self._asks(), timeout_s=left_s)
            if isinstance(answer, Leads):
                vacant, heard_s = 0, self._loop.time()
            elif answer is Silence.NOBODY and self._loop.time() >= self._believes_from_s:
                vacant += 1
                if vacant >= VACANT_ANSWERS:
                    return answer
            elif self._bus.is_connected and self._loop.time() - heard_s >= self._patience_s():
                # If it was we who stood still, the answer is here already, and the next one comes at once.
                again = await ask(self._bus, self._shard, self._asks(), timeout_s=self._heartbeat_s)
                if not isinstance(again, Leads):
                    return again
                heard_s = self._loop.time()
            await asyncio.sleep(self._heartbeat_s)

    def _on_reconnect(self) -> None:
        self._believes_from_s = self._loop.time() + self._takeover_after_s

    def _patience_s(self) -> float:
        doublings: int = min(self._epochs_in_a_row(), PATIENCE_DOUBLINGS_MAX)
        return self._takeover_after_s * float(2 ** max(0, doublings - 1))

    def _on_take_over(self, _subject: str, payload: bytes, _reply: str) -> None:
        try:
            take_over = _decode_take_over(payload)
        except msgspec.MsgspecError as error:
            log.warning("takeover_ignored", reason=str(error))
            return
        if not self._handed_over.done():
            self._handed_over.set_result(take_over)
