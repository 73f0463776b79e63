"""What the configuration is allowed to say; every refusal is one sentence that names the file and the place."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from bus.subjects import default_shard
from configs.consistency import is_loopback
from configs.limits import ThrottleLines
from configs.loader import ONE_MACHINE, ConfigError, check_reloadable, fixed_differences, load
from matcher.instruments import Increment, Instrument
from matcher.orders import PRICE_TICKS_MAX

INSTRUMENTS = 'AAPL = { tick = "0.01", reference_price = "189.50" }'
FIRM = """
[[firms]]
name = "FIRMA"
sessions = [{ comp_id = "FIRMA1", password = "example-a" }]
"""


class Files:
    """A venue file and an instruments file, to be written wrong in one place."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "venue.toml"
        self.instruments_path = directory / "instruments.toml"
        self.write("")
        self.write_instruments(INSTRUMENTS)

    def write(self, text: str) -> None:
        self.path.write_text(text)

    def write_instruments(self, lines: str) -> None:
        self.instruments_path.write_text(f"[instruments]\n{lines}\n")

    def refusal(self) -> str:
        with pytest.raises(ConfigError) as refusal:
            load(self.path)
        sentence = str(refusal.value)
        assert "\n" not in sentence
        return sentence


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_the_shipped_configuration_loads() -> None:
    venue = load(ONE_MACHINE)
    assert (venue.config.comp_id, venue.config.shards, venue.config.durability) == ("OUTCRY", 2, "durable")
    assert venue.instruments["SAP"] == Instrument("SAP", Increment(2, 2), Increment(1, 0), 9080, "EUR", 1)
    assert venue.instruments["BTC/USD"].lot == Increment(1, 8)
    assert (venue.instruments["TEST1"].shard, venue.instruments["TEST2"].shard) == (0, 1)
    assert [session.comp_id for _, session in venue.sessions()] == [
        *("FIRMA1", "FIRMA2", "FIRMB1", "FIRMB2", "FIRMC1", "FIRMC2", "MD1", "DC1")
    ]


def test_every_symbol_is_on_one_shard_by_default_that_of_its_hash() -> None:
    venue = load(ONE_MACHINE)
    assert sorted(venue.symbols_of(0) + venue.symbols_of(1)) == sorted(venue.instruments)
    assert venue.instruments["AAPL"].shard == default_shard("AAPL", 2)


def test_an_empty_file_is_a_venue_with_every_default(files: Files) -> None:
    venue = load(files.path)
    assert venue.config.gateway.fix_host == "127.0.0.1"
    assert venue.config.nats.publish_timeout_s == 2.0
    assert venue.config.replicas == 1
    assert list(venue.sessions()) == []


def test_the_shipped_files_name_no_key_that_has_no_effect() -> None:
    file = tomllib.loads(ONE_MACHINE.read_text())
    loaded: Any = load(ONE_MACHINE).config
    for section in ("nats", "gateway", "matcher", "marketdata"):
        for key, value in file[section].items():
            assert getattr(getattr(loaded, section), key) == value


