"""Options of URLs: what means the same has the same name and takes the same values on every backend."""

from __future__ import annotations

import pytest

from dagger import Dagger
from dagger.backends.aerospike.options import options_of as aerospike
from dagger.backends.kafka.options import options_of as kafka
from dagger.backends.sqlite.options import options_of as sqlite
from dagger.errors import BackendError

YES = ("yes", "true", "on", "1", "YES", "True")
NO = ("no", "false", "off", "0", "NO", "False")


@pytest.mark.parametrize(("texts", "value"), [(YES, True), (NO, False)])
def test_a_switch_takes_the_same_values_everywhere(texts: tuple[str, ...], value: bool) -> None:
    for text in texts:
        assert kafka(f"kafka://a/o?create={text}").create is value
        assert aerospike(f"aerospike://a/o?alternate={text}").alternate is value


def test_a_lease_is_called_so_everywhere() -> None:
    assert kafka("kafka://a/o?lease=6s").lease == sqlite("sqlite:///o.db?lease=6s").lease == 6


def test_how_long_something_is_kept_is_called_the_same_everywhere() -> None:
    beside = ("finished", "deleted", "busy_timeout")
    assert (
        sqlite("sqlite:///o.db?deleted=9d", beside).deleted
        == aerospike("aerospike://a/o?deleted=9d").deleted
        == 9 * 86_400
    )
    assert (
        sqlite("sqlite:///o.db?finished=9d").finished == aerospike("aerospike://a/o?finished=9d").finished == 9 * 86_400
    )
    assert sqlite("sqlite:///o.db?retention=9d").retention == kafka("kafka://a/o?retention=9d").retention == 9 * 86_400


def test_files_for_tls_are_called_the_same_everywhere() -> None:
    files = "ca=/ca.pem&cert=/cert.pem&key=/key.pem"
    one, other = kafka(f"kafka://a/o?security=ssl&{files}"), aerospike(f"aerospike://a/o?tls=yes&{files}")
    assert (one.ca, one.cert, one.key) == (other.ca, other.cert, other.key) == ("/ca.pem", "/cert.pem", "/key.pem")


def test_a_user_is_given_in_the_same_way_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = kafka("kafka://ann:p%40ss@a/o?security=sasl_ssl"), aerospike("aerospike://ann:p%40ss@a/o")
    assert (one.user, one.password) == (other.user, other.password) == ("ann", "p@ss")
    for name in ("KAFKA", "AEROSPIKE"):
        monkeypatch.setenv(f"DAGGER_{name}_USER", "bob")
        monkeypatch.setenv(f"DAGGER_{name}_PASSWORD", "hush")
    one, other = kafka("kafka://a/o?security=sasl_ssl"), aerospike("aerospike://a/o")
    assert (one.user, one.password) == (other.user, other.password) == ("bob", "hush")


@pytest.mark.parametrize(
    ("url", "store", "words"),
    [
        ("memory://?lease=4s", None, "there is no option 'lease'; there are none"),
        ("sqlite:///o.db?leese=4s", None, "no option 'leese'; did you mean 'lease'? There are: lease, busy_timeout"),
        ("kafka://a/o?Retention=4d", "sqlite:///o.db", "did you mean 'retention'? There are: partitions, "),
        ("kafka://a/o", "aerospike://a/o?time_out=4s", "did you mean 'timeout'? There are: finished, deleted"),
        (
            "kafka://a/o",
            "sqlite:///o.db?retention=4d",
            "no option 'retention'. There are: busy_timeout, finished, deleted",
        ),
    ],
)
def test_an_unknown_option_is_refused_with_those_that_there_are(url: str, store: str | None, words: str) -> None:
    with pytest.raises(BackendError) as raised:
        Dagger(url, store)
    assert words in str(raised.value)
