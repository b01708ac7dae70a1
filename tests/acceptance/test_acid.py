"""A transfer between two accounts is done whole or not at all, whatever happens half-way."""

import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import psycopg
import pytest

from myriad import Myriad
from myriad.connect import Target
from tests.harness import as_admin, wait_until

TAKE = "UPDATE account SET balance = balance - %s WHERE owner = 'rose'"
GIVE = "UPDATE account SET balance = balance + %s WHERE owner = 'bruno'"
# A client in a process of its own, which stops half-way and waits to be killed.
CLIENT = f"""
import sys, psycopg
connection = psycopg.connect(sys.argv[1])
connection.execute({TAKE!r}, [70])
print(connection.info.backend_pid, flush=True)
sys.stdin.read()
"""


@dataclass
class Bank:
    installation: Myriad
    database: str
    uri: str

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.uri)

    def balances(self) -> list[tuple[str, int]]:
        with closing(self.connect()) as connection:
            rows = connection.execute("SELECT owner, balance FROM account ORDER BY owner")
            return rows.fetchall()

    def running(self, pid: int) -> bool:
        with closing(as_admin(self.installation.server())) as connection:
            found = connection.execute("SELECT FROM pg_stat_activity WHERE pid = %s", [pid])
            return bool(found.fetchall())


@pytest.fixture
def bank(installation: Myriad, database: str) -> Iterator[Bank]:
    server, people, tag = installation.server(), installation.people, uuid.uuid4().hex[:8]
    with closing(as_admin(server, database, autocommit=True)) as connection:
        connection.execute(
            "CREATE TABLE account (owner text PRIMARY KEY, balance int CHECK (balance >= 0))"
        )
        connection.execute("INSERT INTO account VALUES ('rose', 100), ('bruno', 0)")
    [(name, password)] = people.add_people([f"clerk {tag}"], [f"clerks {tag}"])
    people.grant(f"clerks {tag}", "public", database, write=True)
    target = Target(server.host, server.port, database, name, password)
    yield Bank(installation, database, target.uri(with_password=True))
    people.remove([name])
    people.remove_group(f"clerks {tag}")


@pytest.mark.parametrize("end", ["kill the client", "terminate the session"])
def test_a_transfer_killed_half_way_never_was(bank: Bank, end: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CLIENT, bank.uri],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as client:
        assert client.stdout is not None
        pid = int(client.stdout.readline())
        assert bank.balances() == [("bruno", 0), ("rose", 100)]  # nobody sees half a transfer
        if end == "terminate the session":
            with closing(as_admin(bank.installation.server())) as connection:
                connection.execute("SELECT pg_terminate_backend(%s)", [pid])
        client.send_signal(signal.SIGKILL)
    wait_until(lambda: not bank.running(pid))
    assert bank.balances() == [("bruno", 0), ("rose", 100)]
    transfer(bank.connect(), 70)  # nothing is locked
    assert bank.balances() == [("bruno", 70), ("rose", 30)]


def transfer(connection: psycopg.Connection, amount: int) -> None:
    with connection:
        connection.execute(GIVE, [amount])
        connection.execute(TAKE, [amount])


def test_a_constraint_that_refuses_undoes_the_whole_transfer(bank: Bank) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        transfer(bank.connect(), 101)
    assert bank.balances() == [("bruno", 0), ("rose", 100)]


def test_of_two_transfers_at_once_none_is_lost(bank: Bank) -> None:
    first, second = bank.connect(), bank.connect()
    with closing(first), closing(second):
        for connection in (first, second):
            connection.execute("SET default_transaction_isolation = serializable")
            connection.commit()
            connection.execute("SELECT sum(balance) FROM account")
        first.execute(TAKE, [10])
        first.execute(GIVE, [10])
        first.commit()
        with pytest.raises(psycopg.errors.SerializationFailure):
            second.execute(TAKE, [20])
    assert bank.balances() == [("bruno", 10), ("rose", 90)]
