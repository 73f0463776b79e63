"""An engine in a process of its own, to be killed: answers each order with one report, or fails on the first."""

import asyncio
import sys
from pathlib import Path

from sessions.fix_text import parse
from sessions.port import Engine, InboundMessage
from tests.sessions.house import ENGINES, venue_on


class Answering:
    engine: Engine

    def __init__(self, *, failing: bool) -> None:
        self._failing = failing
        self._count = 0

    def on_logon(self, session_id: str) -> None:
        pass

    def on_logout(self, session_id: str) -> None:
        pass

    def on_messages(self, messages: list[InboundMessage]) -> None:
        if self._failing:
            raise ValueError("the application cannot go on")
        for message in messages:
            self._count += 1
            cl_ord_id = parse(message.text)["11"]
            body = f"35=8|11={cl_ord_id}|17=E{self._count}|37={self._count}|39=0|150=0|151=100|14=0|6=0|54=1|55=TEST1|"
            self.engine.send(message.session_id, [body.replace("|", "\x01")])


def main(data_dir: str, port: str, engine_name: str, mode: str) -> None:
    loop = asyncio.new_event_loop()
    application = Answering(failing=mode == "failing")
    applications = {"orders": application, "marketdata": application, "dropcopy": application}
    application.engine = ENGINES[engine_name](
        venue_on(int(port)), data_dir=Path(data_dir), loop=loop, applications=applications
    )
    application.engine.start()
    print("ready", flush=True)  # noqa: T201 - the test waits for it
    loop.run_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
