"""The files that the demo publishes: 10,000 invented accounts, their countries, their payments."""

import csv
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faker import Faker

SEED = 10_000
ACCOUNTS = 10_000
PAYMENTS = 30_000
FIRST_DAY = date(2016, 1, 1)
DAYS = 3650
NEVER_SEEN = 0.1  # share of the accounts
ACTIVE = 0.8  # share of the accounts

COUNTRIES_FILE = "countries.csv"
ACCOUNTS_FILE = "user_accounts.csv"
PAYMENTS_FILE = "payments.csv"

COLUMNS = {
    COUNTRIES_FILE: ("code", "name", "continent"),
    ACCOUNTS_FILE: (
        *("id", "user_name", "email", "first_name", "last_name", "country_code", "city"),
        *("member_number", "joined", "last_seen", "balance", "active"),
    ),
    PAYMENTS_FILE: ("id", "account_id", "paid_on", "amount"),
}


def write(folder: Path) -> None:
    """Write the three files into `folder`; the same bytes each time."""
    # Imported here: it takes half a second, and only the demo needs it.
    from faker import Faker  # noqa: PLC0415
    from faker.providers.date_time import Provider  # noqa: PLC0415

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fake = Faker("en_US", use_weighting=False)
    fake.seed_instance(SEED)
    countries = [(each.alpha_2_code, each.name, each.continent) for each in Provider.countries]
    codes = [code for code, _, _ in countries]
    _write(folder, COUNTRIES_FILE, countries)
    _write(folder, ACCOUNTS_FILE, (_account(fake, n, codes) for n in range(1, ACCOUNTS + 1)))
    _write(folder, PAYMENTS_FILE, (_payment(fake, n) for n in range(1, PAYMENTS + 1)))


def _write(folder: Path, name: str, rows: Iterable[Sequence[object]]) -> None:
    with (folder / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS[name])
        writer.writerows(rows)


def _account(fake: "Faker", number: int, codes: Sequence[str]) -> Sequence[object]:
    chance = fake.random
    first, last = fake.first_name(), fake.last_name()
    joined = _day(fake)
    seen = datetime(joined.year, joined.month, joined.day, tzinfo=UTC) + timedelta(
        seconds=chance.randrange(50_000_000)
    )
    return (
        number,
        f"{first}{number}".lower(),
        f"{first}.{last}{number}@example.org".lower(),
        first,
        last,
        chance.choice(codes),
        fake.city(),
        f"{chance.randrange(1_000_000):06}",  # leading zeroes: stays text
        joined,
        "" if chance.random() < NEVER_SEEN else f"{seen:%Y-%m-%d %H:%M:%S}",
        _amount(fake, 2_000_000),
        str(chance.random() < ACTIVE).lower(),
    )


def _payment(fake: "Faker", number: int) -> Sequence[object]:
    return number, fake.random.randint(1, ACCOUNTS), _day(fake), _amount(fake, 50_000)


def _day(fake: "Faker") -> date:
    return FIRST_DAY + timedelta(days=fake.random.randrange(DAYS))


def _amount(fake: "Faker", cents: int) -> Decimal:
    return Decimal(fake.random.randrange(cents)).scaleb(-2)
