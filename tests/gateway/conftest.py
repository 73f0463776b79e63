"""The tests here that need JetStream get a server of their own."""

from tests.gateway.sequencer_desk import logs
from tests.jetstream import bus, server

__all__ = ["bus", "logs", "server"]
