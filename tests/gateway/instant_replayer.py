"""In place of a `Replayer`: has all events in memory, and serves a request at once."""

from collections.abc import Callable

from gateway.drop_copy.replay import Job, Outcome
from matcher.events import Event, GatewayAdmitted, InstrumentDefined


class InstantReplayer:
    """Behaves as `gateway.drop_copy.replay.Replayer`, without a log."""

    def __init__(self, send: Callable[[str, list[str]], None]) -> None:
        self.events: dict[int, list[Event]] = {}
        """By shard, in the order of its log."""
        self.records = 0
        self._send = send

    def submit(self, job: Job) -> bool:
        inputs = {shard: [event.input_seq for event in self.events.get(shard, ())] for shard in job.shards}
        job.begin({shard: max(seqs, default=0) for shard, seqs in inputs.items()})
        bodies: list[str] = []
        last: dict[int, int] = {}
        for span in job.spans:
            for event in self.events.get(span.shard, ()):
                if not isinstance(event, GatewayAdmitted | InstrumentDefined) and span.has(event):
                    bodies += [body] if (body := job.body_of(event, span.shard)) is not None else []
                    last[span.shard] = event.input_seq
            job.join(span.shard, self.records)
        self._send(job.session_id, bodies)
        job.end(Outcome(len(bodies), last, False, ""))
        return True

    def forget(self, session_id: str) -> None:
        """Nothing waits here."""

    def withdraw(self, job: Job) -> None:
        """Nothing waits here."""
