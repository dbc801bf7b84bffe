"""What a URL says, and what is wrong with one."""

from __future__ import annotations

import pytest

from dagger.backends.aerospike import store
from dagger.backends.aerospike.options import PASSWORD_VARIABLE, USER_VARIABLE, Host, options_of
from dagger.errors import BackendError

SECRET = "hunter2"


@pytest.fixture(autouse=True)
def no_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (USER_VARIABLE, PASSWORD_VARIABLE):
        monkeypatch.delenv(name, raising=False)


def test_what_is_left_out_has_a_default() -> None:
    options = options_of("aerospike://")
    assert options.hosts == (Host("localhost", 3000),)
    assert options.namespace == "test"
    assert (options.finished, options.retention) == (30 * 86_400, 14 * 86_400)
    assert not options.tls


def test_servers_and_options_are_read() -> None:
    options = options_of("aerospike://a:3100,b.example,[::1]:4000/orders?finished=90d&retention=12h&timeout=500ms")
    assert options.hosts == (Host("a", 3100), Host("b.example", 3000), Host("::1", 4000))
    assert (options.namespace, options.finished, options.retention) == ("orders", 90 * 86_400, 12 * 3_600)
    assert options.timeout == 0.5
    options = options_of("aerospike://a/b?tls=true&cafile=/etc/ca.pem&tls_name=cluster&alternate=true")
    assert (options.tls, options.cafile, options.tls_name, options.alternate) == (True, "/etc/ca.pem", "cluster", True)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://", "begins with aerospike://"),
        ("aerospike://host:port", "is no server; write host:port"),
        ("aerospike://host:70000", "is no server"),
        ("aerospike://a,,b", "is no server"),
        ("aerospike://a/b/c", "is no namespace"),
        ("aerospike://a/b#c", "write a # as %23"),
        ("aerospike://?lease=4s", "'lease' is no option; there are: finished, retention"),
        ("aerospike://?finished=4", "write a number and its unit"),
        ("aerospike://?finished=3651d", "at most 3650d"),
        ("aerospike://?finished=1d&finished=2d", "given twice"),
        ("aerospike://?tls=yes", "write true or false"),
        ("aerospike://?auth=none", "there are: internal, external, pki"),
        ("aerospike://?user=", "user is empty"),
        ("aerospike://?user=me", f"set {PASSWORD_VARIABLE}"),
        ("aerospike://?cafile=/ca.pem", "give tls=true too"),
    ],
)
def test_what_is_wrong_is_told(url: str, words: str) -> None:
    with pytest.raises(BackendError) as told:
        options_of(url)
    assert words in str(told.value)


@pytest.mark.parametrize(
    "url",
    [
        f"aerospike://me:{SECRET}@host/test",
        f"aerospike://me:x?{SECRET}@host/test",
        f"aerospike://host/test?password={SECRET}",
        f"aerospike://host/test?user=me&password=x&{SECRET}",
        f"aerospike://host/test?user=me&password=x&{SECRET}=y",
        f"aerospike://host/test?user=me&password={SECRET}#",
        f"aerospike://host/test?user=me&password={SECRET}&password={SECRET}",
        f"aerospike://host/test?user=me&password={SECRET}&tls=maybe",
    ],
)
def test_an_error_never_repeats_a_password(url: str) -> None:
    with pytest.raises(BackendError) as told:
        options_of(url)
    assert SECRET not in str(told.value)


def test_a_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    options = options_of(f"aerospike://host/test?user=me&password={SECRET}")
    assert options.password == SECRET
    assert SECRET not in repr(options)
    monkeypatch.setenv(USER_VARIABLE, "me")
    monkeypatch.setenv(PASSWORD_VARIABLE, SECRET)
    options = options_of("aerospike://host/test")
    assert (options.user, options.password) == ("me", SECRET)
    assert SECRET not in f"{options} {options!r} {store('aerospike://', 'app')!r}"


@pytest.mark.parametrize("name", ["", "a b", "a:b", "ä", "x" * 49, "a~pin"])
def test_a_name_that_can_be_no_set_is_refused(name: str) -> None:
    with pytest.raises(BackendError, match="can't be part of the name of an Aerospike set"):
        store("aerospike://", name)
