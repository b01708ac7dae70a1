# ruff: noqa: RUF001 - letters of other scripts are what is tested
"""Texts that other programs read wrongly: how they are written, their values and encodings."""

import datetime as dt
from decimal import Decimal

from tests.hard_case import Case


def _day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def _utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text + "+00:00")


NOTE = 'Line one of {0}.\nLine two, "quoted".\nLine three {0}.'
DRUGS = ["Альфа", "Бета", "Гамма"]
DIALECTS = {
    "backslashes before quotes": Case(
        "t.csv",
        rb""""id","name","note"
"1","Berg\, Ida","plain"
"2","said \"hello\" twice","x"
"3","c:\\temp","y"
""",
        {
            "t(id bigint; name text; note text)": [
                (1, "Berg, Ida", "plain"),
                (2, 'said "hello" twice', "x"),
                (3, "c:\\temp", "y"),
            ]
        },
        notes=("backslashes stand before quotes",),
    ),
    "a title above semicolons": Case(
        "t.csv",
        b"Prices as of 2025-01-06\nplantId;Operator\n101;Alfa\n102;Beta\n103;Gamma\n",
        {"t(plantId bigint; Operator text)": [(101, "Alfa"), (102, "Beta"), (103, "Gamma")]},
        notes=("a title: 'Prices as of 2025-01-06'",),
        aside={1: "no data: a title"},
    ),
    "quotes that are inches": Case(
        "t.tsv",
        b'id\tname\tkind\n1\tParker"s Ford\tplace\n2\t3/4" pipe\tpart\n3\t5" disc, 3" hub\tpart\n',
        {
            "t(id bigint; name text; kind text)": [
                (1, 'Parker"s Ford', "place"),
                (2, '3/4" pipe', "part"),
                (3, '5" disc, 3" hub', "part"),
            ]
        },
    ),
    "a decimal comma in every cell": Case(
        "t.csv",
        b"A;B;C\n6,1;7,2;8,3\n6,2;7,3;8,4\n6,3;7,4;8,5\n",
        {
            "t(A numeric; B numeric; C numeric)": [
                (Decimal("6.1"), Decimal("7.2"), Decimal("8.3")),
                (Decimal("6.2"), Decimal("7.3"), Decimal("8.4")),
                (Decimal("6.3"), Decimal("7.4"), Decimal("8.5")),
            ]
        },
    ),
    "thousands, percent and negatives of accountants": Case(
        "t.csv",
        b'date,item,qty,share,amount\n27/06/2019,Bulbs,"3,470",78%,5.50\n'
        b"28/06/2019,Test,158,2%,(45.00)\n29/06/2019,Compost,264,52%,61.07-\n"
        b'01/07/2019,Soil,"1,842",5%,"1,234.50"\n',
        {
            "t(date date; item text; qty bigint; share bigint; amount numeric)": [
                (_day("2019-06-27"), "Bulbs", 3470, 78, Decimal("5.50")),
                (_day("2019-06-28"), "Test", 158, 2, Decimal("-45.00")),
                (_day("2019-06-29"), "Compost", 264, 52, Decimal("-61.07")),
                (_day("2019-07-01"), "Soil", 1842, 5, Decimal("1234.50")),
            ]
        },
    ),
    "sep= above the header": Case(
        "t.csv",
        b"sep=;\nOne;Two;Three\n1;a,b;3\n4;c;6\n",
        {"t(One bigint; Two text; Three bigint)": [(1, "a,b", 3), (4, "c", 6)]},
        aside={1: "no data: it says what separates fields"},
    ),
    "a dump of a database": Case(
        "t.tsv",
        rb"""id	name	score	note
1	Ida	7	one line
2	\N	\N	line one\nline two
3	C:\\tmp	9	a\tb
4	Bo	8	\N
""",
        {
            "t(id bigint; name text; score bigint; note text)": [
                (1, "Ida", 7, "one line"),
                (2, None, None, "line one\nline two"),
                (3, "C:\\tmp", 9, "a\tb"),
                (4, "Bo", 8, None),
            ]
        },
        notes=("as in dumps of databases",),
    ),
    "a backslash and a point alone in a line": Case(
        "t.csv",
        b'id,note\n1,start\n2,"first\n\\.\nlast"\n3,\\.\n4,end\n',
        {
            "t(id bigint; note text)": [
                (1, "start"),
                (2, "first\n\\.\nlast"),
                (3, "\\."),
                (4, "end"),
            ]
        },
    ),
    "pipes, and one comma in each line": Case(
        "t.csv",
        b"carrier|origin|city\nAA|JFK|York, New\nDL|ATL|Atlanta, GA\nWN|DAL|Dallas, TX\n",
        {
            "t(carrier text; origin text; city text)": [
                ("AA", "JFK", "York, New"),
                ("DL", "ATL", "Atlanta, GA"),
                ("WN", "DAL", "Dallas, TX"),
            ]
        },
    ),
    "line ends of an old Macintosh": Case(
        "t.csv",
        b'id,name,score\r1,Ida,5\r2,"Bo, the second",6\r3,Ann,7\r',
        {
            "t(id bigint; name text; score bigint)": [
                (1, "Ida", 5),
                (2, "Bo, the second", 6),
                (3, "Ann", 7),
            ]
        },
    ),
    "CR CR LF": Case(
        "t.csv",
        b"id,val\r\r\n" + b"".join(b"%d,x\r\r\n" % n for n in range(5000)),
        {"t(id bigint; val text)": [(n, "x") for n in range(5000)]},
    ),
    "no line end after the last record": Case(
        "t.csv",
        b"id;v;w" + b"".join(b"\n%d;b%d;c%d" % (n, n, n) for n in range(1000)),
        {"t(id bigint; v text; w text)": [(n, f"b{n}", f"c{n}") for n in range(1000)]},
    ),
    "three lines in every quoted note": Case(
        "t.csv",
        "".join(['"id","note"\n', *(f'"{n}","{NOTE.format(n)}"\n' for n in range(1500))])
        .replace('"quoted"', '""quoted""')
        .encode(),
        {"t(id bigint; note text)": [(n, NOTE.format(n)) for n in range(1500)]},
    ),
    "a record too short, and one too long": Case(
        "t.csv",
        b"name,age,city\nIda,25,Rome\nBo,30\nAnn,41,Bari,EXTRA\nKim,35,\n",
        {"t(name text; age bigint; city text)": [("Ida", 25, "Rome"), ("Kim", 35, None)]},
        rejects={3: "2 fields where 3 are expected", 4: "4 fields where 3 are expected"},
    ),
    "a field of 150,000 characters": Case(
        "t.csv",
        b"id,note\n1," + b"abcdefghij" * 15_000 + b"\n2,short\n",
        {"t(id bigint; note text)": [(1, "abcdefghij" * 15_000), (2, "short")]},
    ),
    "1,100 columns": Case(
        "t.csv",
        "\n".join(",".join(f"{g}{n}" for n in range(1100)) for g in ("gene_", "", "1")).encode(),
        {
            f"t({'; '.join(f'gene_{n} integer' for n in range(1100))})": [
                tuple(range(1100)),
                tuple(int(f"1{n}") for n in range(1100)),
            ]
        },
    ),
}
VALUES = {
    "codes with zeros and plus signs": Case(
        "t.csv",
        b"zip,account,routing,phone,amount\n0430017,0010,021000021,+41791112233,125.50\n"
        b'0512288,"0100","011000015",+41791112244,50.00\n',
        {
            "t(zip text; account text; routing text; phone text; amount numeric)": [
                ("0430017", "0010", "021000021", "+41791112233", Decimal("125.50")),
                ("0512288", "0100", "011000015", "+41791112244", Decimal("50.00")),
            ]
        },
    ),
    "ids that look like powers of ten": Case(
        "t.csv",
        b"n,serial,sku,reading\n1,0031746622914DD70002,12E5,1.5e-05\n"
        b"2,0031746622914E570009,3E10,2.25E+03\n",
        {
            "t(n bigint; serial text; sku text; reading double precision)": [
                (1, "0031746622914DD70002", "12E5", 1.5e-05),
                (2, "0031746622914E570009", "3E10", 2250.0),
            ]
        },
    ),
    "coordinates, some with exponents": Case(
        "t.csv",
        b"id,lon\n1,-4.115e-05\n2,-8e-06\n3,8.750000031e-07\n4,2.5\n",
        {
            "t(id bigint; lon double precision)": [
                (1, -4.115e-05),
                (2, -8e-06),
                (3, 8.750000031e-07),
                (4, 2.5),
            ]
        },
    ),
    "NA is Namibia": Case(
        "t.csv",
        b'name,alpha2\nNamibia,NA\nNauru,NR\nNamibia again,"NA"\n',
        {
            "t(name text; alpha2 text)": [
                ("Namibia", "NA"),
                ("Nauru", "NR"),
                ("Namibia again", "NA"),
            ]
        },
    ),
    "many spellings of nothing": Case(
        "t.csv",
        b"id,temp\n1,20.5\n2,NULL\n3,None\n4,N/A\n5,#N/A\n6,-\n7,nan\n8,\n9,19.0\n",
        {
            "t(id bigint; temp text)": list(
                enumerate(("20.5", "NULL", "None", "N/A", "#N/A", "-", "nan", None, "19.0"), 1)
            )
        },
    ),
    "names that begin with F and T": Case(
        "t.csv",
        "id,name\n1,Félix Morel\n2,Tilda Strand\n".encode(),
        {"t(id bigint; name text)": [(1, "Félix Morel"), (2, "Tilda Strand")]},
    ),
    "a word after 2,990 numbers": Case(
        "t.csv",
        b"id,age\n" + b"".join(b"%d,%s\n" % (n, b"?" if n == 2990 else b"21") for n in range(3000)),
        {"t(id bigint; age text)": [(n, "?" if n == 2990 else "21") for n in range(3000)]},
    ),
    "day first, as one record proves": Case(
        "t.csv",
        b"id;date\n1;09/04/2013\n2;02/06/2013\n3;23/11/2013\n",
        {
            "t(id bigint; date date)": [
                (1, _day("2013-04-09")),
                (2, _day("2013-06-02")),
                (3, _day("2013-11-23")),
            ]
        },
    ),
    "nothing proves the order of day and month": Case(
        "t.csv",
        b"id,d\n1,01/02/2024\n2,03/04/2024\n",
        {"t(id bigint; d text)": [(1, "01/02/2024"), (2, "03/04/2024")]},
    ),
    "years of two digits": Case(
        "t.csv",
        b"born,dived\n17-05-67,3/22/92\n31-01-45,3/23/25\n",
        {"t(born text; dived text)": [("17-05-67", "3/22/92"), ("31-01-45", "3/23/25")]},
    ),
    "second 60 and hour 24": Case(
        "t.csv",
        b"id,at\n1,2017-03-09T00:51:60+01:00\n2,2024-03-01T24:00:00Z\n3,2024-03-01T12:00:00Z\n",
        {
            "t(id bigint; at text)": [
                (1, "2017-03-09T00:51:60+01:00"),
                (2, "2024-03-01T24:00:00Z"),
                (3, "2024-03-01T12:00:00Z"),
            ]
        },
    ),
    "offsets that change with summer time": Case(
        "t.csv",
        b"id,at\n1,2026-04-05T02:30:00+11:00\n2,2026-04-05T02:30:00+10:00\n",
        {
            "t(id bigint; at timestamptz)": [
                (1, _utc("2026-04-04T15:30:00")),
                (2, _utc("2026-04-04T16:30:00")),
            ]
        },
    ),
    "the first and the last year, BC, and days that are none": Case(
        "t.csv",
        b"valid,old,zero\n0001-01-01,0044-03-15 BC,0000-00-00\n9999-12-31,0100-01-01,2023-02-29\n",
        {
            "t(valid date; old text; zero text)": [
                (_day("0001-01-01"), "0044-03-15 BC", "0000-00-00"),
                (_day("9999-12-31"), "0100-01-01", "2023-02-29"),
            ]
        },
    ),
    "seven and nine digits behind the second": Case(
        "t.csv",
        b"at,ns\n2024-05-01 10:00:00.1234567,2024-05-01T10:00:00.123456789Z\n",
        {
            "t(at text; ns text)": [
                ("2024-05-01 10:00:00.1234567", "2024-05-01T10:00:00.123456789Z")
            ]
        },
    ),
}
ENCODINGS = {
    "UTF-16 with a mark and tabs": Case(
        "t.csv",
        "\ufeffuid\tname\n1\tété\n2\tسلام\n3\t日本\n".encode("utf-16-le"),
        {"t(uid bigint; name text)": [(1, "été"), (2, "سلام"), (3, "日本")]},
    ),
    "UTF-16, the big end first, all quoted": Case(
        "t.csv",
        '\ufeff"Id";"Art"\r\n"1";"Rødrev"\r\n"2";"Insekt; Åkerhumle"\r\n'.encode("utf-16-be"),
        {"t(Id bigint; Art text)": [(1, "Rødrev"), (2, "Insekt; Åkerhumle")]},
    ),
    # A price of the same sign throughout is a number: see decisions/0018.
    "Windows-1252 with a euro sign": Case(
        "t.csv",
        "id,name,price\n1,L’été – “grand”,€ 5\n2,Doña Ana,€ 7\n".encode("cp1252"),
        {"t(id bigint; name text; price bigint)": [(1, "L’été – “grand”", 5), (2, "Doña Ana", 7)]},
        notes=("not UTF-8: read as windows-1252",),
    ),
    "Windows-1251": Case(
        "t.csv",
        (
            "номер;название;производитель\n"
            + "".join(f'{n};"Препарат ""{name}""";Завод\n' for n, name in enumerate(DRUGS))
        ).encode("cp1251"),
        {
            "t(номер bigint; название text; производитель text)": [
                (n, f'Препарат "{name}"', "Завод") for n, name in enumerate(DRUGS)
            ]
        },
        notes=("not UTF-8: read as windows-1251",),
    ),
    "Shift-JIS with a backslash within a letter": Case(
        "t.csv",
        '"番号","名称","備考"\r\n"1","検査機構","メモ"\r\n"2","表","メモ"\r\n"3","能登","メモ"\r\n'.encode(
            "shift_jis"
        ),
        {
            "t(番号 bigint; 名称 text; 備考 text)": [
                (1, "検査機構", "メモ"),
                (2, "表", "メモ"),
                (3, "能登", "メモ"),
            ]
        },
        notes=("not UTF-8: read as shift_jis",),
    ),
    "one line of Latin-1 in UTF-8": Case(
        "t.csv",
        b"id,town\n"
        + b"".join(
            b"%d,%s\n" % (n, "Genève".encode("latin-1") if n == 1400 else "Zürich".encode())
            for n in range(1500)
        ),
        {"t(id bigint; town text)": [(n, "Zürich") for n in range(1500) if n != 1400]},
        rejects={1402: "not UTF-8: byte 0xe8 at byte 9"},
    ),
    "a NUL byte within a field": Case(
        "t.csv",
        b"id,name\n1,alpha\n2,be\0ta\n3,gamma\n",
        {"t(id bigint; name text)": [(1, "alpha"), (3, "gamma")]},
        rejects={3: "NUL byte at byte 5; Myriad takes it into neither engine"},
    ),
    "a mark before a quoted header": Case(
        "t.csv",
        b'\xef\xbb\xbf"a","b,c","d"\n"1","2","3"\n"4","5","6"\n',
        {"t(a bigint; b,c bigint; d bigint)": [(1, 2, 3), (4, 5, 6)]},
        named="a b_c d",
    ),
}
