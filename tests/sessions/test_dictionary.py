"""What a dictionary says of a message: every reason, the order of checks, settings, custom files and bounds."""

import re
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.dictionary.dictionary import Dictionary, DictionaryError, Fault, Strictness
from sessions.dictionary.rules_of_engagement import DIRECTORY

STOCK = Path(sys.prefix) / "share" / "quickfix"

HEADER = "8=FIX.4.4|9=100|35={}|34=17|49=FIRMA1|52=20260105-09:30:00.123|56=OUTCRY|"
ORDER = "11=a-1|55=AAPL|54=1|60=20260105-09:30:00.123456|40=2|38=100|44=189.50|59=0|"
REQUEST = "262=r-1|263=1|264=0|267=2|269=0|269=1|146=2|55=AAPL|55=MSFT|"
CANCEL = "11=a-2|41=a-1|55=AAPL|54=1|60=20260105-09:30:00|"


@pytest.fixture(scope="module")
def dictionary() -> Dictionary:
    return Dictionary.load(DIRECTORY / "FIX44.xml")


def pairs(text: str) -> list[tuple[str, str]]:
    """Tags and values of a message with `|` for SOH, and `~` for SOH within a value."""
    return [(tag, value.replace("~", "\x01")) for tag, _, value in (f.partition("=") for f in text.split("|") if f)]


def check(dictionary: Dictionary, msg_type: str, body: str, header: str = HEADER) -> Fault | None:
    """Check in full; and where no tag is repeated, make sure that the fast way says the same."""
    message = pairs(f"{header.format(msg_type)}{body}10=000|")
    fault = dictionary.check(msg_type, message)
    assert dictionary.check(msg_type, message) == fault  # once more, with the shape remembered
    if len(dict(message)) == len(message) and not any("\x01" in value for _, value in message):
        assert dictionary.check_fast(msg_type, dict(message)) == fault
    return fault


@pytest.mark.parametrize(
    ("msg_type", "body"),
    [
        ("0", ""),
        ("1", "112=x|"),
        ("A", "98=0|108=30|141=Y|553=u|554=p|789=3|384=2|372=D|385=R|372=8|385=S|"),
        ("3", "45=3|371=11|372=D|373=1|58=Required tag missing|"),
        ("A", "98=0|108=30|95=5|96=a~b=c|"),
        ("D", ORDER),
        ("D", f"{ORDER}453=2|448=P|447=D|452=3|802=2|523=s|803=1|523=t|448=Q|1=ACC-7|58=text|"),
        ("D", f"{ORDER}354=3|355=a~b|"),
        ("D", f"{ORDER}18=1 6|432=20260105|126=20260105-16:00:00|"),
        ("D", f"{ORDER}9001=anything|"),
        ("F", CANCEL),
        ("H", "11=a-1|54=1|790=q-1|"),
        ("V", REQUEST),
        ("W", "262=r-1|55=AAPL|83=7|268=0|"),
        ("W", "262=r-1|55=AAPL|268=1|269=0|270=189.50|271=40|346=1|83=7|"),
        ("X", "262=r-1|268=2|279=2|269=1|55=AAPL|270=189.49|279=0|269=0|55=AAPL|270=-0.5|271=4|346=1|83=8|"),
    ],
)
def test_a_sound_message_has_no_fault(dictionary: Dictionary, msg_type: str, body: str):
    assert check(dictionary, msg_type, body) is None


