"""Names of columns, JSON and packed texts that other programs read wrongly."""

import gzip
import json
import math
import zipfile
from decimal import Decimal
from pathlib import Path

from tests.hard_case import Case

LONG = "The total amount of money that was spent on travel in the year of report "
UMLAUTS = "Überschreitung der zulässigen Höchstmenge für Nährstoffe im Bödenprofil A"
HEADERS = {
    "names that come again, and one that a number makes": Case(
        "t.csv",
        b"B,B,B,B_1,B_1\n1,2,3,4,5\n6,7,8,9,10\n",
        {
            "t(B bigint; B bigint; B bigint; B_1 bigint; B_1 bigint)": [
                (1, 2, 3, 4, 5),
                (6, 7, 8, 9, 10),
            ]
        },
        named="b b_2 b_3 b_1 b_1_2",
    ),
    "no name above the first column": Case(
        "t.csv",
        b",alpha,beta\n0,red,one\n1,green,two\n",
        {"t(column_1 bigint; alpha text; beta text)": [(0, "red", "one"), (1, "green", "two")]},
    ),
    "a delimiter behind each record": Case(
        "t.csv",
        b"P,Q,R\n11,14,17,\n12,15,18,\n",
        {"t(P bigint; Q bigint; R bigint)": [(11, 14, 17), (12, 15, 18)]},
        notes=("each record ends with a delimiter",),
    ),
    "a delimiter behind the header alone": Case(
        "t.csv",
        b"id,name,lat,\n1,north,0.5\n2,south,2.5\n",
        {
            "t(id bigint; name text; lat numeric)": [
                (1, "north", Decimal("0.5")),
                (2, "south", Decimal("2.5")),
            ]
        },
        notes=("the header alone ends with a delimiter",),
    ),
    "names that PostgreSQL has itself": Case(
        "t.csv",
        b"id,xmin,xmax,ctid,tableoid,select,table\n1,0.5,2.5,a,7,s,u\n",
        {
            "t(id bigint; xmin numeric; xmax numeric; ctid text; tableoid bigint;"
            " select text; table text)": [(1, Decimal("0.5"), Decimal("2.5"), "a", 7, "s", "u")]
        },
        named="id xmin_2 xmax_2 ctid_2 tableoid_2 select table",
    ),
    "names beyond 63 bytes that begin alike": Case(
        "t.csv",
        f"id,{LONG}2023,{LONG}2024,{UMLAUTS}\n1,10,20,30\n".encode(),
        {
            f"t(id bigint; {LONG}2023 bigint; {LONG}2024 bigint; {UMLAUTS} bigint)": [
                (1, 10, 20, 30)
            ]
        },
        named="id the_total_amount_of_money_that_was_spent_on_travel_in_the_year_"
        " the_total_amount_of_money_that_was_spent_on_travel_in_the_yea_2"
        " überschreitung_der_zulässigen_höchstmenge_für_nährstoffe_i",
    ),
    "a report with titles, a total and a footnote": Case(
        "t.csv",
        b"Sales by country\nFrom and to:,2014-01-01,2014-01-31\nMoney:,USD\n\n"
        b"country,transaction,unit,amount\nCH,t1,kg,1.50\nDE,t2,kg,2.50\nFR,t3,kg,3.50\n"
        b"IT,t4,kg,4.50\nTotals:,,,12.00\n* amounts include tax\n",
        {
            "t(country text; transaction text; unit text; amount numeric)": [
                ("CH", "t1", "kg", Decimal("1.50")),
                ("DE", "t2", "kg", Decimal("2.50")),
                ("FR", "t3", "kg", Decimal("3.50")),
                ("IT", "t4", "kg", Decimal("4.50")),
            ]
        },
        aside={
            **dict.fromkeys((1, 2, 3), "no data: a title"),
            10: "no data: a total",
            11: "no data: a footnote",
        },
    ),
}


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bank.csv", "id,balance\n1,10.50\n2,20.25\n")
        archive.writestr("__MACOSX/._bank.csv", b"\0\5\x16\7\0")