VENUE_FAULTS = [
    ("colour = 1", "Object contains unknown field `colour`"),
    ("[gateway]\ncolour = 1", "Object contains unknown field `colour` - at `gateway`"),
    ("shards = 'two'", "Expected `int`, got `str` - at `shards`"),
    ("shards = 0", "Expected `int` >= 1 - at `shards`"),
    (
        "durability = 'forever'",
        "Invalid enum value 'forever' - at `durability`; choose one of cluster, durable, fast; see",
    ),
    ("comp_id = ''", "at `comp_id`"),
    ("[nats]\nlog_max_bytes = 1000", "Expected `int` >= 1048576 - at `nats.log_max_bytes`"),
    ("[nats]\npublish_timeout_ms = 0", "Expected `int` >= 1 - at `nats.publish_timeout_ms`"),
    ("[gateway]\nid = 'gw.1'", "at `gateway.id`"),
    ("[gateway]\nfix_port = 0", "Expected `int` >= 1 - at `gateway.fix_port`"),
    ("[gateway]\nfix_port = 65536", "Expected `int` <= 65535 - at `gateway.fix_port`"),
    ("[gateway]\nmetrics_port = -1", "Expected `int` >= 0 - at `gateway.metrics_port`"),
    ("[gateway]\nwindow_records = 0", "Expected `int` >= 1 - at `gateway.window_records`"),
    ("[gateway]\nbatch_commands_max = 0", "Expected `int` >= 1 - at `gateway.batch_commands_max`"),
    ("[gateway]\nbatch_commands_max = 501", "Expected `int` <= 500 - at `gateway.batch_commands_max`"),
    ("[gateway]\npending_commands_max = 0", "Expected `int` >= 1 - at `gateway.pending_commands_max`"),
    ("[gateway]\noutbound_messages_max = 0", "Expected `int` >= 1 - at `gateway.outbound_messages_max`"),
    (
        "[gateway]\nengine = 'other'",
        "Invalid enum value 'other' - at `gateway.engine`; choose one of native, quickfix; see",
    ),
    ("[matcher]\nmetrics_port_base = -1", "Expected `int` >= 0 - at `matcher.metrics_port_base`"),
    ("[matcher]\nbatch_records_max = 0", "Expected `int` >= 1 - at `matcher.batch_records_max`"),
    ("[matcher]\nsnapshot_every_inputs = 0", "Expected `int` >= 1 - at `matcher.snapshot_every_inputs`"),
    ("[matcher]\norders_max = 0", "Expected `int` >= 1 - at `matcher.orders_max`"),
    ("[matcher]\norders_max = 100000001", "Expected `int` <= 100000000 - at `matcher.orders_max`"),
    ("[matcher]\nfinished_orders_max = 0", "Expected `int` >= 1 - at `matcher.finished_orders_max`"),
    ("[marketdata]\nmetrics_port = 70000", "Expected `int` <= 65535 - at `marketdata.metrics_port`"),
    ("[marketdata]\ncheckpoint_interval_s = 0", "Expected `int` >= 1 - at `marketdata.checkpoint_interval_s`"),
    ("[marketdata]\nfix_subscriptions_max = 0", "Expected `int` >= 1 - at `marketdata.fix_subscriptions_max`"),
    ("[[firms]]\nname = 'A'", "Object missing required field `sessions` - at `firms[0]`"),
    ("[[firms]]\nname = 'A B'\nsessions = []", "Expected 1 to 32 of A-Z a-z 0-9 _ . - - at `firms[0].name`; see"),
]


@pytest.mark.parametrize(("text", "fault"), VENUE_FAULTS)
def test_a_value_that_cannot_be_is_refused_with_its_place(files: Files, text: str, fault: str) -> None:
    files.write(text)
    sentence = files.refusal()
    assert sentence.startswith(f"{files.path}: ")
    assert fault in sentence
    assert sentence.endswith("see the commented configs/one-machine.toml")


@pytest.mark.parametrize(
    ("session", "place"),
    [
        ("{ comp_id = 'A1' }", "missing required field `password` - at `firms[0].sessions[0]`"),
        ("{ comp_id = '', password = 'p' }", "at `firms[0].sessions[0].comp_id`"),
        ("{ comp_id = '../A1', password = 'p' }", "at `firms[0].sessions[0].comp_id`"),
        ("{ comp_id = 'A1', password = '' }", "at `firms[0].sessions[0].password`"),
        (
            "{ comp_id = 'A1', password = 'p', kind = 'both' }",
            "at `firms[0].sessions[0].kind`; choose one of dropcopy, marketdata, orders; ",
        ),
        ("{ comp_id = 'A1', password = 'p', versions = [] }", "at `firms[0].sessions[0].versions`"),
        (
            "{ comp_id = 'A1', password = 'p', versions = ['FIX.4.4', 'FIX.4.1'] }",
            "at `firms[0].sessions[0].versions[1]`; choose one of FIX.4.2, FIX.4.4, FIXT.1.1; ",
        ),
    ],
)
def test_a_session_that_cannot_be_is_refused_with_its_place(files: Files, session: str, place: str) -> None:
    files.write(f"[[firms]]\nname = 'A'\nsessions = [{session}]")
    assert place in files.refusal()