@pytest.mark.parametrize(
    ("reason", "ref_tag", "msg_type", "body"),
    [
        (0, 999, "D", f"{ORDER}999=1|"),
        (0, 0, "D", f"{ORDER}0=1|"),
        (0, 0, "D", f"{ORDER}044=1|"),
        (0, 0, "D", f"{ORDER}-1=1|"),
        (0, 0, "D", f"{ORDER}abc=1|"),
        (0, 0, "D", f"{ORDER}=1|"),
        (1, 11, "D", ORDER.replace("11=a-1|", "")),
        (1, 60, "F", "11=a-2|41=a-1|55=AAPL|54=1|"),
        (1, 267, "V", "262=r-1|263=1|264=0|146=1|55=AAPL|"),
        (1, 354, "D", f"{ORDER}355=text|"),
        (1, 354, "D", f"{ORDER}354=4|58=x|355=text|"),
        (2, 262, "D", f"{ORDER}262=r-1|"),
        (2, 88, "D", f"{ORDER}88=1|"),  # the standard has it, this file does not
        (4, 1, "D", f"{ORDER}1=|"),
        (4, 55, "V", REQUEST.replace("MSFT", "")),
        (5, 54, "D", ORDER.replace("54=1", "54=Z")),
        (5, 269, "V", REQUEST.replace("269=1", "269=Z")),
        (5, 354, "D", f"{ORDER}354=5|355=a~b|"),
        (6, 38, "D", ORDER.replace("38=100", "38=1e2")),
        (6, 44, "D", ORDER.replace("189.50", "189,50")),
        (6, 60, "D", ORDER.replace("20260105-09:30:00.123456", "20260230-09:30:00")),
        (6, 54, "D", ORDER.replace("54=1", "54=12")),
        (6, 432, "D", f"{ORDER}432=20261301|"),
        (6, 114, "D", f"{ORDER}114=T|"),
        (6, 264, "V", REQUEST.replace("264=0", "264=0.5")),
        (6, 146, "V", REQUEST.replace("146=2", "146=-2")),
        (13, 11, "D", f"{ORDER}11=a-2|"),
        (13, 447, "D", f"{ORDER}453=1|448=P|447=D|447=D|"),
        (14, 50, "D", f"{ORDER}50=x|"),
        (14, 58, "D", f"{ORDER}93=1|89=x|58=late|"),
        (15, 447, "D", f"{ORDER}453=1|447=D|448=P|"),
        (15, 447, "D", f"{ORDER}453=1|448=P|452=3|447=D|"),
        (16, 146, "V", REQUEST.replace("146=2", "146=3")),
        (16, 267, "V", REQUEST.replace("267=2", "267=0")),
        (16, 802, "D", f"{ORDER}453=1|448=P|802=2|523=s|"),
        (16, 453, "D", f"{ORDER}453=1|58=text|"),
        (17, 58, "D", f"{ORDER}58=a~b|"),
    ],
)
def test_every_reason_of_session_reject(dictionary: Dictionary, reason: int, ref_tag: int, msg_type: str, body: str):
    fault = check(dictionary, msg_type, body)
    assert fault is not None
    assert (fault.reason, fault.ref_tag, fault.business) == (reason, ref_tag, False)


def test_fault_says_the_standards_words_and_the_field(dictionary: Dictionary):
    fault = check(dictionary, "D", ORDER.replace("54=1", "54=Z"))
    assert fault == Fault(5, 54, "Value is incorrect (out of range) for this tag: Side(54)")


def test_what_a_peer_wrote_is_not_repeated_to_it(dictionary: Dictionary):
    fault = check(dictionary, "D", f"{ORDER}\x02<x>=1|")
    assert fault is not None
    assert fault.text == "Invalid tag number: not a number of a tag"


@pytest.mark.parametrize(("tag", "reason"), [("34", 1), ("49", 1), ("56", 1), ("52", 1)])
def test_header_has_its_required_tags_too(dictionary: Dictionary, tag: str, reason: int):
    fault = check(dictionary, "D", ORDER, re.sub(rf"\|{tag}=[^|]*", "", HEADER))
    assert fault is not None
    assert (fault.reason, fault.ref_tag) == (reason, int(tag))


def test_group_of_the_header(dictionary: Dictionary):
    hops = "627=2|628=HUB|629=20260105-09:30:00|630=1|628=HUB2|"
    assert check(dictionary, "D", ORDER, HEADER + hops) is None
    fault = check(dictionary, "D", ORDER, HEADER + hops.replace("627=2", "627=1"))
    assert fault is not None
    assert (fault.reason, fault.ref_tag) == (16, 627)


@pytest.mark.parametrize(
    ("msg_type", "fault"),
    [
        ("ZZ", Fault(11, 35, "Invalid MsgType: MsgType(35)")),
        ("", Fault(11, 35, "Invalid MsgType: MsgType(35)")),
        ("R", Fault(3, 0, "Unsupported Message Type", business=True)),
    ],
)
def test_message_types_that_are_not_spoken(dictionary: Dictionary, msg_type: str, fault: Fault):
    assert check(dictionary, msg_type, "530=7|") == fault
    assert dictionary.is_known(msg_type) == fault.business
    assert not dictionary.is_spoken(msg_type)


def test_first_fault_in_the_stated_order_decides(dictionary: Dictionary):
    def reason(body: str) -> int | None:
        fault = check(dictionary, "D", body)
        return fault.reason if fault else None

    everything = "54=Z|999=1|11=|11=|60=x|50=x|"
    assert reason(everything) == 14
    assert reason(everything.replace("50=x|", "")) == 1
    assert reason(everything.replace("50=x|", "40=2|")) == 0
    assert reason("54=Z|11=|11=|60=x|40=2|") == 13
    assert reason("54=Z|11=|60=x|40=2|") == 4
    assert reason("54=Z|11=a~b|60=x|40=2|") == 17
    assert reason("54=Z|11=a|60=x|40=2|") == 5
    assert reason("54=1|11=a|60=x|40=2|453=3|448=P|") == 6
    assert reason("54=1|11=a|60=20260105-09:30:00|40=2|453=3|448=P|") == 16


# Settings


