"""What a Logon(A) says and what it must say, pure, for both roles."""

from collections.abc import Callable
from typing import Final

from sessions.dictionary.plans import Fault
from sessions.logon import Refusal
from sessions.native.checks import HeaderFault
from sessions.native.events import SessionSettings
from sessions.native.messages import read_number

_FIXT: Final = "FIXT.1.1"
_FIX50SP2: Final = "9"
"""DefaultApplVerID(1137) of FIX 5.0 SP2."""
_NO_ENCRYPTION: Final = "0"

Authenticate = Callable[[dict[str, str]], Refusal | None]
"""An acceptor's check of a Logon's fields: why it is refused; None when it is accepted."""


class LogonRules:
    """Writes and judges the Logons of one session."""

    def __init__(self, settings: SessionSettings, authenticate: Authenticate) -> None:
        self.authenticate = authenticate
        self._settings = settings
        self._version = f"1137={_FIX50SP2}\x01" if settings.begin_string == _FIXT else ""

    def request(self, next_expected: int, *, resets: bool) -> str:
        """The body of our own Logon, without MsgType; `next_expected` is the MsgSeqNum that we expect next."""
        settings = self._settings
        next_expected_field = f"789={next_expected}\x01" if settings.sends_next_expected else ""
        return (
            f"98={_NO_ENCRYPTION}\x01108={settings.heart_bt_int_s}\x01{'141=Y' + chr(1) if resets else ''}"
            f"{next_expected_field}{self._test_field()}{settings.logon_body}{self._version}"
        )

    def answer(self, fields: dict[str, str], next_expected: int) -> str:
        """The body of the answer to a Logon: what it asked for, agreed to."""
        resets = "141=Y\x01" if fields.get("141") == "Y" else ""
        next_expected_field = f"789={next_expected}\x01" if "789" in fields else ""
        return (
            f"98={_NO_ENCRYPTION}\x01108={fields['108']}\x01{resets}{next_expected_field}{self._test_field()}"
            f"{self._version}"
        )

    def judge(
        self,
        fields: dict[str, str],
        number: int,
        *,
        expected: int,
        next_outbound: int,
        wrong: HeaderFault | None,
        fault: Callable[[], Fault | None],
    ) -> Refusal | None:
        """
        Judge the other side's first message; who it is comes first, so that a stranger learns nothing else.

        Args:
            fields: The Logon's.
            number: Its MsgSeqNum(34).
            expected: The one that was expected.
            next_outbound: Our next one, for NextExpectedMsgSeqNum(789).
            wrong: What is wrong with its header.
            fault: Asks the dictionary.
        """
        refusal = None if self._settings.is_initiator else self.authenticate(fields)
        if refusal is not None:
            return refusal
        if wrong is not None:
            return Refusal("sending_time" if wrong.fault.ref_tag == 52 else "malformed", wrong.fault.text)
        if (malformed := fault()) is not None:
            return Refusal("malformed", malformed.text)
        return self._judge_terms(fields) or self._judge_numbers(fields, number, expected, next_outbound)

    def judge_again(self, fields: dict[str, str], fault: Callable[[], Fault | None]) -> Refusal | None:
        """Judge a Logon in the middle of a session: it begins everything anew, so it must say what the first does."""
        refusal = self.authenticate(fields)
        if refusal is None and (malformed := fault()) is not None:
            refusal = Refusal("malformed", malformed.text)
        return refusal or self._judge_terms(fields)

    def _judge_terms(self, fields: dict[str, str]) -> Refusal | None:
        if fields.get("98", _NO_ENCRYPTION) != _NO_ENCRYPTION:
            return Refusal("malformed", "EncryptMethod(98) must be 0: encryption is the connection's, by TLS")
        if not read_number(fields.get("108"), digits_max=5):
            return Refusal("heartbeat", "HeartBtInt(108) must be a number of seconds above 0")
        if self._version and fields.get("1137") != _FIX50SP2:
            return Refusal("version", "DefaultApplVerID(1137) must be 9, FIX 5.0 SP2")
        test_mode = fields.get("464")
        if test_mode is not None and test_mode != ("Y" if self._settings.is_test else "N"):
            kind = "a test session; send 464=Y" if self._settings.is_test else "a production session; send 464=N"
            return Refusal("test_mode", f"TestMessageIndicator(464) is wrong: this is {kind}")
        return None

    def _judge_numbers(self, fields: dict[str, str], number: int, expected: int, next_outbound: int) -> Refusal | None:
        if fields.get("141") == "Y":
            if number != 1:
                return Refusal("sequence", "a Logon(A) with ResetSeqNumFlag(141)=Y has MsgSeqNum(34)=1")
            if self._settings.is_initiator and next_outbound != 2:
                return Refusal("sequence", "ResetSeqNumFlag(141)=Y in answer to a Logon that did not ask for it")
            return None
        if number < expected:
            return Refusal("sequence", f"MsgSeqNum(34) too low, expecting {expected} but received {number}")
        wanted = read_number(fields.get("789"))
        if "789" in fields and (wanted is None or not 1 <= wanted <= next_outbound):
            text = f"NextExpectedMsgSeqNum(789) is wrong: the next number here is {next_outbound}"
            return Refusal("sequence", text)
        return None

    def _test_field(self) -> str:
        return "464=Y\x01" if self._settings.is_test else ""
