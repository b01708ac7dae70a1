"""What to fill in where, in programs with windows that speak to PostgreSQL."""

from collections.abc import Iterator

from myriad.connect.postgres import SYSTEM, Client, Target, jdbc_url


def _odbc_string(to: Target) -> str:
    """Return psqlODBC's connection string, without name and password."""
    said = {
        "Driver": "{PostgreSQL Unicode}",
        "Server": to.host,
        "Port": str(to.port),
        "Database": _braced(to.database),
        "UseDeclareFetch": "1",  # else all of a result is held in memory
    }
    if to.trust:
        said["SSLmode"] = to.trust.mode
        file = to.trust.ca.replace("\\", "\\\\").replace("'", "\\'")
        said["pqopt"] = _braced(f"sslrootcert='{file}'")
    return "".join(f"{name}={value};" for name, value in said.items())


def _braced(value: str) -> str:
    """Return a value as ODBC's connection strings have it: some characters want braces."""
    plain = not set(value) & set("[]{}(),;?*=!@' ") and value == value.strip()
    return value if plain else "{" + value.replace("}", "}}") + "}"


def _odbc(to: Target) -> str:
    login = f"UID={_braced(to.user)};PWD={_braced(to.password)};"
    return f"""\
# The driver: Debian: apt install odbc-postgresql; Windows: psqlODBC of postgresql.org/ftp/odbc;
# pip install pyodbc
import pyodbc

connection = pyodbc.connect({_odbc_string(to) + login!r})"""


def _form(*rows: tuple[str, str]) -> str:
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}".rstrip() for name, value in rows)


def _encrypted(to: Target, mode: str, file: str) -> Iterator[tuple[str, str]]:
    """Yield the rows for encryption, by what the fields are called."""
    if to.trust:
        yield mode, to.trust.mode
        if to.trust.ca != SYSTEM:
            yield file, to.trust.ca


def _dbeaver(to: Target) -> str:
    return _form(
        ("Database > New Database Connection", "PostgreSQL"),
        ("Host", to.host),
        ("Port", str(to.port)),
        ("Database", to.database),
        ("Username", to.user),
        ("Password", to.password),
        *_encrypted(to, "SSL > SSL mode", "SSL > CA certificate"),
        ("or Connect by: URL", jdbc_url(to)),
    )


def _pgadmin(to: Target) -> str:
    return _form(
        ("Object > Register > Server", ""),
        ("General > Name", "myriad"),
        ("Connection > Host name/address", to.host),
        ("Connection > Port", str(to.port)),
        ("Connection > Maintenance database", f"{to.database} (not postgres)"),
        ("Connection > Username", to.user),
        ("Connection > Password", to.password),
        *_encrypted(to, "Parameters > SSL mode", "Parameters > Root certificate"),
    )


def _metabase(to: Target) -> str:
    return _form(
        ("Admin settings > Databases > Add database", "PostgreSQL"),
        ("Host", to.host),
        ("Port", str(to.port)),
        ("Database name", to.database),
        ("Username", to.user),
        ("Password", to.password),
        *_encrypted(to, "Use a secure connection (SSL) > SSL Mode", "SSL Root Certificate (PEM)"),
    )


def _powerbi(to: Target) -> str:
    rows = [
        ("Home > Get data > More", "PostgreSQL database"),
        ("Server", to.address()),
        ("Database", to.database),
        ("Data Connectivity mode", "Import"),
        ("then Database > User name", to.user),
        ("Password", to.password),
    ]
    if to.trust and to.trust.ca != SYSTEM:
        place = "Windows > Manage user certificates > Trusted Root Certification Authorities"
        rows.insert(0, (f"{place} > Import", to.trust.ca))
    return _form(*rows)


def _excel(to: Target) -> str:
    return _form(
        ("first, once", "install psqlODBC (https://www.postgresql.org/ftp/odbc/releases/)"),
        ("Data > Get Data > From Other Sources", "From ODBC"),
        ("Data source name", "(None)"),
        ("Advanced options > Connection string", _windows(_odbc_string(to))),
        ("then Database > User name", to.user),
        ("Password", to.password),
    )


def _windows(text: str) -> str:
    """Return a connection string with the driver's name as its installer for Windows has it."""
    return text.replace("{PostgreSQL Unicode}", "{PostgreSQL Unicode(x64)}")


FORMS = {
    "odbc": Client("ODBC, and Python's pyodbc", _odbc),
    "dbeaver": Client("DBeaver", _dbeaver),
    "excel": Client("Excel (by ODBC)", _excel),
    "metabase": Client("Metabase", _metabase),
    "pgadmin": Client("pgAdmin", _pgadmin),
    "powerbi": Client("Power BI", _powerbi),
}
