"""What order entry does with requests that arrive together."""

from typing import cast

from prometheus_client import CollectorRegistry

from configs.loader import ONE_MACHINE, load
from gateway.fix_inbound import Inbound
from gateway.metrics import GatewayMetrics
from gateway.order_entry import OrderEntry
from gateway.sequencer import Sequencer
from gateway.session_progress import SessionProgress
from matcher.commands import ClientRequest
from sessions.accounts import Accounts
from sessions.port import InboundMessage


class Log:
    """A sequencer that notes which requests each flush sent."""

    def __init__(self) -> None:
        self.flushed: list[list[int]] = []
        self._queued: list[int] = []

    def submit(self, command: ClientRequest, _progress: SessionProgress) -> None:
        self._queued.append(command.msg_seq_num)

    def flush(self) -> None:
        self.flushed.append(self._queued)
        self._queued = []


def test_the_log_gets_the_first_of_many_requests_while_the_last_are_read() -> None:
    venue, log = load(ONE_MACHINE), Log()
    entry = OrderEntry(
        Inbound(venue.instruments), cast(Sequencer, log), Accounts(venue), GatewayMetrics(CollectorRegistry())
    )
    session_id = next(iter(entry.progress))
    requests = [
        InboundMessage(session_id, 1, 1, f"35=F\x0134={number}\x0111=c{number}\x01") for number in range(1, 151)
    ]
    entry.on_messages(requests)
    assert log.flushed == [list(range(1, 65)), list(range(65, 129)), list(range(129, 151))]
