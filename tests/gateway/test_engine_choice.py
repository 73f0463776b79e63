"""Which FIX engine a gateway opens."""

import asyncio
import sys
from pathlib import Path

import pytest

from configs.loader import ONE_MACHINE, ConfigError, GatewayConfig, Venue, VenueConfig, load
from gateway.__main__ import _open_engine
from sessions.port import EngineError
from venue.process import EngineName, Settings, with_engine


def settings(engine: EngineName, data_dir: Path) -> Settings:
    return Settings(with_engine(load(ONE_MACHINE), engine), ONE_MACHINE, data_dir)


def test_an_engine_without_tls_cannot_replace_one_with_it() -> None:
    gateway = GatewayConfig(engine="native", tls_certificate="chain.pem", tls_key="key.pem")
    venue = Venue(VenueConfig(gateway=gateway), {})

    assert with_engine(venue, "native") == venue
    with pytest.raises(ConfigError, match="use --engine native"):
        with_engine(venue, "quickfix")


async def test_our_own_engine_needs_no_quickfix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "quickfix", None)
    monkeypatch.delitem(sys.modules, "sessions.quickfix.engine", raising=False)

    engine = _open_engine(settings("native", tmp_path), {})

    assert engine.next_outbound("FIX.4.4:FIRMA1") == 1
    assert "sessions.quickfix.engine" not in sys.modules
    await asyncio.to_thread(engine.stop)


async def test_quickfix_where_it_is_not_installed_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "quickfix", None)
    monkeypatch.delitem(sys.modules, "sessions.quickfix.engine", raising=False)

    with pytest.raises(
        EngineError, match=r"not installed; `\./outcry test` installs it, and so does `--engine quickfix`"
    ):
        _open_engine(settings("quickfix", tmp_path), {})
