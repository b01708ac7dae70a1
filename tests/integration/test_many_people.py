"""A whole organisation at once."""

import uuid

import psycopg

from myriad import Myriad
from myriad.connect import Target


def test_ten_thousand_people_are_added_at_once(installation: Myriad, database: str) -> None:
    people, server, tag = installation.people, installation.server(), uuid.uuid4().hex[:8]
    names = [f"crowd {number} {tag}" for number in range(10_000)]
    chosen = [f"crowd{number}{tag}" for number in range(3)]
    added = people.add_people(names, chosen)
    people.grant(chosen[-1], "public", database)
    (name, password) = added[-1]
    target = Target(server.host, server.port, database, name, password)
    psycopg.connect(target.uri(with_password=True)).close()
    members = {group.name: group.members for group in people.list_groups()}
    assert [members[name] for name in chosen] == [10_000] * 3
    assert len({password for _, password in added}) == 10_000
    people.remove(names)
