from pathlib import Path
from xml.etree import ElementTree

import pytest
import quickfix as fix

from sessions.quickfix import dictionaries


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return dictionaries.write(tmp_path_factory.mktemp("dictionaries"))


def field(path: Path, number: int) -> ElementTree.Element:
    element = ElementTree.parse(path).find(f"fields/field[@number='{number}']")
    assert element is not None
    return element


def names_in(path: Path, msg_type: str) -> set[str]:
    message = ElementTree.parse(path).find(f"messages/message[@msgtype='{msg_type}']")
    assert message is not None
    return {child.attrib["name"] for child in message.iter() if child.tag != "message"}


@pytest.mark.parametrize("version", dictionaries.VERSIONS)
def test_quickfix_can_read_it_and_it_is_small(paths: dict[str, Path], version: str):
    fix.DataDictionary(str(paths[version]))
    assert paths[version].stat().st_size < 100_000


@pytest.mark.parametrize("version", dictionaries.VERSIONS)
def test_every_message_type_of_the_version_is_known(paths: dict[str, Path], version: str):
    def types(path: Path) -> set[str]:
        return {message.attrib["msgtype"] for message in ElementTree.parse(path).findall("messages/message")}

    replay = {"BW", "BX", "BY"}
    borrowed = {"FIX42": {"q", "r", "AF", "AD", "AE", "AQ", "x", "y"} | replay, "FIX44": replay}.get(version, set())
    assert types(paths[version]) == types(dictionaries.INSTALLED / f"{version}.xml") | borrowed


@pytest.mark.parametrize("version", ["FIX42", "FIX44", "FIXT11"])
def test_every_logon_has_username_and_password(paths: dict[str, Path], version: str):
    assert {"Username", "Password", "ResetSeqNumFlag"} <= names_in(paths[version], "A")


@pytest.mark.parametrize("version", ["FIX42", "FIX44", "FIX50SP2"])
def test_reports_and_market_data_have_the_venues_fields(paths: dict[str, Path], version: str):
    report = {"LastLiquidityInd", "TrdMatchID", "AggressorIndicator", "OrdStatusReqID", "PreviouslyReported"}
    assert report <= names_in(paths[version], "8")
    assert "RptSeq" in names_in(paths[version], "W")
    assert {"RptSeq", "NumberOfOrders", "AggressorSide"} <= names_in(paths[version], "X")


@pytest.mark.parametrize("version", ["FIX42", "FIX44", "FIX50SP2"])
@pytest.mark.parametrize(("number", "values"), [(103, "16 18 25"), (102, "18"), (380, "8"), (378, "12 13 17 18 19 20")])
def test_codes_of_newer_versions_are_allowed_in_all(paths: dict[str, Path], version: str, number: int, values: str):
    allowed = {value.attrib["enum"] for value in field(paths[version], number)}
    assert set(values.split()) <= allowed


def test_what_a_version_requires_stays_required(paths: dict[str, Path]):
    message = ElementTree.parse(paths["FIX42"]).find("messages/message[@msgtype='D']")
    assert message is not None
    required = {child.attrib["name"] for child in message if child.attrib["required"] == "Y"}
    assert required == {"ClOrdID", "HandlInst", "Symbol", "Side", "TransactTime", "OrdType"}


def test_missing_quickfix_dictionaries_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dictionaries, "INSTALLED", tmp_path / "nowhere")
    with pytest.raises(dictionaries.DictionaryError, match="nowhere"):
        dictionaries.write(tmp_path)
