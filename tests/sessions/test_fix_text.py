import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.fix_text import SOH, body_of, miscounted_group, pairs, parse, utc_timestamp


def soh(text: str) -> str:
    return text.replace("|", SOH)


ORDER = soh("8=FIX.4.4|9=70|35=D|34=2|49=FIRMA1|52=20261120-10:00:00|56=OUTCRY|11=a|38=100|55=TEST1|10=123|")


def test_parse_gives_every_field_by_tag():
    assert parse(ORDER)["35"] == "D"
    assert parse(ORDER)["55"] == "TEST1"
    assert list(parse(soh("35=D|11=a|"))) == ["11", "35"]


def test_parse_keeps_an_equals_sign_in_a_value():
    assert parse(soh("58=a=b|")) == {"58": "a=b"}


def test_the_first_of_equal_tags_counts_so_that_a_body_cannot_forge_the_header():
    assert parse(soh("35=D|34=2|354=6|355=x|34=9|"))["34"] == "2"


def test_a_piece_without_a_tag_is_passed_over():
    assert parse(soh("35=D|355=a|b|11=x|")) == {"35": "D", "355": "a", "11": "x"}


@given(st.text())
def test_parse_and_pairs_take_any_text(text: str):
    assert set(parse(text + SOH)) == {tag for tag, _ in pairs(text + SOH)}


def test_pairs_keep_order_and_repetition():
    assert pairs(soh("268=2|269=0|270=1|269=1|270=2|")) == [
        ("268", "2"),
        ("269", "0"),
        ("270", "1"),
        ("269", "1"),
        ("270", "2"),
    ]


def test_body_of_is_what_send_takes():
    assert body_of(ORDER) == soh("35=D|11=a|38=100|55=TEST1|")


def test_body_of_drops_the_header_of_a_message_sent_again():
    text = soh("8=FIX.4.4|9=1|35=8|34=2|43=Y|49=A|52=t|56=B|122=t|11=a|49=not a header here|10=123|")
    assert body_of(text) == soh("35=8|11=a|49=not a header here|")


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("35=V|267=2|269=0|269=1|146=1|55=TEST1|", None),
        ("35=V|267=1|269=0|269=1|146=1|55=TEST1|", "267"),
        ("35=V|267=1|269=0|146=2|55=TEST1|", "146"),
        ("35=V|262=a|", None),
    ],
)
def test_miscounted_group_names_the_count(text: str, tag: str | None):
    assert miscounted_group(soh(text), {"267": "269", "146": "55"}) == tag


def test_utc_timestamp_has_microseconds_and_is_cut_off():
    assert utc_timestamp(0) == "19700101-00:00:00.000000"
    assert utc_timestamp(1_795_210_577_999_999_999) == "20261120-21:36:17.999999"


@given(st.integers(0, 4 * 10**18), st.integers(0, 10**9))
def test_later_moments_never_have_earlier_texts(ns: int, later_ns: int):
    assert utc_timestamp(ns) <= utc_timestamp(ns + later_ns)
