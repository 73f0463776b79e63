"""Several gateways of one venue: where each is, and which sessions may log on there."""

from pathlib import Path

import pytest

from configs.loader import ConfigError, Venue, load

VENUE = """
gateway = {{ id = "gw1", fix_port = 9001, metrics_port = 9002, window_records = 3, further = [{further}] }}

[[firms]]
name = "FIRMA"
sessions = [
    {{ comp_id = "HOME", password = "example-home" }},
    {{ comp_id = "MOVES", password = "example-moves", gateways = {gateways} }},
]
"""
SECOND = '{ id = "gw2", fix_port = 9003, metrics_port = 9004 }'


def venue(directory: Path, *, further: str = SECOND, gateways: str = '["gw2", "gw1"]') -> Venue:
    (directory / "instruments.toml").write_text('[instruments]\nAAPL = { tick = "0.01", reference_price = "189.50" }')
    (directory / "venue.toml").write_text(VENUE.format(further=further, gateways=gateways))
    return load(directory / "venue.toml")


def refusal(directory: Path, **changes: str) -> str:
    with pytest.raises(ConfigError) as refused:
        venue(directory, **changes)
    return str(refused.value).removeprefix(f"{directory / 'venue.toml'}: ")


def test_a_further_gateway_has_a_place_of_its_own_and_the_settings_of_the_first(tmp_path: Path) -> None:
    gateway = venue(tmp_path).at_gateway("gw2").config.gateway
    assert (gateway.id, gateway.fix_port, gateway.metrics_port) == ("gw2", 9003, 9004)
    assert gateway.window_records == 3


def test_a_session_is_at_the_first_gateway_unless_it_names_others(tmp_path: Path) -> None:
    whole = venue(tmp_path)
    seen = {
        gateway_id: [session.comp_id for _, session in whole.at_gateway(gateway_id).sessions()]
        for gateway_id in whole.gateway_ids
    }
    assert seen == {"gw1": ["HOME", "MOVES"], "gw2": ["MOVES"]}


def test_the_first_of_its_gateways_is_a_sessions_home(tmp_path: Path) -> None:
    whole = venue(tmp_path)
    assert [whole.gateways_of(session) for _, session in whole.sessions()] == [("gw1",), ("gw2", "gw1")]


def test_a_gateway_that_is_not_configured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no gateway gw9; choose one of gw1, gw2"):
        venue(tmp_path).at_gateway("gw9")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (
            {"gateways": '["gw3"]'},
            "session MOVES may log on at gateway gw3, which is not configured; choose among gw1, gw2",
        ),
        ({"gateways": '["gw2", "gw2"]'}, "session MOVES has gateway gw2 twice; list it once"),
        (
            {"further": SECOND.replace("gw2", "gw1")},
            "gateway gw1 is configured twice; give each an id of its own",
        ),
        (
            {"further": SECOND.replace("9003", "9001")},
            "gateway.fix_port and gateway gw2's fix_port are both 9001; give each a port of its own",
        ),
        (
            {"further": SECOND.replace("9003", "9002")},
            "gateway gw2's fix_port and gateway.metrics_port are both 9002; give each a port of its own",
        ),
        (
            {"further": SECOND + ", " + SECOND.replace("gw2", "gw3").replace("9004", "9005")},
            "gateway gw2's fix_port and gateway gw3's fix_port are both 9003; give each a port of its own",
        ),
        (
            {"further": SECOND.replace("}", ', fix_host = "0.0.0.0" }')},
            "session MOVES has an example password, which is for loopback only, but gateway.fix_host is 0.0.0.0; give "
            "it a password of its own",
        ),
    ],
)
def test_gateways_that_contradict_each_other_are_refused(tmp_path: Path, changes: dict[str, str], fault: str) -> None:
    assert refusal(tmp_path, **changes) == fault


def test_quickfix_has_one_gateway(tmp_path: Path) -> None:
    path = tmp_path / "venue.toml"
    venue(tmp_path)
    path.write_text(path.read_text().replace("further =", 'engine = "quickfix", further ='))
    with pytest.raises(ConfigError, match="only the native engine can have gateways beside the first"):
        load(path)
