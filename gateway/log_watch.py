"""
What clients are told while the venue's log or matchers do not answer: nobody waits in the dark, or for ever.

Requests that are not answered are held, and answered from EXEC later, once, whatever becomes of them. So there are
three bounds, all of `[gateway]`:

- after `doubt_after_ms` each order session with requests waiting is told so by News(B), as soon as it is up; not again
  before they are answered;
- after `hold_max_ms` a request that would add risk, and that the log has not taken, becomes its own refusal
  (`sequencer`, `late_requests`);
- after `silence_max_ms` order sessions are logged out, and a Logon is refused, until there are answers again. What
  they sent is answered when they log on.

A stall is over when nobody has waited so long for a while: so what is slow again and again is one stall.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, Protocol

import structlog

from configs.loader import GatewayConfig
from gateway.fix.news import Cause, Held, held_news
from gateway.metrics import GatewayMetrics
from gateway.sequencer import Silence

log = structlog.get_logger()

LOOK_INTERVAL_S: Final = 0.25
"""Between two looks; what is due is done so much later at most."""
LATE_LOOK_S: Final = 1.0
"""After a look that comes so late the next one counts: this process stood still, and answers wait in its sockets."""
QUIET_FACTOR: Final = 2
"""So many times `doubt_after_ms` without doubt end a stall, and lie between two News(B) to a session at least."""


class _Told(NamedTuple):
    at_s: float
    last_msg_seq_num: int


class Watched(Protocol):
    """What the watch asks of a sequencer; see there."""

    def silence(self, now_s: float) -> Silence:
        """How long somebody has waited, and for whom."""

    def held(self, now_s: float, after_s: float) -> dict[str, Held]:
        """By session: what waits."""

    def refuse_late(self, now_s: float) -> None:
        """Write anew what has waited too long."""


class LogWatch:
    """Watches a sequencer; time is what the caller says."""

    def __init__(
        self,
        config: GatewayConfig,
        sequencer: Watched,
        *,
        metrics: GatewayMetrics,
        sessions_up: Callable[[], Iterable[str]],
        send: Callable[[str, list[str]], None],
        log_out: Callable[[str, str], None],
        close_logons: Callable[[str], None],
        open_logons: Callable[[], None],
    ) -> None:
        """
        Args:
            config: Gives the bounds.
            sequencer: Knows what waits.
            metrics: Counts stalls.
            sessions_up: The order sessions that are logged on.
            send: Sends bodies to a session.
            log_out: Logs a session out, with a text.
            close_logons: From now on order sessions may not log on, for the reason given.
            open_logons: They may again.
        """
        self._doubt_after_s = config.doubt_after_ms / 1000
        self._quiet_s = QUIET_FACTOR * self._doubt_after_s
        self._hold_max_ms = config.hold_max_ms
        self._silence_max_s = config.silence_max_ms / 1000
        self._sequencer = sequencer
        self._metrics = metrics
        self._sessions_up = sessions_up
        self._send = send
        self._log_out = log_out
        self._close_logons = close_logons
        self._open_logons = open_logons
        self._told: dict[str, _Told] = {}
        self._began_s: float | None = None
        self._last_doubt_s = 0.0
        self._looked_s: float | None = None
        self._is_closed = False
        self.requests_held = 0
        """Of all sessions, as at the last look; 0 while there are answers."""

    async def keep(self) -> None:
        """Look again and again, until this is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_INTERVAL_S)
            self.look(loop.time())

    def look(self, now_s: float) -> None:
        """Do what is due by now."""
        looked_s, self._looked_s = self._looked_s, now_s
        if looked_s is not None and now_s - looked_s > LATE_LOOK_S:
            return
        silence = self._sequencer.silence(now_s)
        if silence.seconds > self._doubt_after_s:
            self._go_on(silence, now_s)
            return
        self.requests_held = 0
        if self._is_closed:
            self._is_closed = False
            self._open_logons()
            log.info("order_logons_open")
        if self._began_s is not None and now_s - self._last_doubt_s > self._quiet_s:
            log.info("answers_again", stall_s=round(self._last_doubt_s - self._began_s, 1))
            self._began_s = None
            self._told.clear()

    def _go_on(self, silence: Silence, now_s: float) -> None:
        if self._began_s is None:
            self._began_s = now_s - silence.seconds
            self._metrics.stalls += 1
            log.warning("no_answers", silence_s=round(silence.seconds, 1), why=silence.cause.value)
        self._last_doubt_s = now_s
        self._sequencer.refuse_late(now_s)
        held = self._sequencer.held(now_s, self._doubt_after_s)
        self.requests_held = sum(each.requests for each in held.values())
        for session_id in sorted(held.keys() & set(self._sessions_up())):
            self._tell(session_id, held[session_id], silence.cause, now_s)
        if silence.seconds > self._silence_max_s and not self._is_closed:
            self._close(silence.cause)

    def _tell(self, session_id: str, held: Held, cause: Cause, now_s: float) -> None:
        told = self._told.get(session_id)
        if told is None or (held.first_msg_seq_num > told.last_msg_seq_num and now_s - told.at_s > self._quiet_s):
            self._told[session_id] = _Told(now_s, held.last_msg_seq_num)
            self._send(session_id, [held_news(held, cause, hold_max_ms=self._hold_max_ms)])

    def _close(self, cause: Cause) -> None:
        self._is_closed = True
        text = f"{cause.value}; log on again later, what you sent before is answered then"
        self._close_logons(text)
        log.error("order_logons_closed", reason=text)
        for session_id in sorted(self._sessions_up()):
            self._log_out(session_id, text)
