"""What a URL says, and what is wrong with one."""

from __future__ import annotations

import pytest

from dagger.backends.aerospike import store
from dagger.backends.aerospike.options import PASSWORD, USER, options_of
from dagger.backends.settings import Server
from dagger.errors import BackendError

SECRET = "hunter2"


@pytest.fixture(autouse=True)
def no_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (USER, PASSWORD):
        monkeypatch.delenv(name, raising=False)


def test_what_is_left_out_has_a_default() -> None:
    options = options_of("aerospike://")
    assert options.hosts == (Server("localhost", 3000),)
    assert options.namespace == "test"
    assert (options.finished, options.deleted) == (30 * 86_400, 14 * 86_400)
    assert not options.tls


def test_servers_and_options_are_read() -> None:
    options = options_of("aerospike://a:3100,b.example,[::1]:4000/orders?finished=90d&deleted=12h&timeout=500ms")
    assert options.hosts == (Server("a", 3100), Server("b.example", 3000), Server("::1", 4000))
    assert (options.namespace, options.finished, options.deleted) == ("orders", 90 * 86_400, 12 * 3_600)
    assert options.timeout == 0.5
    options = options_of("aerospike://a/b?tls=yes&ca=/etc/ca.pem&tls_name=cluster&alternate=yes")
    assert (options.tls, options.ca, options.tls_name, options.alternate) == (True, "/etc/ca.pem", "cluster", True)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://", "write a URL as aerospike://host:3000"),
        ("aerospike://host:port", "is not a server; write host:port"),
        ("aerospike://host:70000", "is not a server"),
        ("aerospike://a,,b", "is not a server"),
        ("aerospike://a/b/c", "is not a namespace"),
        ("aerospike://a/b#c", "%23 for a #"),
        ("aerospike://?lease=4s", "there is no option 'lease'. There are: finished, deleted, "),
        ("aerospike://?finnished=4d", "there is no option 'finnished'; did you mean 'finished'? There are: "),
        ("aerospike://?finished=4", "write a number and its unit"),
        ("aerospike://?finished=3651d", "at most 3650d"),
        ("aerospike://?finished=1d&finished=2d", "given twice"),
        ("aerospike://?tls=maybe", "give yes or no"),
        ("aerospike://?auth=none", "give one of internal, external, pki"),
        ("aerospike://?ca=", "ca is empty"),
        ("aerospike://?user=me", "a user stands before the servers"),
        ("aerospike://me@host", f"set {PASSWORD}"),
        ("aerospike://?ca=/ca.pem", "give tls=yes too"),
    ],
)
def test_what_is_wrong_is_told(url: str, words: str) -> None:
    with pytest.raises(BackendError) as raised:
        options_of(url)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        f"aerospike://:{SECRET}@host/test",
        f"aerospike://me:x?{SECRET}@host/test",
        f"aerospike://host/test?password={SECRET}",
        f"aerospike://host/test?user=me&password=x&{SECRET}",
        f"aerospike://host/test?user=me&password=x&{SECRET}=y",
        f"aerospike://me:{SECRET}@host/test#",
        f"aerospike://me:{SECRET}@host/test?tls=maybe",
    ],
)
def test_an_error_never_repeats_a_password(url: str) -> None:
    with pytest.raises(BackendError) as raised:
        options_of(url)
    assert SECRET not in str(raised.value)


def test_a_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    options = options_of(f"aerospike://me:{SECRET}@host/test")
    assert options.password == SECRET
    assert SECRET not in repr(options)
    monkeypatch.setenv(USER, "me")
    monkeypatch.setenv(PASSWORD, SECRET)
    options = options_of("aerospike://host/test")
    assert (options.user, options.password) == ("me", SECRET)
    assert SECRET not in f"{options} {options!r} {store('aerospike://', 'app')!r}"


@pytest.mark.parametrize("name", ["", "a b", "a:b", "ä", "x" * 49, "a~pin"])
def test_a_name_that_can_be_no_set_is_refused(name: str) -> None:
    with pytest.raises(BackendError, match="can't be part of the name of an Aerospike set"):
        store("aerospike://", name)
