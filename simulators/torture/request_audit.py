"""
Every request is answered exactly once: who asked what, and which message answers it. Pure.

| request | answer |
|---|---|
| D, each order of E | 8 with 150=0 or 8 |
| E | its first N |
| F | 8 with 150=4 and OrigClOrdID(41), or 9 |
| G | 8 with 150=5, or 9 |
| H | 8 with 150=I and its OrdStatusReqID(790) |
| AF | 8 with 150=I and its MassStatusReqID(584), as many as TotNumReports(911) says; from each shard unless 585=1 |
| q | r; from each shard with 530=7 |
| i, Z | b; from each shard with Z 298=4 |
| any | j with RefSeqNum(45), instead |

Requests are known by ids that are unique in the run, as the harness makes them.
"""

from collections import Counter
from collections.abc import Iterator

import msgspec

from sessions.fix_text import pairs, parse
from simulators.torture.violations import Findings

Fields = dict[str, str]


class Request(msgspec.Struct):
    """One request, and what came of it."""

    msg_type: str
    """MsgType(35); of an order in a list `leg`."""
    session: str
    request_id: str
    msg_seq_num: int
    sent_ns: int
    answers_wanted: int = 1
    """Shards that answer it."""
    answers: set[str] = msgspec.field(default_factory=set)
    """By the shard, or whatever names the answer apart."""
    reports: dict[str, int] = msgspec.field(default_factory=dict)
    """Of a mass status request: how many reports came from each shard."""

    @property
    def is_answered(self) -> bool:
        """Nothing is missing."""
        return len(self.answers) >= self.answers_wanted

    def __str__(self) -> str:
        return f"{self.session}'s {self.msg_type} {self.request_id} (34={self.msg_seq_num})"


