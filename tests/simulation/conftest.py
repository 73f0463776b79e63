"""What the simulation's streams do is compared with what a real server does."""

from tests.jetstream import bus, server

__all__ = ["bus", "server"]