def test_a_refused_password_is_not_told(files: Files) -> None:
    files.write("[[firms]]\nname = 'A'\nsessions = [{ comp_id = 'A1', password = 'hunter2\\u0001' }]".replace("'", '"'))
    assert "hunter2" not in files.refusal()


def test_a_missing_file(files: Files) -> None:
    files.path.unlink()
    assert files.refusal() == f"{files.path}: cannot be read: No such file or directory"


def test_a_missing_instruments_file(files: Files) -> None:
    files.instruments_path.unlink()
    assert files.refusal() == f"{files.instruments_path}: cannot be read: No such file or directory"


def test_a_file_that_is_not_toml(files: Files) -> None:
    files.write("shards =")
    assert files.refusal().startswith(f"{files.path}: not a TOML file: ")


def test_a_file_that_is_not_utf_8(files: Files) -> None:
    files.path.write_bytes(b'comp_id = "\xff"')
    assert files.refusal().startswith(f"{files.path}: not a TOML file: ")


@pytest.mark.parametrize("time", ["24:00", "22:60", "22", "", "2200", "22:00:00", "-1:00", "1:5", "²2:00", "22:00 "])
def test_the_end_of_the_trading_day_is_a_time_of_day(files: Files, time: str) -> None:
    files.write(f'trading_day_end = "{time}"')
    assert files.refusal() == f"{files.path}: trading_day_end = {time!r}; write HH:MM in UTC"


@pytest.mark.parametrize("time", ["00:00", "9:30", "09:30", "23:59"])
def test_any_time_of_day_may_end_the_trading_day(files: Files, time: str) -> None:
    files.write(f'trading_day_end = "{time}"')
    assert load(files.path).config.trading_day_end == time


def test_sessions_are_told_that_they_wait_before_they_are_logged_out(files: Files) -> None:
    files.write("[gateway]\ndoubt_after_ms = 2000\nsilence_max_ms = 2000")
    assert files.refusal() == (
        f"{files.path}: gateway.silence_max_ms is not above gateway.doubt_after_ms; sessions are told before they are "
        "logged out"
    )


def test_a_comp_id_belongs_to_one_session(files: Files) -> None:
    files.write(FIRM + FIRM.replace("FIRMA", "FIRMB").replace("FIRMB1", "FIRMA1"))
    assert files.refusal() == f"{files.path}: session FIRMA1 is configured twice; a CompID belongs to one session"


def test_a_firm_is_listed_once(files: Files) -> None:
    files.write(FIRM + FIRM.replace("FIRMA1", "FIRMA2"))
    assert files.refusal() == f"{files.path}: firm FIRMA is configured twice; list all its sessions in one place"


def test_a_version_is_listed_once(files: Files) -> None:
    files.write(FIRM.replace(" }]", ', versions = ["FIX.4.4", "FIX.4.4"] }]'))
    assert files.refusal() == f"{files.path}: session FIRMA1 has version FIX.4.4 twice; list it once"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "venue.example.org"])
def test_an_example_password_is_for_loopback_only(files: Files, host: str) -> None:
    files.write(f'[gateway]\nfix_host = "{host}"\n{FIRM}')
    assert files.refusal() == (
        f"{files.path}: session FIRMA1 has an example password, which is for loopback only, but gateway.fix_host is "
        f"{host}; give it a password of its own"
    )


