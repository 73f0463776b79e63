"""The logs of a venue for a command that only reads them, whether the venue is up or not."""

from contextlib import AsyncExitStack
from os import close
from pathlib import Path
from typing import Final

from bus.connection import Bus, BusError
from configs.loader import Venue
from venue.data_directory import DataDirectoryError, check_store, lock
from venue.nats_server import nats_server_specs
from venue.supervisor import Supervisor

_CONNECT_PATIENCE_S: Final = 1.0


async def connect(venue: Venue, data_dir: Path, stack: AsyncExitStack, *, name: str) -> Bus:
    """
    Connect to a venue's JetStream; if nobody answers and it is embedded, it is started for the time being.

    Args:
        venue: Whose logs.
        data_dir: Where they are, if the server is embedded; absolute.
        stack: Ends the connection, and the server, when it is closed.
        name: Of the command, for the server's log.

    Raises:
        BusError: Nobody answers.
        DataDirectoryError: There is no venue's data in the directory, or somebody has it.
        SupervisorError: The server does not start.
    """
    nats = venue.config.nats
    try:
        bus = await Bus.connect(nats.url, name=name, patience_s=_CONNECT_PATIENCE_S, is_command=True)
    except BusError:
        if not nats.embedded:
            raise
        _check_is_venue(data_dir)
        held = await lock(data_dir)
        stack.callback(close, held)
        servers = nats_server_specs(venue.config, data_dir, stage=0, inherit=(held,))
        await stack.enter_async_context(Supervisor(servers))
        bus = await Bus.connect(nats.url, name=name)
    stack.push_async_callback(bus.close)
    return bus


def _check_is_venue(data_dir: Path) -> None:
    if not data_dir.is_dir():
        raise DataDirectoryError(f"{data_dir} is no venue's data directory; name the one with the logs with --data")
    check_store(data_dir)
