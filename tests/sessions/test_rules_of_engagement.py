"""The venue's own dictionaries: as their tables say, true to the standard, and readable by QuickFIX."""

import functools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import quickfix as fix

from gateway.fix.fields import HARMLESS_TAGS, HEADER_TAGS, USED_TAGS
from gateway.fix.instructions import INSTRUCTION_TAGS
from gateway.fix.lists import HARMLESS_LIST_TAGS, LIST_TAGS
from gateway.fix.mass_requests import MASS_CANCEL_TAGS, MASS_STATUS_TAGS
from gateway.fix.quotes import HARMLESS_QUOTE_TAGS, QUOTE_TAGS
from sessions.dictionary import xml_reader
from sessions.dictionary.dictionary import Dictionary
from sessions.dictionary.rules_of_engagement import DIRECTORY, VERSIONS, render
from sessions.dictionary.xml_reader import Document, Member

STOCK = Path(sys.prefix) / "share" / "quickfix"

SINCE_FIX44 = {"530", "531", "532", "533", "561", "562", "584", "585", "835", "836", "911", "912"}
REPLAY = {"1182", "1183", "1346", "1347", "1348", "1351", "1353", "1354", "1355", "1356", "1357", "1426"}
_INSTRUCTIONS = {"1094", "1100", "1101", "1102", "1107", "1108", "1109", "1138", "1385", "2362", "2964"}
DEFINITION = {"969", "1140", "1148", "1149", "1150", "1306"}
SINCE_FIX50 = _INSTRUCTIONS | REPLAY | DEFINITION
OWN = {"7001", "7002", "7004", "7005", "7006", "9010"}
ADDED_FIELDS = {
    "FIX42": {"553", "554", "789"} | SINCE_FIX44 | SINCE_FIX50 | OWN,
    "FIX44": SINCE_FIX50 | OWN,
    "FIXT11": {"384", "385"},
    "FIX50SP2": OWN,
}
"""
Fields that a version does not have. To FIX 4.2: Username, Password and NextExpectedMsgSeqNum, which are FIX 4.4's; to
both older ones what orders can say since FIX 5.0. To all, the venue's own. FIXT.1.1 has MsgTypeGrp, which is empty in
QuickFIX's file.
"""

_ORDER_FIELDS = _INSTRUCTIONS - {"1385"} | {"7001", "7004"}
_REPORT_FIELDS = {"299", "1107", "1108", "1109", "2362", "2964", "7001"}


def places(tags: set[str], *msg_types: str) -> set[tuple[str, str]]:
    return {(msg_type, tag) for msg_type in msg_types for tag in tags}


ADDED_PLACES = {
    "FIX42": places({"553", "554", "789"}, "A")
    | places({"83"}, "W", "X")
    | places({"278"}, "W")
    | places({"9010"}, "V", "W")
    | places({"263"}, "c")
    | places(DEFINITION | {"326", "561", "562"}, "d")
    | places(_ORDER_FIELDS | {"835", "836"}, "D", "G", "E")
    | places({"1385"}, "E")
    | places(_REPORT_FIELDS | {"584", "836", "911", "912"}, "8"),
    "FIX44": places({"83"}, "W", "X")
    | places({"278"}, "W")
    | places({"9010"}, "V", "W")
    | places(DEFINITION | {"326"}, "d")
    | places(_ORDER_FIELDS, "D", "G", "E")
    | places({"1385"}, "E")
    | places(_REPORT_FIELDS, "8")
    | places({"7002"}, "q"),
    "FIXT11": places({"384", "372", "385", "1130", "1406", "1131"}, "A"),
    "FIX50SP2": places({"7001", "7004"}, "D", "G")
    | places({"2362", "2964", "7001", "7004"}, "E")
    | places({"299", "7001"}, "8")
    | places({"7002"}, "q")
    | places({"7005", "7006"}, "BW")
    | places({"9010"}, "V", "W"),
}
"""Fields where the standard does not have them; RptSeq(83) numbers what the feed says of a book."""

ADDED_MESSAGES = {"FIX42": {"q", "r", "AF", "BW", "BX", "BY", "x", "y", "AD"}, "FIX44": {"BW", "BX", "BY"}}
ADDED_VALUES = {"FIX42": {"40": {"J", "K"}, "59": {"7"}, "269": {"A", "B", "Q", "e"}}, "FIX44": {"269": {"Q", "e"}}}


@functools.cache
def stock(version: str) -> Document:
    path = STOCK / f"{version}.xml"
    if not path.exists():
        pytest.skip(f"the quickfix package has not installed {path.name}")
    return xml_reader.read(path)


def ours(version: str) -> Document:
    return xml_reader.read(DIRECTORY / f"{version}.xml")


