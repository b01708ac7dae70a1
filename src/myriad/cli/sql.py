"""`myriad sql`: psql, connected."""

import sys
from dataclasses import replace

import click

from myriad.cli.common import Session, common
from myriad.connect import Target
from myriad.errors import EngineError, PeopleError, UsageError
from myriad.running.names import LOCAL_PORT


@click.command("sql")
@click.argument("name", required=False)
@click.option("-c", "statements", metavar="SQL", multiple=True, help="Run this, and end.")
@click.option("--database", metavar="D", help="Database to connect to (default: `main`).")
@common
def sql_command(
    session: Session, *, name: str | None, statements: tuple[str, ...], database: str | None
) -> None:
    """Open psql: as the administrator of the engine, or by the door as the person NAME.

    Statements come from -c, from standard input, or by hand. The first that fails ends those that
    are not typed by hand, with exit code 1 or 3, as psql has it. NAME is asked for the password, if
    neither PGPASSWORD nor ~/.pgpass has it.
    """
    import psycopg  # noqa: PLC0415 - most commands need it later, if at all

    from myriad.connect import terminal  # noqa: PLC0415 - it looks for programs

    if session.as_json:
        raise UsageError(
            "psql does not answer in JSON",
            hint="Ask for it: SELECT json_agg(t) FROM … AS t; and start it with -c.",
        )
    installation = session.open_running()
    server = installation.server()
    place = database or installation.settings.database
    program = terminal.find(installation.settings.programs)
    if name is None:
        try:
            psql = terminal.as_administrator(program, server, place)
        except psycopg.OperationalError as error:
            if f'database "{place}" does not exist' not in str(error):
                raise
            raise EngineError(
                f"there is no database {place}",
                hint="`myriad status` shows which there are; `myriad publish --database` and"
                " CREATE DATABASE make one.",
            ) from error
    else:
        try:
            installation.people.check_login(name, place)
        except PeopleError as error:
            error.hint += " A statement is run with -c." if " " in name else ""
            raise
        local = installation.home.socket_folder()
        psql = terminal.as_person(program, Target(str(local), LOCAL_PORT, place, name))
    arguments = [part for text in statements for part in ("-c", text)]
    if session.quiet:
        arguments.append("--quiet")
    if statements or not sys.stdin.isatty():
        arguments += ["--set", "ON_ERROR_STOP=1"]
    replace(psql, arguments=[*psql.arguments, *arguments]).become()