def load(**strictness: bool) -> Dictionary:
    return Dictionary.load(DIRECTORY / "FIX44.xml", strictness=Strictness(**strictness))


@pytest.mark.parametrize(
    ("loose", "strict", "msg_type", "body", "reason"),
    [
        (load(unknown_tags=False), load(), "D", f"{ORDER}999=1|262=x|", 0),
        (load(unknown_tags=False), load(), "D", f"{ORDER}711=2|311=A|311=B|", 2),  # a group that no one here knows
        (load(), load(user_defined_tags=True), "D", f"{ORDER}9001=1|", 3),
        (load(), load(user_defined_tags=True), "V", REQUEST.replace("55=MSFT", "9001=1|55=MSFT"), 3),
        (load(unspoken_messages=False), load(), "R", "131=7|295=2|299=a|299=b|", 3),
        (load(section_order=False), load(), "D", f"{ORDER}50=x|", 14),
        (load(group_order=False), load(), "D", f"{ORDER}453=1|448=P|452=3|447=D|", 15),
    ],
)
def test_settings(loose: Dictionary, strict: Dictionary, msg_type: str, body: str, reason: int):
    assert check(loose, msg_type, body) is None
    fault = check(strict, msg_type, body)
    assert fault is not None
    assert fault.reason == reason


def test_a_tag_that_is_let_through_still_needs_a_value_of_its_type():
    for body, reason in (("999=|", 4), ("264=x|", 6)):
        fault = check(load(unknown_tags=False), "D", f"{ORDER}{body}")
        assert fault is not None
        assert fault.reason == reason


# Files of one's own

CUSTOM = """
<fix type="FIX" major="4" minor="4" servicepack="0">
 <header><field name="MsgSeqNum" required="Y"/></header>
 <trailer><field name="CheckSum" required="Y"/></trailer>
 <messages>
  <message name="Logon" msgtype="A" msgcat="admin">
   <field name="Kind" required="Y"/><field name="Price" required="C" when="Kind=L S"/>
  </message>
  <message name="Quote" msgtype="S" msgcat="app">
   <field name="Kind" required="Y"/>
   <field name="Price" required="C" when="Kind=L S"/>
   <component name="Legs" required="N"/>
   <component name="Desk" required="Y"/>
  </message>
 </messages>
 <components>
  <component name="Desk"><field name="DeskID" required="Y"/></component>
  <component name="Legs">
   <group name="NoLegs" required="Y">
    <field name="LegID" required="Y"/>
    <component name="Size" required="Y"/>
    <field name="LegPrice" required="C" when="LegKind=F"/>
    <field name="LegKind" required="N"/>
   </group>
  </component>
  <component name="Size"><field name="LegQty" required="Y"/></component>
 </components>
 <fields>
  <field number="34" name="MsgSeqNum" type="SEQNUM"/><field number="10" name="CheckSum" type="STRING"/>
  <field number="44" name="Price" type="PRICE"/>
  <field number="9001" name="Kind" type="CHAR">
   <value enum="L" description="LIMIT"/><value enum="S" description="STOP"/><value enum="M" description="MARKET"/>
  </field>
  <field number="9002" name="DeskID" type="STRING"/>
  <field number="9010" name="NoLegs" type="NUMINGROUP"/><field number="9011" name="LegID" type="STRING"/>
  <field number="9012" name="LegQty" type="QTY"/><field number="9013" name="LegPrice" type="PRICE"/>
  <field number="9014" name="LegKind" type="CHAR"/>
 </fields>
</fix>
"""


def custom(tmp_path: Path, text: str = CUSTOM) -> Dictionary:
    path = tmp_path / "custom.xml"
    path.write_text(text)
    return Dictionary.load(path)


@pytest.mark.parametrize(
    ("msg_type", "body", "fault"),
    [
        ("S", "9001=M|9002=d|", None),
        ("S", "9001=L|44=1|9002=d|", None),
        ("S", "9001=L|9002=d|", (5, 44, True)),
        ("A", "9001=L|", (1, 44, False)),
        ("S", "9001=X|9002=d|", (5, 9001, False)),
        ("S", "9001=M|", (1, 9002, False)),
        ("S", "9001=M|9010=1|9011=x|9012=1|9002=d|", None),
        ("S", "9001=M|9010=2|9011=x|9012=1|9011=y|9012=2|9013=3|9014=F|9002=d|", None),
        ("S", "9001=M|9010=2|9011=x|9011=y|9012=2|9002=d|", (1, 9012, False)),
        ("S", "9001=M|9010=2|9011=x|9012=1|9014=F|9011=y|9012=2|9002=d|", (5, 9013, True)),
    ],
)
def test_custom_tags_components_and_conditions(
    tmp_path: Path, msg_type: str, body: str, fault: tuple[int, int, bool] | None
):
    found = check(custom(tmp_path), msg_type, body, "34=1|")
    assert (found and (found.reason, found.ref_tag, found.business)) == fault


