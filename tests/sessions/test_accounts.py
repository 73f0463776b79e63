import pytest

from configs.loader import ONE_MACHINE, load
from sessions.accounts import Account, AccountChanges, Accounts
from sessions.logon import check
from sessions.port import SessionKey

FIRMA1 = SessionKey("FIX.4.4", "FIRMA1")
GOOD = {"553": "FIRMA1", "554": "example-firma1", "108": "30"}


@pytest.fixture
def accounts() -> Accounts:
    return Accounts(load(ONE_MACHINE))


def test_a_session_has_a_firm_and_a_kind_in_each_of_its_versions(accounts: Accounts):
    for begin_string in ("FIX.4.2", "FIX.4.4", "FIXT.1.1"):
        account = accounts.get(f"{begin_string}:FIRMA1")
        assert (account.firm, account.kind) == ("FIRMA", "orders")
    assert accounts.get("FIX.4.4:MD1").kind == "marketdata"


def test_an_unknown_session_has_no_account(accounts: Accounts):
    with pytest.raises(KeyError):
        accounts.get("FIX.4.4:NOBODY")


def test_changes_are_what_is_new_gone_different_or_elsewhere():
    def account(comp_id: str, firm: str, password: str) -> Account:
        return Account(SessionKey("FIX.4.4", comp_id), firm, "orders", password)

    old, new = Accounts(load(ONE_MACHINE)), Accounts(load(ONE_MACHINE))
    assert old.changes_to(new) == AccountChanges(added=[], removed=[], changed=[], moved=[])
    gone = old.get("FIX.4.2:FIRMA1")
    new.remove("FIX.4.2:FIRMA1")
    changed, moved, added = account("FIRMA1", "FIRMA", "x"), account("FIRMA2", "FIRMB", "x"), account("Z", "Z", "x")
    for each in (changed, moved, added):
        new.add(each)
    assert old.changes_to(new) == AccountChanges(added=[added], removed=[gone], changed=[changed], moved=[moved])


def test_the_password_never_shows(accounts: Accounts):
    assert "example" not in repr(accounts.get("FIX.4.4:FIRMA1"))


@pytest.mark.parametrize(
    ("key", "fields", "reason"),
    [
        (FIRMA1, GOOD, None),
        (FIRMA1, GOOD | {"554": "example-firma2"}, "credentials"),
        (FIRMA1, GOOD | {"554": ""}, "credentials"),
        (FIRMA1, GOOD | {"553": "FIRMA2"}, "credentials"),
        (FIRMA1, {"108": "30"}, "credentials"),
        (SessionKey("FIX.4.4", "NOBODY"), {"553": "", "554": "", "108": "30"}, "credentials"),
        (SessionKey("FIX.4.3", "FIRMA1"), GOOD, "credentials"),
        (FIRMA1, GOOD | {"554": "é"}, "credentials"),
        (FIRMA1, GOOD | {"108": "1"}, None),
        (FIRMA1, GOOD | {"108": "120"}, None),
        (FIRMA1, GOOD | {"108": "0"}, "heartbeat"),
        (FIRMA1, GOOD | {"108": "121"}, "heartbeat"),
        (FIRMA1, GOOD | {"108": "-5"}, "heartbeat"),
        (FIRMA1, GOOD | {"108": "³"}, "heartbeat"),
        (SessionKey("FIXT.1.1", "FIRMA1"), GOOD | {"1137": "9"}, None),
        (SessionKey("FIXT.1.1", "FIRMA1"), GOOD | {"1137": "7"}, "version"),
        (SessionKey("FIXT.1.1", "FIRMA1"), GOOD, "version"),
    ],
)
def test_a_logon_is_judged(accounts: Accounts, key: SessionKey, fields: dict[str, str], reason: str | None):
    refusal = check(accounts, key, fields, peer_is_loopback=True)
    assert (refusal.reason if refusal else None) == reason


def test_who_may_log_on_is_told_why_it_may_not_just_now_and_a_stranger_is_not(accounts: Accounts):
    accounts.closed["orders"] = "the log is silent; come back later"
    refusal = check(accounts, FIRMA1, GOOD, peer_is_loopback=True)
    assert refusal == ("closed", "the log is silent; come back later")
    stranger = check(accounts, FIRMA1, GOOD | {"554": "wrong"}, peer_is_loopback=True)
    assert stranger is not None
    assert stranger.reason == "credentials"
    feed = {"553": "MD1", "554": "example-md1", "108": "30"}
    assert check(accounts, SessionKey("FIX.4.4", "MD1"), feed, peer_is_loopback=True) is None
    del accounts.closed["orders"]
    assert check(accounts, FIRMA1, GOOD, peer_is_loopback=True) is None


def test_example_passwords_work_on_loopback_only(accounts: Accounts):
    refusal = check(accounts, FIRMA1, GOOD, peer_is_loopback=False)
    assert refusal is not None
    assert "loopback" in refusal.text
