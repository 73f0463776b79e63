"""No secret reaches a log line."""

import pytest

from venue.logs import MASK, mask_secrets, mask_text

SOH = "\x01"


@pytest.mark.parametrize(
    "key", ["password", "Password", "new_password", "passwd", "554", "tag_554", "96", "925", "secret"]
)
def test_a_key_that_names_a_secret_masks_its_value_at_any_depth(key: str) -> None:
    line = mask_secrets(None, "info", {"event": "x", key: "hunter2", "inner": [{key: ("hunter2",)}]})

    assert line == {"event": "x", key: MASK, "inner": [{key: MASK}]}


@pytest.mark.parametrize("key", ["1554", "sequence_96", "pass_fds", "raw"])
def test_other_keys_keep_their_values(key: str) -> None:
    assert mask_secrets(None, "info", {key: 7}) == {key: 7}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"35=A{SOH}554=hunter2{SOH}10=000{SOH}", f"35=A{SOH}554=***{SOH}10=000{SOH}"),
        ("35=A|553=FIRMA1|554=hunter2|10=000|", "35=A|553=FIRMA1|554=***|10=000|"),
        ("554=hunter2", "554=***"),
        ("925=hunter2|", "925=***|"),
        (f"95=9{SOH}96=hunter{SOH}22{SOH}10=000{SOH}", f"95=9{SOH}96=***{SOH}10=000{SOH}"),
        (f"95=900{SOH}96=hunter2{SOH}", f"95=900{SOH}96=***"),
        ("11=1554=x|1554=y|", "11=1554=x|1554=y|"),
        ("SessionConfig(comp_id='A', password='hunter2')", "SessionConfig(comp_id='A', password=***)"),
        ('{"password": "hunter2"}', '{"password": ***}'),
        ("nats://user:hunter2@host:4222", "nats://user:***@host:4222"),
        ("11=96|44=554|", "11=96|44=554|"),
    ],
)
def test_secrets_inside_text_are_masked(text: str, masked: str) -> None:
    assert mask_text(text) == masked


def test_bytes_and_objects_are_masked_as_text() -> None:
    class Session:
        def __str__(self) -> str:
            return "password=hunter2"

    assert mask_secrets(None, "info", {"a": b"554=hunter2", "b": Session()}) == {"a": "554=***", "b": "password=***"}


def test_a_hostile_text_is_masked_in_one_pass() -> None:
    text = mask_text(f"95=0{SOH}96={SOH}" * 5000)

    assert text.count(MASK) >= 5000