def test_a_password_of_its_own_may_listen_anywhere(files: Files) -> None:
    files.write(f'[gateway]\nfix_host = "0.0.0.0"\n{FIRM.replace("example-a", "k7Vd-2q")}')
    assert load(files.path).config.gateway.fix_host == "0.0.0.0"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("", False)],
)
def test_loopback_is_this_machine_only(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('A = { tick = "0.05", reference_price = "1.01" }', "reference_price '1.01' is not a multiple of 0.05"),
        ('A = { tick = "0", reference_price = "1" }', "tick '0' is not above zero with at most 12 decimal places"),
        ('A = { tick = "1e-2", reference_price = "1" }', "tick '1e-2' is not a plain decimal number"),
        ('A = { tick = "1", reference_price = "-1" }', "reference_price '-1' is not a plain decimal number"),
        ('A = { tick = "1", lot = "0.0", reference_price = "1" }', "lot '0.0' is not above zero with at most 12"),
        ('A = { tick = "1", reference_price = "1", shard = 1 }', "shard 1, but there are shards 0 to 0"),
        ('A = { tick = "1", reference_price = "1", shard = -1 }', "shard -1, but there are shards 0 to 0"),
        (
            'A = { tick = "0.01", reference_price = "0" }',
            "reference_price 0 is not a price here; give one from 0.01 to",
        ),
        (f'A = {{ tick = "1", reference_price = "{PRICE_TICKS_MAX + 1}" }}', "is not a price here"),
    ],
)
def test_an_instrument_that_cannot_be_traded_is_refused(files: Files, line: str, fault: str) -> None:
    files.write_instruments(line)
    sentence = files.refusal()
    assert sentence.startswith(f"{files.instruments_path}: instrument 'A': ")
    assert fault in sentence


@pytest.mark.parametrize("symbol", ["", "A|B", "A\\u0001", "É", "A" * 33])
def test_a_symbol_is_short_printable_ascii(files: Files, symbol: str) -> None:
    files.write_instruments(f'"{symbol}" = {{ tick = "1", reference_price = "1" }}')
    assert files.refusal().endswith(": a symbol is 1 to 32 printable ASCII characters, not |")


@pytest.mark.parametrize("symbol", ["A", "BRK.B", "BTC/USD", "A B", "{*>}", "~" * 32])
def test_any_other_symbol_may_be_traded(files: Files, symbol: str) -> None:
    files.write_instruments(f'"{symbol}" = {{ tick = "1", reference_price = "1" }}')
    assert list(load(files.path).instruments) == [symbol]


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ('A = { tick = "1", reference_price = "1", size = 3 }', "unknown field `size`"),
        ('A = { tick = "1" }', "missing required field `reference_price`"),
        (
            'A = { tick = 1, reference_price = "1" }',
            "Expected `str`, got `int` - at `instruments.A.tick`; see the commented configs/instruments.toml",
        ),
        (
            'A = { tick = "1", reference_price = "1" }\n"B C" = { tick = "1", reference_price = 5 }',
            "Expected `str`, got `int` - at `instruments.B C.reference_price`; see",
        ),
        (
            'A = { tick = "1", reference_price = "1", currency = "$" }',
            "Expected 3 to 8 of A-Z 0-9 - at `instruments.A.currency`; see",
        ),
        ("", "nothing is traded; list at least one instrument under [instruments]"),
    ],
)
def test_an_instruments_file_that_cannot_be_is_refused(files: Files, lines: str, fault: str) -> None:
    files.write_instruments(lines)
    sentence = files.refusal()
    assert sentence.startswith(f"{files.instruments_path}: ")
    assert fault in sentence


def test_what_waits_for_a_restart_is_named(tmp_path: Path) -> None:
    files = Files(tmp_path)
    old = load(files.path)
    files.write("[gateway]\nfix_port = 1\nid = 'other'\n[nats]\nurl = 'nats://elsewhere'\n")
    assert fixed_differences(old, load(files.path)) == ["nats.url", "gateway.id", "gateway.fix_port"]


