"""The demo's tour: publish files, let Rose and Bruno in, and show what each of them sees.

Everything goes through the Python API, and every query over TCP as the person who asks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from myriad import Myriad
from myriad.demo import data
from myriad.errors import PeopleError
from myriad.publish.options import Options, Progress
from myriad.publish.report import Report

# A database of its own: the demo replaces nothing that anybody published for real.
DATABASE = "demo"
FINANCE = "finance"
READERS = "demo_readers"
ACCOUNTANTS = "demo_accountants"
ROSE = "Rose"
BRUNO = "Bruno"
GROUPS: dict[str, tuple[str, ...]] = {ROSE: (READERS, ACCOUNTANTS), BRUNO: (READERS,)}
FIRST_ROWS = 5
SHOWN = 5

JOIN = """\
SELECT c.continent, count(*) AS payments, sum(p.amount) AS total
FROM finance.payments p
JOIN user_accounts u ON u.id = p.account_id
JOIN countries c ON c.code = u.country_code
GROUP BY c.continent ORDER BY total DESC"""
AGGREGATION = """\
SELECT extract(year FROM joined)::int AS year, count(*) AS accounts,
       count(*) FILTER (WHERE active) AS active, round(avg(balance), 2) AS average_balance
FROM user_accounts GROUP BY year ORDER BY year DESC LIMIT 5"""
REFUSED = "SELECT sum(amount) FROM finance.payments"


@dataclass(frozen=True)
class Login:
    """Who may log in where."""

    person: str
    password: str
    database: str


@dataclass(frozen=True)
class Answer:
    """What somebody asked and saw.

    Attributes:
        refused: PostgreSQL's own message, if it answered with an error.
    """

    person: str
    query: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[object, ...], ...] = ()
    refused: str = ""


@dataclass(frozen=True)
class Served:
    """What was published, and who may log in: Rose, who may read all of it, first."""

    reports: list[Report]
    logins: list[Login]


def refuse_others(installation: Myriad) -> None:
    """Raise PeopleError where the home has people who are not of the demo.

    Invented people have no place among them.
    """
    people = (person for person in installation.people.list_people())
    real = [each.name for each in people if each.name not in GROUPS or READERS not in each.groups]
    if real:
        raise PeopleError(
            f"{installation.home.folder} has people of its own:"
            f" {', '.join(real[:SHOWN])}{' …' if len(real) > SHOWN else ''}",
            hint="Run the demo in another home: myriad demo --home FOLDER. To serve a file here:"
            " myriad publish FILE, and myriad grant.",
        )


def serve_demo(installation: Myriad, progress: Progress | None) -> Served:
    """Write the demo's files, publish them as two datasets, let Rose in both and Bruno in one."""
    folder = installation.home.folder / "demo"
    data.write(folder)
    datasets = {
        "public": {
            data.ACCOUNTS_FILE: ("user_accounts", "id"),
            data.COUNTRIES_FILE: ("countries", "code"),
        },
        FINANCE: {data.PAYMENTS_FILE: ("payments", "id")},
    }
    reports = []
    for dataset, files in datasets.items():
        keys: dict[str, tuple[str, ...]] = {table: (column,) for table, column in files.values()}
        options = Options(DATABASE, dataset, keys=keys)
        reports.append(installation.publish([folder / name for name in files], options, progress))
    return Served(reports, _let_in(installation, dict(zip(GROUPS[ROSE], reports, strict=True))))


def serve_file(installation: Myriad, file: Path, progress: Progress | None) -> Served:
    """Publish somebody's file with all defaults, and let Rose and Bruno read it."""
    report = installation.publish([file], None, progress)
    return Served([report], _let_in(installation, {READERS: report}))


def _let_in(installation: Myriad, granted: dict[str, Report]) -> list[Login]:
    """Add Rose and Bruno, or give them new passwords; grant each group what was published."""
    people = installation.people
    known = {person.name: person for person in people.list_people()}
    there = {group.name for group in people.list_groups()}
    people.add_groups([group for group in GROUPS[ROSE] if group not in there])
    for group, report in granted.items():
        people.grant(group, report.dataset, report.database)
    database = granted[READERS].database
    return [_login(installation, name, database, new=name not in known) for name in GROUPS]


def _login(installation: Myriad, name: str, database: str, *, new: bool) -> Login:
    people = installation.people
    if not new:
        return Login(name, people.set_password(name), database)
    [(_, password)] = people.add_people([name], GROUPS[name])
    return Login(name, password, database)


def tour(installation: Myriad, served: Served) -> Iterator[Answer]:
    """Ask what shows the demo's data: a join, an aggregation, and a query that is refused."""
    rose, bruno = served.logins
    yield ask(installation, rose, JOIN)
    yield ask(installation, bruno, AGGREGATION)
    yield ask(installation, bruno, REFUSED)


def first_rows(installation: Myriad, served: Served) -> Iterator[Answer]:
    """Show the first rows of each table that was published."""
    for report in served.reports:
        for table in report.tables:
            name = sql.Identifier(report.dataset, table.table.name)
            query = sql.SQL("SELECT * FROM {} LIMIT {}").format(name, FIRST_ROWS)
            yield ask(installation, served.logins[0], query.as_string())


def ask(installation: Myriad, login: Login, query: str) -> Answer:
    """Run a query over TCP as that person; raises psycopg.OperationalError."""
    server = installation.server()
    with psycopg.connect(
        host=server.host,
        port=server.port,
        dbname=login.database,
        user=login.person,
        password=login.password,
    ) as connection:
        try:
            cursor = connection.execute(query.encode())
        except psycopg.errors.InsufficientPrivilege as error:
            return Answer(login.person, query, refused=f"ERROR:  {error.diag.message_primary}")
        columns = tuple(column.name for column in cursor.description or ())
        return Answer(login.person, query, columns, tuple(cursor.fetchall()))
