"""What a broker's URL says, and what is wrong with one; no secret is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagger.backends.kafka import connect
from dagger.backends.kafka.options import KafkaOptions, options_of
from dagger.engine.ports import HasNoisyLoggers
from dagger.errors import BackendError


def test_a_url_names_brokers_and_an_application() -> None:
    assert options_of("kafka://a:1,b/orders") == KafkaOptions(servers="a:1,b:9092", application="orders")
    assert options_of("kafka://") == KafkaOptions(servers="localhost:9092", application="dagger")
    assert options_of("kafka://a/o?session=6s") == options_of("kafka://a/o?lease=6s")
    assert options_of("kafka://[::1]:9093").servers == "[::1]:9093"


def test_settings_are_read_with_their_units() -> None:
    options = options_of("kafka://a/o?partitions=24&replication=3&lease=500ms&create=no&prefix=stage.&skew=2s")
    assert (options.partitions, options.replication, options.lease) == (24, 3, 0.5)
    assert (options.create, options.skew) == (False, 2.0)
    assert (options.log, options.dead_letters) == ("stage.o.log", "stage.o.dead-letter")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("kafka://a/o#x", "%23 for a #"),
        ("kafka://a b/o", "'a b' is not a server; write host:port"),
        ("kafka://a:99999/o", "'a:99999' is not a server"),
        ("kafka://a/o p", "letters, digits, dots"),
        ("kafka://a/o?partitons=3", "no option 'partitons'; did you mean 'partitions'? There are: partitions, "),
        ("kafka://a/o?partitions=0", "partitions=0; give a whole number from 1 to 1024"),
        ("kafka://a/o?lease=3", "lease=3 is not a duration; write a number and its unit"),
        ("kafka://a/o?lease=3s&lease=4s", "lease is given twice"),
        ("kafka://a/o?create=maybe", "create=maybe; give yes or no"),
        ("kafka://a/o?security=sasl_ssl", "needs DAGGER_KAFKA_USER and DAGGER_KAFKA_PASSWORD to be set"),
        ("kafka://a/o?ca=x.pem", "ca, cert and key are for security=ssl and sasl_ssl"),
        ("kafka://a/o?lease=3s&session=4s", "session is Kafka's name for lease; give one of them"),
        ("kafka://a/o?lease=90s", "transaction must not be shorter than lease"),
        ("kafka://ann:x@a/o", "a password is sent only with security=sasl_ssl"),
        ("kafka://ann@a/o", "write user:password@ before the servers"),
    ],
)
def test_what_is_wrong_is_told(url: str, words: str) -> None:
    with pytest.raises(BackendError) as raised:
        options_of(url)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "kafka://ann:hush-hush@a/o",
        "kafka://ann:x?hush-hush@a/o?security=sasl_ssl",
        "kafka://ann:hush-hush@a b/o?security=sasl_ssl",
        "kafka://ann:hush-hush@a/o?security=sasl_ssl&x=1",
        "kafka://ann:hush-hush@a/o?security=sasl_ssl&ca=nowhere.pem",
    ],
)
def test_a_password_is_in_no_error(url: str) -> None:
    with pytest.raises(BackendError) as raised:
        options_of(url).connection()
    assert "hush" not in str(raised.value)


def test_a_password_is_in_no_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGGER_KAFKA_USER", "ann")
    monkeypatch.setenv("DAGGER_KAFKA_PASSWORD", "hush-hush")
    options = options_of("kafka://a/o?security=sasl_plaintext&sasl=scram-sha-256")
    assert options.connection()["sasl_plain_password"] == "hush-hush"
    assert options.connection()["sasl_mechanism"] == "SCRAM-SHA-256"
    assert "hush" not in repr(options)
    assert "hush" not in str(options)


def test_a_log_needs_a_store() -> None:
    with pytest.raises(BackendError, match='is a log only; say where the records are kept, as store="aerospike://'):
        connect("kafka://a/o", None)
    with pytest.raises(BackendError, match="no store is installed for redis://"):
        connect("kafka://a/o", "redis://")


def test_names_in_the_cluster_have_the_prefix_and_the_other_way_round() -> None:
    options = options_of("kafka://h:9092/orders?prefix=blue.")
    assert options.prefixed("PAYMENTS") == "blue.PAYMENTS"
    assert options.unprefixed("blue.PAYMENTS") == "PAYMENTS"
    assert options.unprefixed(options.prefixed("blue.PAYMENTS")) == "blue.PAYMENTS"
    assert (options.group, options.log) == ("blue.orders", "blue.orders.log")
    with pytest.raises(ValueError, match="'PAYMENTS' does not begin with"):
        options.unprefixed("PAYMENTS")


def test_the_backend_says_which_loggers_repeat_what_the_engine_logs(tmp_path: Path) -> None:
    backend = connect("kafka://h:9092/orders", f"sqlite:///{tmp_path}/records.db")
    assert isinstance(backend, HasNoisyLoggers)
    assert list(backend.noisy_loggers) == ["aiokafka"]