def tags_in(members: tuple[Member, ...]) -> Iterator[str]:
    for member in members:
        yield member.tag
        yield from tags_in(member.group)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_files_are_what_the_tables_say(version: str):
    assert (DIRECTORY / f"{version}.xml").read_text() == render(version)


@pytest.mark.parametrize("version", VERSIONS)
def test_quickfix_can_read_them(version: str):
    fix.DataDictionary(str(DIRECTORY / f"{version}.xml"))


@pytest.mark.parametrize("version", VERSIONS)
def test_every_field_has_the_standards_number_name_type_and_values(version: str):
    standard = stock(version)
    for tag, field in ours(version).fields.items():
        if tag in ADDED_FIELDS.get(version, ()):
            assert tag not in standard.fields
            assert tag in OWN or field[:3] == stock("FIX50SP2").fields[tag][:3]
        else:
            assert field[:3] == standard.fields[tag][:3]
            more = ADDED_VALUES.get(version, {}).get(tag, set())
            assert not field.values or field.values == standard.fields[tag].values | more


@pytest.mark.parametrize("version", VERSIONS)
def test_every_field_stands_where_the_standard_has_it(version: str):
    standard, document = stock(version), ours(version)
    added = {
        (msg_type, tag)
        for msg_type, members in document.messages.items()
        if msg_type not in ADDED_MESSAGES.get(version, ())
        for tag in tags_in(members)
        if tag not in set(tags_in(standard.messages[msg_type]))
    }
    assert added == ADDED_PLACES.get(version, set())
    if version != "FIX50SP2":
        assert set(tags_in(document.header)) == set(tags_in(standard.header))
        assert set(tags_in(document.trailer)) == set(tags_in(standard.trailer))


@pytest.mark.parametrize("version", VERSIONS)
def test_what_the_standard_requires_is_required_and_nothing_else(version: str):
    def required(members: tuple[Member, ...]) -> set[str]:
        return {member.tag for member in members if member.required}

    standard, document = stock(version), ours(version)
    assert required(document.header) == required(standard.header)
    for msg_type, members in document.messages.items():
        if msg_type in ADDED_MESSAGES.get(version, ()):
            continue
        assert required(members) == required(standard.messages[msg_type]), msg_type


@pytest.mark.parametrize("version", VERSIONS)
def test_every_message_type_of_the_standard_is_known(version: str):
    document, standard = ours(version), stock(version)
    more = ADDED_MESSAGES.get(version, set())
    assert set(document.messages) | document.unspoken_msg_types == set(standard.messages) | more
    assert not set(document.messages) & document.unspoken_msg_types


def test_newest_version_knows_every_tag_that_the_gateway_takes():
    retired = {"47", "76", "81", "109", "204", "370", "439", "440"}  # 4.2 and 4.4 have them
    dictionary = Dictionary.load(DIRECTORY / "FIXT11.xml", DIRECTORY / "FIX50SP2.xml")
    taken = HEADER_TAGS | USED_TAGS | HARMLESS_TAGS | INSTRUCTION_TAGS
    taken |= LIST_TAGS | HARMLESS_LIST_TAGS | MASS_CANCEL_TAGS | MASS_STATUS_TAGS | QUOTE_TAGS | HARMLESS_QUOTE_TAGS
    missing = {tag for tag in taken if not dictionary.name(tag)}
    assert missing <= retired
    older = Dictionary.load(DIRECTORY / "FIX42.xml")
    assert all(older.name(tag) for tag in retired)


def samples() -> Iterator[tuple[str, str]]:
    page = (DIRECTORY.parent.parent / "gateway" / "FIX.md").read_text()
    for begin_string, block in re.findall(r"```fix (\S+)\n(.*?)```", page, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("--"):  # what the operator does
                continue
            yield begin_string, line.split(maxsplit=2)[2]


def test_all_samples_of_the_gateways_page_are_sound():
    dictionaries = {
        "FIX.4.2": Dictionary.load(DIRECTORY / "FIX42.xml"),
        "FIX.4.4": Dictionary.load(DIRECTORY / "FIX44.xml"),
        "FIXT.1.1": Dictionary.load(DIRECTORY / "FIXT11.xml", DIRECTORY / "FIX50SP2.xml"),
    }
    checked = 0
    for begin_string, sample in samples():
        msg_type, *body = (tuple(field.split("=", 1)) for field in sample.strip("|").split("|"))
        head = (("8", begin_string), ("9", "1"), msg_type, ("34", "1"), ("49", "A"), ("52", "20260105-09:30:00"))
        fault = dictionaries[begin_string].check(msg_type[1], [*head, ("56", "B"), *body, ("10", "000")])
        unspoken = ("R", "AD")  # samples of what is not spoken, AD in FIX 4.2
        assert fault is None or (fault.reason == 3 and msg_type[1] in unspoken), sample
        checked += 1
    assert checked > 40
