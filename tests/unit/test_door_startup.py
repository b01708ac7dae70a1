"""What a client says first."""

import struct
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myriad.door.login import login
from myriad.pgwire import wire
from myriad.pgwire.startup import Startup, options, read_startup
from myriad.pgwire.wire import ProtocolViolation


def read(minor: int = 0, **parameters: str) -> Startup:
    packet = wire.startup(parameters)[8:]
    return read_startup(struct.pack("!HH", 3, minor) + packet)


def test_the_database_is_that_of_the_name_unless_it_is_told() -> None:
    assert (read(user="ann").database, read(user="ann", database="").database) == ("ann", "ann")
    assert read(user="ann", database="main").database == "main"


def test_everything_else_is_a_setting_or_an_option_of_the_protocol() -> None:
    found = read(
        2, user="ann", database="main", application_name="x", TimeZone="UTC", **{"_pq_.y": "1"}
    )
    assert found == Startup(
        2, "ann", "main", {"application_name": "x", "TimeZone": "UTC"}, {"_pq_.y": "1"}
    )


def test_settings_of_their_own_win_over_those_in_options() -> None:
    assert read(user="ann", options="-c DateStyle=ISO", DateStyle="German").named == {
        "DateStyle": "German"
    }


def test_long_names_are_cut_as_postgresql_does_between_letters() -> None:
    found = read(user="ä" * 40, database="d" * 70)
    assert (found.user, found.database) == ("ä" * 31, "d" * 63)


@pytest.mark.parametrize("value", ["false", "off", "no", "0", "OFF"])
def test_who_wants_no_replication_may_say_so(value: str) -> None:
    assert read(user="ann", replication=value).named == {}


@pytest.mark.parametrize(
    ("packet", "state"),
    [
        (b"\0\2\0\0\0", "0A000"),
        (b"\0\4\0\0\0", "0A000"),
        (b"\0\3\0\0", "08P01"),
        (b"\0\3\0\0\0", "28000"),
        (b"\0\3\0\0user\0\0\0", "28000"),
        (b"\0\3\0\0user\0ann\0", "08P01"),
        (b"\0\3\0\0user\0\xff\0\0", "22021"),
        (b"\0\3\0\0user\0ann\0replication\0database\0\0", "0A000"),
        (b"\0\3\0\0user\0ann\0options\0-d 5\0\0", "42601"),
    ],
)
def test_what_cannot_be_served_says_why(packet: bytes, state: str) -> None:
    with pytest.raises(ProtocolViolation) as problem:
        read_startup(packet)
    assert problem.value.code == state


@given(st.binary(max_size=80))
def test_whatever_comes_is_read_or_a_violation(data: bytes) -> None:
    try:
        assert read_startup(b"\0\3\0\0" + data).user
    except ProtocolViolation:
        return


# The parameter `options`


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", {}),
        ("  ", {}),
        ("-c work_mem=5MB", {"work_mem": "5MB"}),
        ("-cwork_mem=5MB", {"work_mem": "5MB"}),
        ("--work-mem=5MB", {"work_mem": "5MB"}),
        ("--work_mem=5MB\t-c  geqo=off", {"work_mem": "5MB", "geqo": "off"}),
        (r"-c search_path=a,\ b", {"search_path": "a, b"}),
        ("-c search_path=a\\\nb", {"search_path": "a\nb"}),
        (r"-c application_name=a\\b", {"application_name": r"a\b"}),
        ("-c a.b=c=d", {"a.b": "c=d"}),
        ("-c geqo=on -c geqo=off", {"geqo": "off"}),
        ("-c application_name=", {"application_name": ""}),
        ("-c geqo=on\\", {"geqo": "on"}),
    ],
)
def test_options_are_read_as_postgresql_reads_them(text: str, named: dict[str, str]) -> None:
    assert options(text) == named


@pytest.mark.parametrize(
    "text", ["work_mem=5MB", "-c", "-c work_mem", "--work_mem", "-W 5", "-d5", "-", "-S 1 -c a=b"]
)
def test_other_switches_are_refused(text: str) -> None:
    with pytest.raises(ProtocolViolation) as problem:
        options(text)
    assert problem.value.code == "42601"


@given(st.text(max_size=30).filter(bool))
def test_every_value_can_be_written(value: str) -> None:
    written = "".join(f"\\{letter}" for letter in value)
    assert options(f"-c some={written}") == {"some": value}


# Wrong passwords


def test_what_came_before_encryption_goes_nowhere_where_the_client_has_gone() -> None:
    gone = SimpleNamespace(get_protocol=lambda: None)
    login.feed(gone, b"a client's first bytes")
