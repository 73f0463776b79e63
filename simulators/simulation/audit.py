"""
What must be true when a run has come to rest, whatever happened in it.

The logs are read as anybody may read them, and replayed by a fresh engine; what a reader, a client or a matcher has is
compared with that.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

from bus.reader import LogMessage
from bus.records import ExecRecord, decode_events, decode_exec, decode_increments
from matcher.commands import ClientRequest
from matcher.engine.engine import Engine
from matcher.events import Event, OrderFilled
from matcher.process.logs import LogBroken
from matcher.process.replay import Diverged, Replay
from simulators.simulation.gateway import Gateway
from simulators.simulation.matcher import Matcher
from simulators.simulation.requests import answers, name_in, name_of
from simulators.simulation.server import SHARD, Server
from simulators.torture.violations import Findings


def audit(findings: Findings, server: Server, gateways: Sequence[Gateway], matchers: Sequence[Matcher]) -> None:
    """Look at everything."""
    records = [decode_exec(payload) for payload in server.exec.records]
    clients = [client for gateway in gateways for client in gateway.clients]
    requests = [request for client in clients for request in client.requests]
    abandoned = [request for client in clients for request in client.abandoned]
    _one_history(findings, records, server.ord.last_seq)
    _answered_once(findings, requests, abandoned, [event for record in records for event in decode_events(record)])
    _public_contiguous(findings, records)
    for gateway in gateways:
        _read_all(findings, gateway, server.exec.records)
    engine = Engine(SHARD, orders_max=10**6, finished_orders_max=10**6)
    if _replays(findings, engine, server):
        _same_state(findings, engine, matchers)


def _one_history(findings: Findings, records: Iterable[ExecRecord], ord_end: int) -> None:
    consumed, epoch = 0, 0
    for seq, record in enumerate(records, 1):
        if record.first_input_seq != consumed + 1 or record.last_input_seq < consumed:
            inputs = f"{record.first_input_seq} to {record.last_input_seq}"
            findings.add("one history", f"EXEC {seq} answers inputs {inputs}, after {consumed}")
        if record.leader_epoch < epoch:
            findings.add("epochs grow", f"EXEC {seq} is of epoch {record.leader_epoch}, after {epoch}")
        if record.leader_epoch > epoch and (record.last_input_seq >= record.first_input_seq or len(record.events) > 1):
            findings.add("epochs grow", f"EXEC {seq} answers before epoch {record.leader_epoch} was announced")
        consumed, epoch = record.last_input_seq, record.leader_epoch
    if consumed > ord_end:
        findings.add("one history", f"EXEC answers up to input {consumed}, but ORD ends at {ord_end}")


def _answered_once(
    findings: Findings, requests: Iterable[ClientRequest], abandoned: Iterable[ClientRequest], events: Sequence[Event]
) -> None:
    must = {name_of(request): request for request in requests}
    by_name = must | {name_of(request): request for request in abandoned}
    counts = dict.fromkeys(by_name, 0)
    last: dict[tuple[str, str], tuple[int, int]] = {}
    ids = [(event.input_seq, event.event_index) for event in events]
    if ids != sorted(set(ids)):
        findings.add("nothing twice", "an event's name comes twice in EXEC, or out of turn")
    for event in events:
        name = name_in(event)
        request = by_name.get(name)
        if request is None or not answers(event, request):
            continue
        counts[name] += 1
        lane = request.session_id, request.symbol
        number = request.session_epoch, request.msg_seq_num
        if number < last.get(lane, (0, 0)):
            findings.add(
                "in order", f"{name} is answered after epoch and MsgSeqNum(34) {last[lane]} of the same symbol"
            )
        last[lane] = number
    for name, count in counts.items():
        if count > 1 or (count == 0 and name in must):
            findings.add("answered once", f"{name} is answered {count} times")


def _public_contiguous(findings: Findings, records: Iterable[ExecRecord]) -> None:
    """Increments and trades are counted without holes, and both sides of a trade say the same."""
    last: dict[str, int] = {}
    fills: list[OrderFilled] = []
    for record in records:
        for increment in decode_increments(record):
            if increment.md_seq != last.get(increment.symbol, 0) + 1:
                findings.add("increments contiguous", f"{increment.symbol} goes to {increment.md_seq}")
            last[increment.symbol] = increment.md_seq
        fills += [event for event in decode_events(record) if isinstance(event, OrderFilled)]
    trades: dict[str, int] = {}
    sides = sorted(fills, key=lambda fill: (fill.order.symbol, fill.match_id))
    for (symbol, match_id), both in groupby(sides, key=lambda fill: (fill.order.symbol, fill.match_id)):
        terms = [(fill.last_price_ticks, fill.last_qty_lots) for fill in both]
        if len(terms) != 2 or terms[0] != terms[1] or match_id != trades.get(symbol, 0) + 1:
            findings.add("conservation", f"trade {match_id} of {symbol} has the sides {terms}")
        trades[symbol] = match_id


def _read_all(findings: Findings, gateway: Gateway, stored: Sequence[bytes]) -> None:
    """What a gateway was delivered is the log, from where it began."""
    if not gateway.read:
        return
    first = gateway.read[0][0]
    expected = list(enumerate(stored[first - 1 :], first))
    if gateway.read != expected:
        findings.add("delivered once", f"{gateway.name} read EXEC otherwise than it is, from {first} on")


def _replays(findings: Findings, engine: Engine, server: Server) -> bool:
    """Replay all that is answered; whether that could be done to the end."""
    replay = Replay(engine)
    try:
        for exec_seq, payload in enumerate(server.exec.records, 1):
            record = replay.begin(exec_seq, payload)
            for seq in range(replay.consumed_input_seq + 1, record.last_input_seq + 1):
                replay.apply(LogMessage(seq, server.ord.records[seq - 1], 0))
            replay.end(exec_seq, record)
        engine.check()
    except (AssertionError, Diverged, LogBroken, IndexError) as error:
        findings.add("replay", f"{type(error).__name__}: {error}")
        return False
    return True


def _same_state(findings: Findings, engine: Engine, matchers: Iterable[Matcher]) -> None:
    for matcher in matchers:
        service = matcher.service
        if service is None:
            continue
        try:
            service.engine.check()
        except AssertionError as error:
            findings.add("conservation", f"{matcher.name}: {error}")
        theirs = service.engine
        if (theirs.last_input_seq, theirs.state_hash()) != (engine.last_input_seq, engine.state_hash()):
            findings.add(
                "same state",
                f"{matcher.name} is at input {theirs.last_input_seq}, a replay at {engine.last_input_seq}, and the "
                "states are not the same",
            )
