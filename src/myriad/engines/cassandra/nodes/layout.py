"""What a home's cluster was made with: written down before its first start, kept ever after."""

import ipaddress
import json
from dataclasses import asdict
from pathlib import Path

from myriad.engines.cassandra.nodes.configuration import Layout
from myriad.errors import SettingsError, StartFailed
from myriad.home.files import write_private
from myriad.home.home import Home
from myriad.machine.addresses import taken
from myriad.settings import Settings

FILE = "cluster.json"
STORAGE_PORT = 7000  # Cassandra's default; taken, the next free one
TRIES = 50


def nodes(home: Home, settings: Settings) -> int:
    """Return how many nodes of its own the home is to run, 0 for none."""
    made = read(home)
    return settings.cassandra or (len(made.addresses) if made else 0)


def read(home: Home) -> Layout | None:
    """Return what the home's cluster was made with, None if it has none."""
    try:
        found = json.loads((home.cassandra / FILE).read_text("utf-8"))
        return Layout(tuple(found["addresses"]), found["port"], found["storage_port"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StartFailed(
            f"{home.cassandra / FILE} cannot be read: {error}",
            hint="It says how the cluster was made. Restore it from a copy.",
        ) from error


def settle(home: Home, settings: Settings) -> Layout:
    """Return the layout of the home's cluster, made and written down if there is none.

    One that was never ready gets free ports once more: another home may have taken them as its
    own nodes started.

    Raises SettingsError for settings that contradict it, StartFailed if a port is taken.
    """
    made = read(home)
    if made is None:
        layout = _new(settings, _addresses(settings))
    else:
        layout = _checked(made, settings)
        try:
            _refuse_taken(layout)
        except StartFailed:
            if any(was_ready(home, number + 1) for number in range(len(made.addresses))):
                raise
            layout = _new(settings, made.addresses)
    if layout != made:
        home.cassandra.mkdir(mode=0o700, exist_ok=True)
        write_private(home.cassandra / FILE, json.dumps(asdict(layout)))
    return layout


def _new(settings: Settings, addresses: tuple[str, ...]) -> Layout:
    if "cassandra_port" in settings.origins:
        _refuse(addresses, settings.cassandra_port, "cassandra_port")
        port = settings.cassandra_port
    else:
        port = _first_free(addresses, settings.cassandra_port)
    return Layout(addresses, port, _first_free(addresses, STORAGE_PORT))


def _addresses(settings: Settings) -> tuple[str, ...]:
    try:
        first = ipaddress.IPv4Address(settings.cassandra_address)
    except ValueError:
        first = None
    if first is None or not first.is_loopback:
        origin = settings.origins.get("cassandra_address", "settings")
        raise SettingsError(
            f"{origin}: cassandra_address = {settings.cassandra_address!r} is no loopback address"
            " (IPv4), and our nodes speak to each other without encryption",
            hint="Choose one such as 127.0.0.1. Others reach it through an SSH tunnel; a cluster"
            " over several machines is run by hand and named with --cassandra-at.",
        )
    return tuple(str(first + step) for step in range(settings.cassandra))


def _checked(made: Layout, settings: Settings) -> Layout:
    nodes_wanted, has = settings.cassandra, len(made.addresses)
    if nodes_wanted not in (0, has):
        raise SettingsError(
            f"this home's cluster was made with {has} nodes, not {nodes_wanted}",
            hint="Leave out --cassandra, or use a new --home and publish there.",
        )
    if "cassandra_address" in settings.origins and settings.cassandra_address != made.addresses[0]:
        raise SettingsError(
            f"this home's cluster was made on {made.addresses[0]},"
            f" not on {settings.cassandra_address}",
            hint="Its nodes know each other by their addresses. Leave out cassandra_address.",
        )
    by_hand = "cassandra_port" in settings.origins
    port = settings.cassandra_port if by_hand else made.port
    return Layout(made.addresses, port, made.storage_port)


def _refuse_taken(layout: Layout) -> None:
    _refuse(layout.addresses, layout.port, "cassandra_port")
    _refuse(layout.addresses, layout.storage_port, "")


def _refuse(addresses: tuple[str, ...], port: int, setting: str) -> None:
    for address in addresses:
        problem = taken(address, port)
        if problem:
            other = f", or choose another with the setting `{setting}`" if setting else ""
            raise StartFailed(
                f"Cassandra cannot listen on {address} port {port}: {problem}",
                hint=f"Stop what has it{other}.",
            )


def _first_free(addresses: tuple[str, ...], port: int) -> int:
    problem = ""
    for candidate in range(port, port + TRIES):
        found = [taken(address, candidate) for address in addresses]
        if not any(found):
            return candidate
        problem = problem or next(text for text in found if text)
    raise StartFailed(
        f"Cassandra cannot listen on {addresses[0]} port {port} or the next {TRIES}: {problem}",
        hint="Stop what has them, or choose another setting `cassandra_port`.",
    )


def was_ready(home: Home, number: int) -> bool:
    """Say whether node `number` ever was ready, so that it must have data."""
    return _made(home, number).exists()


def note_ready(home: Home, number: int) -> None:
    """Write down that node `number` is ready."""
    if not was_ready(home, number):
        write_private(_made(home, number), "")


def _made(home: Home, number: int) -> Path:
    return home.cassandra / f"node{number}.made"


def replacement(home: Home, number: int) -> Path:
    """Return the file that asks for node `number` to be made anew from the others."""
    return home.cassandra / f"node{number}.replace"
