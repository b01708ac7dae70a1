"""Where people connect: which port, and which addresses are allowed."""

import os
import socket
import threading
from collections.abc import Iterator

import pytest

from myriad.errors import SettingsError, StartFailed
from myriad.home.home import Home
from myriad.machine import addresses
from myriad.running import ports
from myriad.settings import Settings

BY_HAND = {"port": "flag"}


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def chosen(settings: Settings, told: int | None = None) -> int:
    with ports.choose(settings, told) as listening:
        return int(listening.getsockname()[1])


def test_a_taken_port_gives_way_to_the_next_free_one(taken: int) -> None:
    assert chosen(Settings(port=taken)) > taken


def test_the_port_of_the_last_start_comes_first(taken: int) -> None:
    free = chosen(Settings(port=taken))
    assert chosen(Settings(port=taken), free) == free


def test_the_port_is_remembered_across_starts(home: Home, taken: int) -> None:
    home.create()
    settings = Settings(port=taken)
    with ports.listen(home, settings) as listening:
        port = listening.getsockname()[1]
    assert port > taken
    assert ports.last(home) is None  # nobody was told yet
    ports.remember(home, port)
    assert ports.last(home) == port
    with ports.listen(home, settings) as again:
        assert again.getsockname()[1] == port


def test_the_port_that_people_were_told_is_wanted_until_somebody_sets_another() -> None:
    assert ports.wanted(Settings(port=6432), None) == 6432
    assert ports.wanted(Settings(port=6432), 7000) == 7000
    assert ports.wanted(Settings(port=6433, origins=BY_HAND), 7000) == 6433


def test_the_port_that_people_were_told_is_not_changed_without_a_word(
    home: Home, taken: int, caplog: pytest.LogCaptureFixture
) -> None:
    home.create()
    ports.remember(home, taken)
    with pytest.raises(StartFailed, match=f"process {os.getpid()}") as caught:
        ports.listen(home, Settings())
    assert f"port {taken}, which people were told" in caught.value.message
    assert "--port" in caught.value.hint
    assert "tell people" in caught.value.hint
    other = Settings(port=chosen(Settings()), origins=BY_HAND)
    with ports.listen(home, other) as listening:
        ports.remember(home, listening.getsockname()[1])
    assert f"the port is {other.port} now, before it was {taken}" in caplog.text


def test_a_taken_port_set_by_hand_is_an_error_that_names_the_holder(taken: int) -> None:
    with pytest.raises(StartFailed, match=f"process {os.getpid()}") as caught:
        ports.choose(Settings(port=taken, origins=BY_HAND), None)
    assert "--port" in caught.value.hint


def test_a_number_that_is_no_port_is_an_error() -> None:
    with pytest.raises(StartFailed, match=r"port 70000.*ports end at 65535"):
        ports.choose(Settings(port=70000, origins=BY_HAND), None)


@pytest.mark.parametrize("tls", ["off", "allow"])
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_an_address_that_other_machines_reach_needs_tls(host: str, tls: str) -> None:
    settings = Settings(host=host, tls=tls, origins={"host": "myriad.toml:3"})
    with pytest.raises(SettingsError, match=r"myriad\.toml:3: .* other machines") as caught:
        ports.choose(settings, None)
    assert "`tls` to require" in caught.value.hint


def test_a_name_is_judged_by_what_it_means_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that `localhost` in somebody's /etc/hosts opens nothing."""
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, 1, 6, "", ("192.0.2.1", 0))]
    )
    with pytest.raises(SettingsError, match="other machines"):
        ports.choose(Settings(host="localhost"), None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_with_tls_required_every_address_will_do(host: str) -> None:
    with ports.choose(Settings(host=host, tls="require"), None) as listening:
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), 5):
            pass


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.7", "localhost"])
def test_a_loopback_address_is_taken(host: str) -> None:
    with ports.choose(Settings(host=host), None) as listening:
        assert listening.getsockname()[0].startswith("127.")


@pytest.mark.parametrize("host", ["no such host", "", "*"])
def test_an_unknown_host_is_an_error(host: str) -> None:
    with pytest.raises(StartFailed, match="there is no address"):
        ports.choose(Settings(host=host), None)


def test_who_listens_but_does_not_answer_is_silent() -> None:
    with ports.choose(Settings(), None) as listening:
        port = listening.getsockname()[1]
        assert "within 0.1 seconds" in (addresses.silent("127.0.0.1", port, 0.1) or "")
    assert "refused" in (addresses.silent("127.0.0.1", port) or "")


@pytest.mark.parametrize(("answer", "silent"), [(b"S", False), (b"N", False), (b"H", True)])
def test_who_speaks_the_protocol_is_not_silent(answer: bytes, *, silent: bool) -> None:
    with ports.choose(Settings(), None) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                assert connection.recv(8) == addresses.SSL_REQUEST
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert bool(addresses.silent("127.0.0.1", listening.getsockname()[1])) == silent
        thread.join()
