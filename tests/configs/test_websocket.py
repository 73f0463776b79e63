"""The WebSocket port: nobody beyond this machine reads by accident."""

from pathlib import Path

import pytest

from configs.loader import ONE_MACHINE, ConfigError, load


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A venue file, to be written, with an instruments file beside it."""
    (tmp_path / "instruments.toml").write_text('[instruments]\nAAPL = { tick = "0.01", reference_price = "189.50" }\n')
    return tmp_path / "venue.toml"


def test_without_its_section_there_is_none_and_the_shipped_one_is_for_this_machine(path: Path) -> None:
    path.write_text("")
    assert load(path).config.websocket.port == 0
    shipped = load(ONE_MACHINE).config.websocket
    assert (shipped.host, shipped.port, shipped.public) == ("127.0.0.1", 9880, False)


def test_another_host_has_to_be_meant(path: Path) -> None:
    path.write_text('[websocket]\nport = 9880\nhost = "0.0.0.0"')
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert str(refused.value) == (
        f"{path}: websocket.host is 0.0.0.0, where everybody who reaches port 9880 may read market data; set "
        "websocket.public = true if they shall"
    )
    path.write_text('[websocket]\nport = 9880\nhost = "0.0.0.0"\npublic = true')
    assert load(path).config.websocket.public


@pytest.mark.parametrize(("key", "port"), [("port", 9880), ("metrics_port", 9466)])
def test_its_ports_are_its_own(path: Path, key: str, port: int) -> None:
    path.write_text(f"[gateway]\nfix_port = {port}\n[websocket]\nport = 9880")
    with pytest.raises(ConfigError, match=rf"gateway\.fix_port and websocket\.{key} are both {port}"):
        load(path)
