"""The project's own rules. An exception belongs in the tables below, with its reason beside it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("bus", "configs", "gateway", "marketdata", "matcher", "sessions", "simulators", "venue")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
PYTHON_FILES = sorted([*SOURCES, *(ROOT / "tests").rglob("*.py")])

VOCABULARY = (
    *("matcher.orders", "matcher.instructions", "matcher.phases", "matcher.commands", "matcher.operator_commands"),
    *("matcher.events", "matcher.increments", "matcher.rejects", "matcher.instruments"),
)

NATIVE_CORE = (
    *("checks", "events", "framing", "inbound", "line", "lobby", "logon", "messages", "outbound", "receiver"),
    *("session", "shapes", "states"),
)
MATCHER_PROCESS = (ROOT / "matcher/__main__.py", *(ROOT / "matcher/process").glob("*.py"))
PURE_MATCHER = sorted({*(ROOT / "matcher").rglob("*.py")} - {*MATCHER_PROCESS})
PURE = {
    "matcher": tuple(str(path.relative_to(ROOT / "matcher").with_suffix("")) for path in PURE_MATCHER),
    "bus": ("subjects", "records"),
    "gateway": (
        *(f"fix/{path.stem}" for path in (ROOT / "gateway/fix").glob("*.py")),
        *(
            f"drop_copy/{name}"
            for name in ("copies", "replay_messages", "spans", "trade_messages", "trade_day", "trade_csv")
        ),
    ),
    "marketdata": (
        *("book", "replica", "messages", "snapshots", "statistics", "history", "candles"),
        *(f"websocket/{name}" for name in ("requests", "payloads", "views")),
        *(f"fix/{name}" for name in ("messages", "requests", "views", "orders", "statistics", "instruments")),
    ),
    "sessions": (
        *("fix_text", "accounts", "dictionary/formats", "dictionary/plans", "dictionary/venue_fields"),
        *(f"native/{module}" for module in NATIVE_CORE),
        *("journal/errors", "journal/records"),
    ),
}
IMPURE_IMPORTS = {"asyncio", "nats", "os", "quickfix", "random", "secrets", "socket", "threading", "uuid"}
PURE_OF_TIME = {"time.gmtime", "time.strftime"}
"""They write a given moment; all else in `time` is a clock, or waits for one."""

MAY_IMPORT = {
    "matcher": {"matcher", "bus", "configs", "venue"},
    "bus": {"bus", *VOCABULARY},
    "configs": {"configs", "bus", "matcher.schedule", *VOCABULARY},
    "sessions": {"sessions", "bus", "configs", "venue", *VOCABULARY},
    "gateway": {
        *("gateway", "marketdata", "sessions", "bus", "configs", "venue"),
        *("matcher.contradictions", "matcher.process.status", "matcher.schedule"),
        *VOCABULARY,
    },
    "marketdata": {"marketdata", "sessions", "bus", "configs", "venue", *VOCABULARY},
    "venue": {"venue", "configs", "bus", "matcher.process.status", "matcher.process.leadership", *VOCABULARY},
    "simulators": {*PACKAGES},
}
"""What each package may import of ours: whole packages, or single modules."""

MODULE_LINES_MAX = 450
VAGUE_NAMES = {"utils", "util", "common", "helpers", "helper", "manager", "misc"}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> Iterator[str]:
    """Full dotted name of everything that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(module=str(module), level=0):
                yield from (f"{module}.{alias.name}" for alias in node.names)
            case ast.ImportFrom():
                raise AssertionError(f"{relative(path)}:{node.lineno}: a relative import")


def uses_of_time(path: Path) -> set[str]:
    """Everything of the module `time` that a file uses."""
    attributes = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute))
    by_name = {
        f"time.{node.attr}" for node in attributes if isinstance(node.value, ast.Name) and node.value.id == "time"
    }
    return by_name | {name for name in imports(path) if is_within(name, "time") and name != "time"}


def is_within(imported: str, allowed: str) -> bool:
    return imported == allowed or imported.startswith(f"{allowed}.")


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_imports_point_one_way(path: Path) -> None:
    package = relative(path).split("/")[0]
    ours = [name for name in imports(path) if name.split(".")[0] in (*PACKAGES, "tests")]
    wrong = [name for name in ours if not any(is_within(name, allowed) for allowed in MAY_IMPORT[package])]
    assert wrong == []


@pytest.mark.parametrize(
    "path", [ROOT / package / f"{module}.py" for package, modules in PURE.items() for module in modules], ids=relative
)
def test_pure_modules_know_no_clock_no_chance_and_no_world(path: Path) -> None:
    assert [name for name in imports(path) if name.split(".")[0] in IMPURE_IMPORTS] == []
    assert uses_of_time(path) <= PURE_OF_TIME


@pytest.mark.parametrize("module", PURE["matcher"])
def test_the_pure_matcher_imports_nothing_of_ours_outside_it(module: str) -> None:
    ours = [name for name in imports(ROOT / "matcher" / f"{module}.py") if name.split(".")[0] in PACKAGES]
    assert [name for name in ours if not is_within(name, "matcher")] == []


@pytest.mark.parametrize("path", sorted((ROOT / "matcher/books").glob("*.py")), ids=relative)
def test_the_books_know_nothing_of_the_engine(path: Path) -> None:
    assert [name for name in imports(path) if is_within(name, "matcher.engine")] == []


def test_one_module_imports_quickfix() -> None:
    importers = [relative(path) for path in SOURCES if any(is_within(name, "quickfix") for name in imports(path))]
    assert importers == ["sessions/quickfix/engine.py"]


def test_only_the_bus_imports_nats() -> None:
    importers = {path.parent.name for path in SOURCES if any(is_within(name, "nats") for name in imports(path))}
    assert importers == {"bus"}


def test_nothing_imports_a_main_module() -> None:
    found = [(relative(path), name) for path in SOURCES for name in imports(path) if "__main__" in name.split(".")]
    assert found == []


@pytest.mark.parametrize("path", PYTHON_FILES, ids=relative)
def test_a_module_is_on_one_subject(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MODULE_LINES_MAX
    assert path.stem not in VAGUE_NAMES


@pytest.mark.parametrize("package", [package for package in PACKAGES if any((ROOT / package).glob("*.py"))])
def test_every_package_says_what_it_is(package: str) -> None:
    assert ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text()))


def test_every_package_is_installed() -> None:
    listed = (ROOT / "pyproject.toml").read_text().split("[tool.setuptools]")[1].split("]")[0]
    present = sorted({relative(path.parent).replace("/", ".") for path in SOURCES})
    assert [package for package in present if f'"{package}"' not in listed] == []


def test_every_dependency_is_pinned_to_what_pyproject_names() -> None:
    pins = {line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")}
    assert all("==" in pin for pin in pins)
    normalised = {pin.lower().replace("_", "-") for pin in pins}
    named = [line.strip().strip('",') for line in (ROOT / "pyproject.toml").read_text().splitlines() if "==" in line]
    dependencies = [name for name in named if " " not in name]
    assert dependencies
    assert [name for name in dependencies if name not in normalised] == []