class RequestAudit:
    """All requests of all sessions."""

    def __init__(self, findings: Findings, *, shards: int) -> None:
        self._findings = findings
        self._shards = shards
        self._by_id: dict[tuple[str, str], Request] = {}
        self._by_number: dict[tuple[str, int], list[Request]] = {}
        self._unanswered: dict[str, int] = {}
        self._answered: dict[str, int] = {}
        self.canceled: Counter[str] = Counter()
        """TotalAffectedOrders(533) of mass cancels, by the input that OrderID(37) names: `<shard>-<input>`."""
        self._now_ns = 0
        self.sent = 0
        self.answered = 0
        self.wait_ns_max = 0
        """The longest time from sending a request to its answer."""
        self._recent_wait_ns_max = 0

    def unanswered(self, session: str) -> int:
        """Requests of a session without a whole answer."""
        return self._unanswered.get(session, 0)

    def answered_of(self, session: str) -> int:
        """Requests of a session that have been answered."""
        return self._answered.get(session, 0)

    def take_wait_ns(self) -> int:
        """The longest wait for an answer that came since this was asked last."""
        wait_ns, self._recent_wait_ns_max = self._recent_wait_ns_max, 0
        return wait_ns

    def on_request(self, session: str, text: str, msg_seq_num: int, at_ns: int) -> None:
        """A session sent this for the first time."""
        for request in _requests(session, text, msg_seq_num, at_ns, self._shards):
            self._by_id[request.msg_type, request.request_id] = request
            self._by_number.setdefault((session, msg_seq_num), []).append(request)
            self._unanswered[session] = self._unanswered.get(session, 0) + 1
            self.sent += 1

    def on_message(self, session: str, text: str, at_ns: int) -> None:
        """A session received this, in order."""
        fields = parse(text)
        self._now_ns = at_ns
        match fields["35"]:
            case "8":
                self._report(session, fields)
            case "9":
                self._answer(session, ("F" if fields["434"] == "1" else "G", fields["11"]), "", fields)
            case "N":
                self._list_status(session, fields)
            case "r":
                self.canceled[fields["37"]] += int(fields["533"])
                self._answer(session, ("q", fields["11"]), _shard(fields["37"]), fields)
            case "b" if "117" in fields:
                self._quotes(session, fields)
            case "j" | "3":
                self._rejected(session, fields)

    def finish(self) -> None:
        """Nothing more comes: what is not answered now never is."""
        for request in self._by_id.values():
            if not request.is_answered:
                got = f"only by {sorted(request.answers)}" if request.answers else "at all"
                self._findings.add("answered once", f"{request} was not answered {got}")

    def _report(self, session: str, fields: Fields) -> None:
        exec_type, cl_ord_id = fields["150"], fields.get("11", "")
        if exec_type == "I":
            self._status(session, fields)
        elif exec_type in "08":
            kind = "leg" if ("leg", cl_ord_id) in self._by_id else "D"
            self._answer(session, (kind, cl_ord_id), "", fields)
        elif exec_type == "5" or (exec_type == "4" and "41" in fields):
            kind = "G" if exec_type == "5" else "F"
            request = self._by_id.get((kind, cl_ord_id))
            if request is None or request.session == session:
                self._answer(session, (kind, cl_ord_id), "", fields)
        # else it is news of an order, which nobody asked for

    def _status(self, session: str, fields: Fields) -> None:
        if (status_id := fields.get("790")) is not None:
            self._answer(session, ("H", status_id), "", fields)
            return
        request = self._by_id.get(("AF", fields.get("584", "")))
        if request is None:
            self._findings.add("answered once", f"{session}: nobody asked for the status report {_shown(fields)}")
            return
        shard = fields["58"].rpartition(" ")[2] if fields["37"] == "NONE" else _shard(fields["37"])
        count = request.reports[shard] = request.reports.get(shard, 0) + int(fields["911"] != "0")
        total, is_last = int(fields["911"]), fields["912"] == "Y"
        if is_last != (count == total) or count > total:
            self._findings.add(
                "answered once", f"{request}: report {count} of {total} of shard {shard} has 912={is_last}"
            )
        if is_last:
            self._answer(session, ("AF", request.request_id), shard, fields)

    def _list_status(self, session: str, fields: Fields) -> None:
        request = self._by_id.get(("E", fields["66"]))
        if request is None or not request.is_answered:
            self._answer(session, ("E", fields["66"]), "", fields)
        if request is not None and fields["68"] == "0":
            for leg in self._by_number[session, request.msg_seq_num]:
                if leg.msg_type == "leg":
                    self._answer(session, ("leg", leg.request_id), "", fields)

    def _quotes(self, session: str, fields: Fields) -> None:
        quote_id = fields["117"]
        kind = "Z" if ("Z", quote_id) in self._by_id else "i"
        part = fields.get("58", "") if fields["297"] == "4" else ""  # of a Z to all: `shard <n>`
        self._answer(session, (kind, quote_id), part, fields)

    def _rejected(self, session: str, fields: Fields) -> None:
        requests = self._by_number.get((session, int(fields["45"])), [])
        if not requests:
            self._findings.add("answered once", f"{session}: {_shown(fields)} rejects a message that is no request")
        if fields["35"] == "3":
            asked = ", ".join(map(str, requests))
            self._findings.add("answered once", f"the session level rejected {asked}: {_shown(fields)}")
        for request in requests:
            for n in range(request.answers_wanted):
                self._answer(session, (request.msg_type, request.request_id), f"{n}", fields)

    def _answer(self, session: str, asked: tuple[str, str], part: str, fields: Fields) -> None:
        request = self._by_id.get(asked)
        if request is None or request.session != session:
            self._findings.add("answered once", f"{session}: {_shown(fields)} answers a request that was never sent")
            return
        if part in request.answers or request.is_answered:
            self._findings.add("answered once", f"{request} was answered again: {_shown(fields)}")
            return
        request.answers.add(part)
        if request.is_answered:
            self.answered += 1
            self._unanswered[session] -= 1
            self._answered[session] = self.answered_of(session) + 1
            wait_ns = self._now_ns - request.sent_ns
            self.wait_ns_max = max(self.wait_ns_max, wait_ns)
            self._recent_wait_ns_max = max(self._recent_wait_ns_max, wait_ns)


def _requests(session: str, text: str, number: int, at_ns: int, shards: int) -> Iterator[Request]:
    """What one message asks; a list is a request of its own and one for each of its orders."""
    fields = parse(text)
    msg_type = fields["35"]
    match msg_type:
        case "D" | "F" | "G":
            yield Request(msg_type, session, fields["11"], number, at_ns)
        case "E":
            yield Request(msg_type, session, fields["66"], number, at_ns)
            for cl_ord_id in [value for tag, value in pairs(text) if tag == "11"]:
                yield Request("leg", session, cl_ord_id, number, at_ns)
        case "H":
            yield Request(msg_type, session, fields["790"], number, at_ns)
        case "AF":
            yield Request(msg_type, session, fields["584"], number, at_ns, 1 if fields["585"] == "1" else shards)
        case "q":
            yield Request(msg_type, session, fields["11"], number, at_ns, 1 if fields["530"] == "1" else shards)
        case "i":
            yield Request(msg_type, session, fields["117"], number, at_ns)
        case "Z":
            yield Request(msg_type, session, fields["117"], number, at_ns, shards if fields["298"] == "4" else 1)


def _shard(order_id: str) -> str:
    """Of OrderID(37): `<shard>-<number>`."""
    return order_id.partition("-")[0]


def _shown(fields: Fields) -> str:
    tags = ("35", "11", "41", "37", "17", "150", "39", "45", "58", "117", "584", "790")
    return "|".join(f"{tag}={fields[tag]}" for tag in tags if tag in fields)