def test_what_a_running_venue_follows_is_not_named(tmp_path: Path) -> None:
    files = Files(tmp_path)
    old = load(files.path)
    other = tmp_path / "other.toml"
    files.write(
        f"trading_day_end = '11:00'\ninstruments = '{other.name}'\n[gateway]\nthrottle = {{ per_second = 1 }}\n{FIRM}"
    )
    other.write_text(f"[instruments]\n{INSTRUMENTS}\nNEW = {{ tick = '0.05', reference_price = '1.00' }}\n")
    assert fixed_differences(old, load(files.path)) == []


@pytest.mark.parametrize(
    ("venue_lines", "instrument_lines", "fault"),
    [
        ("", INSTRUMENTS.replace('tick = "0.01"', 'tick = "0.05"'), "AAPL is traded with tick 0.01, but has 0.05 in"),
        ("", INSTRUMENTS.replace("{", '{ lot = "10",'), "AAPL is traded with lot 1, but has 10 in the instruments"),
        ("", INSTRUMENTS.replace("{", '{ currency = "EUR",'), "AAPL is traded with currency USD, but has EUR in"),
        ("shards = 2\n", INSTRUMENTS, "shards = 2, but the logs are those of 1; make it 1 again"),
    ],
)
def test_what_would_change_the_meaning_of_the_logs_cannot_be_followed(
    tmp_path: Path, venue_lines: str, instrument_lines: str, fault: str
) -> None:
    files = Files(tmp_path)
    old = load(files.path)
    check_reloadable(1, old.instruments, old)
    files.write(venue_lines)
    files.write_instruments(instrument_lines)
    with pytest.raises(ConfigError, match=fault):
        check_reloadable(1, old.instruments, load(files.path))


def test_an_instrument_may_not_move_to_another_shard(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.write("shards = 2\n")
    files.write_instruments(INSTRUMENTS.replace("{", "{ shard = 0,"))
    old = load(files.path)
    files.write_instruments(INSTRUMENTS.replace("{", "{ shard = 1,"))
    with pytest.raises(ConfigError, match="AAPL is traded with shard 0, but has 1 in the instruments file"):
        check_reloadable(2, old.instruments, load(files.path))


THROTTLES = """
[gateway]
throttle = { per_second = 9 }

[[firms]]
name = "F"
sessions = [
    { comp_id = "F1", password = "p", versions = ["FIX.4.2", "FIX.4.4"] },
    { comp_id = "F2", password = "p", versions = ["FIX.4.4"], limits = { throttle = { per_second = 3, burst = 7 } } },
    { comp_id = "F3", password = "p", versions = ["FIX.4.4"], limits = { throttle = {} } },
    { comp_id = "F4", password = "p", kind = "marketdata" },
]

[[firms]]
name = "G"
limits = { throttle = { per_second = 5, refused_max = 6 } }
sessions = [{ comp_id = "G1", password = "p", versions = ["FIX.4.4"] }]
"""


def test_a_throttle_is_that_of_the_session_else_of_its_firm_else_of_the_gateway(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.write(THROTTLES)
    nine, none = ThrottleLines(9, 9, 90), ThrottleLines()
    assert load(files.path).throttles() == {
        "FIX.4.2:F1": nine,
        "FIX.4.4:F1": nine,
        "FIX.4.4:F2": ThrottleLines(3, 7, 70),
        "FIX.4.4:F3": none,
        "FIX.4.4:G1": ThrottleLines(5, 5, 6),
    }


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (
            "burst = 3",
            "a throttle needs per_second; give it, or leave burst and refused_max out - at `gateway.throttle`",
        ),
        ("per_second = -1", "Expected `int` >= 0 - at `gateway.throttle.per_second`"),
        ("per_minute = 1", "unknown field `per_minute` - at `gateway.throttle`"),
    ],
)
def test_a_throttle_that_cannot_be_is_one_sentence(tmp_path: Path, lines: str, fault: str) -> None:
    files = Files(tmp_path)
    files.write(f"[gateway]\nthrottle = {{ {lines} }}\n")
    assert fault in files.refusal()