@pytest.mark.parametrize(
    ("was", "becomes", "message"),
    [
        ("<fix", "<fox", "is not XML"),
        ('name="DeskID" type', 'name="Desk" type', "names a field DeskID that it does not define"),
        ('type="QTY"', 'type="QUANTUM"', "gives LegQty the type QUANTUM, which FIX does not have"),
        ('number="9013"', 'number="9012"', "defines a field's name or number twice"),
        ('number="9013"', 'number="x"', "has the number 'x' where a tag should be"),
        ('component name="Size" required', 'component name="Sise" required', "names a component Sise"),
        ('component name="Size" required', 'component name="Legs" required', "defines the component Legs by itself"),
        ('when="Kind=L S"', 'when="Kind"', "has when='Kind' at Price instead of when='FieldName=value value'"),
        ('when="Kind=L S"', 'when="LegID=1"', "makes Price depend on LegID, which does not stand beside it"),
        ('msgtype="S"', 'msgtype="A"', "defines the message A twice"),
        ('msgtype="S"', "", "has a <message> Quote without msgtype='...'"),
    ],
)
def test_a_file_that_makes_no_sense_is_named_in_one_sentence(tmp_path: Path, was: str, becomes: str, message: str):
    assert was in CUSTOM
    with pytest.raises(DictionaryError, match=re.escape(message)) as caught:
        custom(tmp_path, CUSTOM.replace(was, becomes))
    assert "custom.xml" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(DictionaryError, match=r"nowhere\.xml cannot be read"):
        Dictionary.load(tmp_path / "nowhere.xml")


# Two files, QuickFIX's files, and bounds


def test_fixt_has_session_messages_from_one_file_and_application_messages_from_another():
    dictionary = Dictionary.load(DIRECTORY / "FIXT11.xml", DIRECTORY / "FIX50SP2.xml")
    header = HEADER.replace("FIX.4.4", "FIXT.1.1").replace("34=", "1128=9|34=")
    assert check(dictionary, "A", "98=0|108=30|1137=9|", header) is None
    assert check(dictionary, "D", f"{ORDER}1724=5|2593=1|2594=0|2595=Y|", header) is None
    fault = check(dictionary, "A", "98=0|108=30|", header)
    assert fault is not None
    assert (fault.reason, fault.ref_tag) == (1, 1137)


@pytest.mark.parametrize("names", [("FIX42",), ("FIX44",), ("FIXT11", "FIX50SP2")])
def test_quickfixs_own_files_can_be_used(names: tuple[str, ...]):
    paths = [STOCK / f"{name}.xml" for name in names]
    if not all(path.exists() for path in paths):
        pytest.skip("the quickfix package has not installed its dictionaries")
    dictionary = Dictionary.load(*paths, msg_types=frozenset("DFGHV8"))
    assert check(dictionary, "D", f"{ORDER}21=1|") is None
    assert check(dictionary, "V", REQUEST) is None
    assert dictionary.is_spoken("A")
    assert dictionary.is_known("6")
    assert not dictionary.is_spoken("6")


def test_lengths_and_their_data_are_told_to_the_parser(dictionary: Dictionary):
    assert dictionary.data_tags == {"90": "91", "93": "89", "95": "96", "212": "213", "354": "355"}


def test_groups_are_known_by_type_and_by_message(dictionary: Dictionary):
    assert dictionary.has_groups("V")
    assert dictionary.has_groups("D")
    assert not dictionary.has_groups("9")
    assert not dictionary.has_groups("D", dict(pairs(ORDER)))
    assert dictionary.has_groups("D", dict(pairs(f"{ORDER}453=1|448=P|")))


def test_memory_stays_below_a_megabyte_whatever_shapes_come():
    tracemalloc.start()
    try:
        dictionary = Dictionary.load(DIRECTORY / "FIXT11.xml", DIRECTORY / "FIX50SP2.xml")
        for number in range(3000):
            check_once = [*pairs(HEADER.format("D") + ORDER), (str(10_000 + number), "x"), ("10", "000")]
            assert dictionary.check("D", check_once) is None
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()


@given(
    st.sampled_from(["D", "V", "A", "q", "ZZ"]),
    st.lists(
        st.tuples(
            st.one_of(st.sampled_from(["8", "34", "11", "453", "448", "354", "355", "267", "269", "10"]), st.text()),
            st.text(),
        )
    ),
)
def test_no_message_at_all_raises(msg_type: str, message: list[tuple[str, str]]):
    dictionary = load(unknown_tags=False, unspoken_messages=False)
    assert isinstance(dictionary.check(msg_type, message), Fault | None)
    assert isinstance(dictionary.check_fast(msg_type, dict(message)), Fault | None)
