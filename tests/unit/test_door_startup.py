"""What a client says first, and how many wrong passwords it may try."""

import struct
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myriad.door import throttle, wire
from myriad.door.startup import Startup, options, read_startup
from myriad.door.throttle import FORGOTTEN_SECONDS, FREE, FREE_OF_AN_ADDRESS, Throttle, TooMany
from myriad.door.wire import ProtocolViolation


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
        2, "ann", "main", {"application_name": "x", "TimeZone": "UTC"}, ["_pq_.y"]
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


class Clock:
    """A clock that goes on when it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(throttle, "time", SimpleNamespace(monotonic=found.monotonic))
    return found


def fail(counted: Throttle, times: int, name: str = "ann", address: str = "10.0.0.1") -> None:
    for _ in range(times):
        counted.failed(name, address)


def wait(counted: Throttle, name: str = "ann", address: str = "10.0.0.1") -> str:
    with pytest.raises(TooMany) as refused:
        counted.check(name, address)
    assert refused.value.fault.code == "28P01"
    return refused.value.fault.hint


def test_people_may_mistype_some_times(clock: Clock) -> None:
    counted = Throttle()
    fail(counted, FREE - 1)
    counted.check("ann", "10.0.0.1")
    fail(counted, 1)
    assert wait(counted) == "Try again in 1 seconds."
    counted.check("bob", "10.0.0.1")
    counted.check("ann", "10.0.0.2")
    clock.now += 1.01
    counted.check("ann", "10.0.0.1")


def test_the_wait_doubles_up_to_a_minute(clock: Clock) -> None:
    counted = Throttle()
    fail(counted, FREE + 3)
    assert wait(counted) == "Try again in 8 seconds."
    fail(counted, 30)
    assert wait(counted) == "Try again in 60 seconds."
    clock.now += 59.0
    wait(counted)
    clock.now += 1.01
    counted.check("ann", "10.0.0.1")


def test_who_knows_the_password_starts_anew(clock: Clock) -> None:
    counted = Throttle()
    fail(counted, FREE)
    clock.now += 1.01
    counted.passed("ann", "10.0.0.1")
    fail(counted, FREE - 1)
    counted.check("ann", "10.0.0.1")
    assert counted.failures == 2 * FREE - 1


def test_failures_are_forgotten_in_time(clock: Clock) -> None:
    counted = Throttle()
    fail(counted, FREE + 10)
    clock.now += FORGOTTEN_SECONDS + 1
    fail(counted, 1)
    counted.check("ann", "10.0.0.1")


def test_one_address_cannot_try_all_names(clock: Clock) -> None:
    counted = Throttle()
    for number in range(FREE_OF_AN_ADDRESS):
        counted.check(f"name{number}", "10.0.0.1")
        counted.failed(f"name{number}", "10.0.0.1")
    wait(counted, "somebody else")
    counted.check("somebody else", "10.0.0.2")
    clock.now += 1.01
    counted.check("somebody else", "10.0.0.1")


def test_so_many_names_are_kept_and_no_more(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "MOST_KEPT", 10)
    counted = Throttle()
    fail(counted, FREE, "first")
    for number in range(20):
        counted.failed(f"name{number}", f"10.0.1.{number}")
    counted.check("first", "10.0.0.1")
    assert counted.failures == FREE + 20
    assert clock.now == 1000.0