PACKED = {
    "gzip of three members, cut within a line": Case(
        "t.csv.gz",
        b"".join(map(gzip.compress, (b"id,a\n1,one\n2,", b"two\n3,three\n4,", b"four\n"))),
        {"t(id bigint; a text)": [(1, "one"), (2, "two"), (3, "three"), (4, "four")]},
    ),
    "gzip that is called CSV": Case(
        "t.csv",
        gzip.compress(b"street,number\nBahnhof,22\nSeeweg,3\n"),
        {"t(street text; number bigint)": [("Bahnhof", 22), ("Seeweg", 3)]},
    ),
    "a zip of one file, and a Macintosh's beside it": Case(
        "t.csv.zip",
        _zip,
        {"t(id bigint; balance numeric)": [(1, Decimal("10.50")), (2, Decimal("20.25"))]},
    ),
}
DOCUMENTS = {
    "a key that comes after 20,480 lines": Case(
        "t.jsonl",
        b'{"a":1}\n' * 20_600 + b'{"a":1,"b":10}\n' * 100,
        {"t(a bigint; b bigint)": [(1, None)] * 20_600 + [(1, 10)] * 100},
    ),
    "whole numbers beyond 2^53 and 2^63": Case(
        "t.jsonl",
        b'{"id":4102398571123345677,"big":9876543210987654321098,"o":{"id":9007199254740993}}\n'
        b'{"id":9007199254740993,"big":5,"o":{"id":18446744073709551615}}\n',
        {
            "t(id bigint; big numeric; o jsonb)": [
                (4102398571123345677, 9876543210987654321098, {"id": 9007199254740993}),
                (9007199254740993, 5, {"id": 18446744073709551615}),
            ]
        },
    ),
    "objects one behind the other, over lines": Case(
        "t.json",
        b'{"a":1,"b":"x"}{"a":2,"b":"y"}\n{\n  "a": 3,\n  "b": "z\\n}{"\n}\n',
        {"t(a bigint; b text)": [(1, "x"), (2, "y"), (3, "z\n}{")]},
    ),
    "an array with a mark and CRLF": Case(
        "t.json",
        '\ufeff[\r\n  {"id": 1, "name": "one"},\r\n  {"id": 2, "name": "twö"},\r\n  {"id": 3}\r\n]'
        "\r\n".encode(),
        {"t(id bigint; name text)": [(1, "one"), (2, "twö"), (3, None)]},
    ),
    "NaN and Infinity": Case(
        "t.jsonl",
        b'{"id":1,"v":1.5}\n{"id":2,"v":NaN}\n{"id":3,"v":-Infinity}\n{"id":4,"v":null}\n',
        {
            "t(id bigint; v double precision)": [
                (1, 1.5),
                (2, math.nan),
                (3, -math.inf),
                (4, None),
            ]
        },
    ),
    "the character 0, escaped": Case(
        "t.jsonl",
        b'{"id":1,"o":{"k":"v"}}\n{"id":2,"s":"a\\u0000b"}\n{"id":3,"o":{"k":"\\u0000"}}\n',
        {"t(id bigint; o jsonb)": [(1, {"k": "v"})]},
        rejects=dict.fromkeys((2, 3), "holds \\u0000, which Myriad takes into neither engine"),
    ),
    "line separators of Unicode within texts": Case(
        "t.jsonl",
        b"".join(
            json.dumps({"id": n, "s": f"a{mark}b"}, ensure_ascii=False).encode() + b"\n"
            for n, mark in enumerate("\u2028\x85\u2029\x0b")
        ),
        {
            "t(id bigint; s text)": [
                (n, f"a{mark}b") for n, mark in enumerate("\u2028\x85\u2029\x0b")
            ]
        },
    ),
    "arrays instead of objects": Case(
        "t.jsonl",
        b'["Ida","Berg",7]\n["Bo","Moss",8]\n',
        {
            "t(column_1 text; column_2 text; column_3 bigint)": [
                ("Ida", "Berg", 7),
                ("Bo", "Moss", 8),
            ]
        },
        notes=("the records are arrays",),
    ),
}
