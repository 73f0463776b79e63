"""
QuickFIX as a client, in a process of its own: importing it changes signals and threads.

Commands come as JSON lines on standard input, each answered by one on standard output.
"""

# The names and arguments of callbacks are QuickFIX's.
# ruff: noqa: N802, ARG002

import json
import sys
from collections.abc import Callable
from typing import Any

import quickfix as fix

from tests.sessions.raw_client import order_body

SETTINGS = """
[DEFAULT]
ConnectionType=initiator
StartTime=00:00:00
EndTime=00:00:00
HeartBtInt=30
ReconnectInterval=1
UseDataDictionary=N
SocketConnectHost=127.0.0.1
SocketConnectPort={port}
[SESSION]
BeginString={begin_string}
SenderCompID={comp_id}
TargetCompID=OUTCRY
{version}
"""


class Application(fix.Application):
    def __init__(self, comp_id: str) -> None:
        super().__init__()
        self.epoch = 1
        self.sent: list[tuple[int, int, str]] = []
        """Epoch, MsgSeqNum and ClOrdID of each order when it was first sent."""
        self.received: list[tuple[int, int, str]] = []
        """Epoch, MsgSeqNum and ExecID of each report handed over."""
        self.is_up = False
        self._comp_id = comp_id

    def onCreate(self, session_id: Any) -> None:
        pass

    def onLogon(self, session_id: Any) -> None:
        self.is_up = True

    def onLogout(self, session_id: Any) -> None:
        self.is_up = False

    def toAdmin(self, message: Any, session_id: Any) -> None:
        if message.getHeader().getField(35) == "A":
            message.setField(553, self._comp_id)
            message.setField(554, f"example-{self._comp_id.lower()}")

    def fromAdmin(self, message: Any, session_id: Any) -> None:
        pass

    def toApp(self, message: Any, session_id: Any) -> None:
        header = message.getHeader()
        if not header.isSetField(43):
            self.sent.append((self.epoch, int(header.getField(34)), message.getField(11)))

    def fromApp(self, message: Any, session_id: Any) -> None:
        self.received.append((self.epoch, int(message.getHeader().getField(34)), message.getField(17)))


class Initiator:
    def __init__(self, begin_string: str, comp_id: str, port: str, directory: str) -> None:
        self._application = Application(comp_id)
        version = "DefaultApplVerID=FIX.5.0SP2" if begin_string == "FIXT.1.1" else ""
        path = f"{directory}/initiator.cfg"
        with open(path, "w") as file:
            file.write(SETTINGS.format(port=port, begin_string=begin_string, comp_id=comp_id, version=version))
        self._settings = fix.SessionSettings(path)
        self._store_factory = fix.MemoryStoreFactory()
        self._initiator = fix.SocketInitiator(self._application, self._store_factory, self._settings)
        self._id = fix.SessionID(begin_string, comp_id, "OUTCRY")
        self._session = fix.Session.lookupSession(self._id)
        self._initiator.start()
        self.commands: dict[str, Callable[..., object]] = {
            "send": self.send,
            "log_out": self.log_out,
            "log_on": self.log_on,
            "status": self.status,
            "told": self.told,
        }

    def send(self, first: int, count: int) -> None:
        for n in range(first, first + count):
            body = "35=D\x01" + order_body(f"o{n}").replace("|", "\x01")
            fix.Session.sendToTarget(fix.Message(body, False), self._id)

    def log_out(self) -> None:
        self._session.logout()

    def log_on(self, *, reset: bool) -> None:
        self._application.epoch += reset
        self._session.setResetOnLogon(reset)
        self._session.logon()

    def status(self) -> dict[str, object]:
        application = self._application
        if application.is_up:
            self._session.setResetOnLogon(False)  # once only: a cut connection goes on
        return {"is_up": application.is_up, "received": len(application.received)}

    def told(self) -> dict[str, object]:
        return {"sent": self._application.sent, "received": self._application.received}


def main(*arguments: str) -> None:
    initiator = Initiator(*arguments)
    for line in sys.stdin:
        name, how = json.loads(line)
        print(json.dumps(initiator.commands[name](**how)), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main(*sys.argv[1:])
