"""A home that is attached to somebody else's PostgreSQL."""

import json
import stat
from contextlib import closing
from pathlib import Path

import myriad
from myriad.engines.postgres.base import Server
from myriad.home.home import Home
from tests.elsewhere import OWNER, PASSWORD, elsewhere
from tests.harness import as_admin, run, up
from tests.own_ports import give_port


def ask(home: Home, query: str) -> object:
    with closing(as_admin(myriad.open(home).server(), "main", autocommit=True)) as connection:
        cursor = connection.execute(query.encode())
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def test_an_attached_server_outlives_us_and_its_password_stays_private(folder: Path) -> None:
    mine = Home(folder / "mine")
    with elsewhere() as server:
        with up(mine, MYRIAD_POSTGRES_AT=server.dsn) as started:
            started.wait_ready()
            assert ask(mine, "SELECT current_user") == OWNER
            state = mine.folder / "running.json"
            assert stat.S_IMODE(state.stat().st_mode) == 0o600
            logs = run(mine, "logs")
            assert logs.returncode == 1
            assert "attached PostgreSQL writes its log where it runs" in logs.stderr
            said = started.said() + run(mine, "status").stdout + run(mine, "logs", "--door").stdout
            assert started.end() == 0
        as_admin(server, "postgres").close()
        files = [path for path in mine.folder.rglob("*") if path.is_file()]
        kept = mine.secrets / "postgres_at"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        written = (path.read_text(errors="replace") for path in files if path != kept)
        assert PASSWORD not in "".join([said, *written])


def test_an_attached_home_stays_attached_until_somebody_says_otherwise(folder: Path) -> None:
    mine = Home(folder / "mine")
    with elsewhere() as server:
        there = f"{server.host} port {server.port} as {OWNER}"
        with up(mine, MYRIAD_POSTGRES_AT=f"host={server.host}", **variables(server)) as first:
            first.wait_ready()
            give_port(mine)
            ask(mine, "CREATE TABLE kept AS SELECT 1 AS n")
            assert first.end() == 0
        assert f"attached: {there}" in run(mine, "status").stdout.splitlines()[0]
        with up(mine) as second:
            second.wait_ready()
            assert ask(mine, "SELECT n FROM kept") == 1
            assert not mine.postgres.exists()
            shown = json.loads(run(mine, "status", "--json").stdout)
            assert (shown["state"], shown["attached"]) == ("up", there)
            assert second.end() == 0
    refused = run(mine, "up", "--detach")
    assert refused.returncode == 1
    assert there in refused.stderr
    assert "--postgres-at" in refused.stderr
    assert not mine.postgres.exists()
    assert run(mine, "up", "--detach", "--postgres-at", "own").returncode == 0
    assert json.loads(run(mine, "status", "--json").stdout)["attached"] == ""
    assert run(mine, "down").returncode == 0


def variables(server: Server) -> dict[str, str]:
    """Return how libpq is told of a server beside its DSN."""
    return {"PGPORT": str(server.port), "PGUSER": OWNER, "PGPASSWORD": PASSWORD}
