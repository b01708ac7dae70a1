"""A new table takes the place of the old one, with all that hung on it, at once for readers."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from psycopg import sql

from myriad.errors import PublishError, SchemaRefused
from tests.publishing import Place

OLD, NEW = "id,v\n1,old\n2,old\n", "id,v\n1,new\n2,new\n3,new\n"


@pytest.fixture
def roles(place: Place) -> Iterator[tuple[str, str]]:
    """Two roles: their names need quotes."""
    names = (f'Rose "{place.database}"', f"bruno {place.database}")
    with closing(place.connect()) as connection:
        for name in names:
            connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))
    yield names
    with closing(place.connect()) as connection:
        for name in names:
            connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(name)))
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def named(text: str, *names: str) -> str:
    """Put quoted names in the place of {}."""
    return text.format(*('"' + name.replace('"', '""') + '"' for name in names))


def acl(place: Place, relation: str) -> set[str]:
    """Return all grants on a relation and its columns."""
    rows = place.ask(
        "SELECT coalesce(a.attname, '') || ' ' || x::text FROM pg_class c"
        " LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attacl IS NOT NULL,"
        " unnest(coalesce(a.attacl, c.relacl)) x WHERE c.oid = %s::regclass"
        " UNION SELECT ' ' || x::text FROM pg_class c, unnest(c.relacl) x"
        " WHERE c.oid = %s::regclass",
        [relation, relation],
    )
    return {row[0] for row in rows}


def republished(place: Place, text: str = NEW, **options: Any) -> None:
    place.publish(place.write("t.csv", text), **{"contract": "free", **options})


def test_grants_survive(place: Place, roles: tuple[str, str]) -> None:
    republished(place, OLD)
    place.ask(named("GRANT SELECT ON t TO {} WITH GRANT OPTION", roles[0]))
    place.ask(named("GRANT INSERT, TRUNCATE ON t TO {}", roles[1]))
    place.ask(named("GRANT UPDATE (v), SELECT (id) ON t TO {}", roles[1]))
    place.ask("GRANT SELECT ON t TO PUBLIC")
    before = acl(place, "t")
    assert len(before) >= 5
    republished(place)
    assert acl(place, "t") == before
    assert place.one("SELECT count(*) FROM t") == 3


def test_grants_on_columns_that_are_gone_go_with_them(place: Place, roles: tuple[str, str]) -> None:
    republished(place, OLD)
    place.ask(named("GRANT SELECT (id, v) ON t TO {}", roles[0]))
    republished(place, "id,w\n1,x\n")
    rows = place.ask("SELECT attname FROM pg_attribute WHERE attrelid = 't'::regclass"
                     " AND attacl IS NOT NULL")  # fmt: skip
    assert rows == [("id",)]


def test_what_was_revoked_stays_revoked(place: Place, roles: tuple[str, str]) -> None:
    """Default privileges are for new tables; this one is not new to its readers."""
    place.ask(
        named("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {}", roles[0])
    )
    republished(place, OLD)
    place.ask("CREATE VIEW above AS SELECT id FROM t")
    for name in ("t", "above"):
        place.ask(named(f"REVOKE ALL ON {name} FROM {{}}", roles[0]))
    republished(place)
    for name in ("t", "above"):
        assert place.one("SELECT has_table_privilege(%s, %s, 'SELECT')", [roles[0], name]) is False


def test_comments_survive_but_for_columns_that_got_new_ones(place: Place) -> None:
    republished(place, "Id No,v\n1,x\n")
    place.ask("COMMENT ON TABLE t IS 'what it''s about'")
    place.ask("COMMENT ON COLUMN t.v IS 'a value'")
    republished(place, "Id No,v,w\n1,x,y\n")
    assert place.one("SELECT obj_description('t'::regclass, 'pg_class')") == "what it's about"
    assert place.comments("t") == {"id_no": "Id No", "v": "a value", "w": None} | {
        name: None for name in place.comments("t") if name not in ("id_no", "v", "w")
    }


def test_views_over_views_survive_with_all_they_have(place: Place, roles: tuple[str, str]) -> None:
    republished(place, OLD)
    place.ask('CREATE SCHEMA "other s"')
    place.ask('CREATE VIEW "other s"."V 1" (n, "V!") WITH (security_barrier, security_invoker)'
              " AS SELECT id, v FROM t WHERE id < 100 WITH LOCAL CHECK OPTION")  # fmt: skip
    place.ask("CREATE VIEW v2 AS WITH RECURSIVE r(n) AS (SELECT 1 UNION SELECT n + 1 FROM r"
              ' WHERE n < 3) SELECT a.n, "V!", t.v FROM "other s"."V 1" a JOIN r USING (n)'
              " JOIN t ON t.id = a.n")  # fmt: skip
    place.ask("CREATE MATERIALIZED VIEW mat WITH (fillfactor=70) AS SELECT count(*) AS c FROM v2")
    place.ask('CREATE UNIQUE INDEX "mat I" ON mat (c)')
    place.ask("CREATE VIEW v4 AS SELECT mat.c, t.id FROM mat, t")
    place.ask("COMMENT ON VIEW v2 IS 'second'")
    place.ask("COMMENT ON COLUMN v2.n IS 'number'")
    place.ask(named('GRANT SELECT ON "other s"."V 1", mat, v4 TO {}', roles[0]))
    place.ask(named("GRANT SELECT (n) ON v2 TO {}", roles[0]))
    place.ask(named("GRANT USAGE, CREATE ON SCHEMA public TO {}", roles[1]))
    place.ask(named("ALTER VIEW v4 OWNER TO {}", roles[1]))
    place.ask(named("GRANT SELECT ON mat, t TO {}", roles[1]))
    relations = ['"other s"."V 1"', "v2", "mat", "v4"]

    def state() -> list[object]:
        return [
            (
                place.one("SELECT pg_get_viewdef(%s::regclass)", [name]),
                place.ask("SELECT relkind, reloptions, relowner::regrole::text,"
                          " obj_description(oid, 'pg_class'), col_description(oid, 1)"
                          " FROM pg_class WHERE oid = %s::regclass", [name]),
                acl(place, name),
                place.ask("SELECT pg_get_indexdef(indexrelid) FROM pg_index"
                          " WHERE indrelid = %s::regclass", [name]),
            )
            for name in relations
        ]  # fmt: skip

    before = state()
    republished(place)
    assert state() == before
    assert place.ask('SELECT n, "V!", v FROM v2 ORDER BY n') == [
        (1, "new", "new"), (2, "new", "new"), (3, "new", "new"),
    ]  # fmt: skip
    assert place.ask("SELECT c FROM mat") == [(3,)]
    assert place.one("SELECT count(*) FROM v4") == 3


def test_a_view_of_a_person_who_may_only_read_survives(
    place: Place, roles: tuple[str, str]
) -> None:
    republished(place, OLD)
    place.ask("CREATE TABLE public.untouchable AS SELECT 1 AS n")
    place.ask(named("GRANT SELECT ON t, untouchable TO {}", roles[0]))
    place.ask(named("GRANT USAGE, CREATE ON SCHEMA public TO {}", roles[0]))
    place.ask(named("SET ROLE {}; CREATE VIEW mine AS SELECT t.v FROM t, untouchable", roles[0]))
    republished(place)
    assert place.ask("SELECT v FROM mine") == [("new",)] * 3
    owner = place.one("SELECT relowner::regrole::text FROM pg_class WHERE relname = 'mine'")
    assert owner == named("{}", roles[0])


def test_functions_in_views_never_run_as_administrator(
    place: Place, roles: tuple[str, str]
) -> None:
    republished(place, OLD)
    place.ask("CREATE TABLE public.seen (who name); GRANT INSERT ON seen TO PUBLIC")
    place.ask("CREATE FUNCTION public.spy() RETURNS name LANGUAGE sql IMMUTABLE"
              " AS $$ SELECT current_user $$")  # fmt: skip
    place.ask(named("GRANT SELECT ON t TO {}", roles[0]))
    place.ask("CREATE MATERIALIZED VIEW m AS SELECT public.spy() AS who FROM t")
    place.ask(named("GRANT USAGE, CREATE ON SCHEMA public TO {}", roles[0]))
    place.ask(named("ALTER MATERIALIZED VIEW m OWNER TO {}", roles[0]))
    republished(place)
    assert place.ask("SELECT DISTINCT who FROM m") == [(roles[0],)]


LOST = {
    "a column it needs": "CREATE VIEW v AS SELECT v FROM t",
    "a type it needs": "CREATE VIEW v AS SELECT id + 1 AS n FROM t",
    "a view over a view": "CREATE VIEW u AS SELECT * FROM t; CREATE VIEW v AS SELECT v FROM u",
    "a materialized view": "CREATE MATERIALIZED VIEW v AS SELECT v FROM t",
}


@pytest.mark.parametrize("statement", LOST.values(), ids=LOST)
def test_a_view_that_cannot_survive_is_named_before_anything_is_loaded(
    place: Place, statement: str
) -> None:
    republished(place, OLD)
    place.ask(statement)
    phases: list[str] = []
    with pytest.raises(SchemaRefused, match=r"view public\.[uv] cannot survive") as caught:
        republished(
            place,
            "id,w\nx,y\n",
            types={"id": "text"},
            progress=lambda step: phases.append(step.phase),
        )
    assert "Drop or change the view" in caught.value.hint
    assert "loading" not in phases
    assert place.ask("SELECT v FROM t") == [("old",)] * 2


def test_a_view_over_two_tables_survives_when_both_change_together(place: Place) -> None:
    one, two = place.write("one.csv", "k,a\n1,x\n"), place.write("two.csv", "k,b\n1,y\n")
    place.publish(one, two)
    place.ask("CREATE VIEW joined AS SELECT a, b FROM one JOIN two ON one.k = two.k")
    one, two = place.write("one.csv", "k,a\nA1,x\n"), place.write("two.csv", "k,b\nA1,y\n")
    place.publish(one, two, contract="free")
    assert place.ask("SELECT * FROM joined") == [("x", "y")]


def test_indexes_made_by_hand_survive(place: Place) -> None:
    republished(place, OLD, keys={"": ("id",)})
    place.ask('CREATE INDEX "by V" ON t (lower(v) DESC) INCLUDE (id) WHERE id > 0')
    place.ask("CREATE UNIQUE INDEX both_ways ON t (v, id) WITH (fillfactor=50)")
    question = ("SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
                " WHERE indrelid = 't'::regclass ORDER BY 1")  # fmt: skip
    before = place.ask(question)
    assert len(before) == 3
    for _ in range(2):
        republished(place, NEW, keys={"": ("id",)})
        assert place.ask(question) == before


def test_an_index_made_by_hand_that_does_not_fit_refuses(place: Place) -> None:
    republished(place, OLD)
    place.ask("CREATE INDEX by_v ON t (v)")
    with pytest.raises(PublishError, match="index by_v does not fit"):
        republished(place, "id\n1\n")
    assert place.one("SELECT count(*) FROM t") == 2


def test_foreign_keys_of_other_tables_survive(place: Place) -> None:
    republished(place, OLD, keys={"": ("id",)})
    place.ask('CREATE TABLE public."Holder" (n int CONSTRAINT "needs T" REFERENCES t'
              " ON DELETE CASCADE DEFERRABLE)")  # fmt: skip
    place.ask('INSERT INTO "Holder" VALUES (1), (2)')
    question = ("SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
                " WHERE contype = 'f' AND connamespace <> 'myriad'::regnamespace")  # fmt: skip
    before = place.ask(question)
    republished(place, NEW, keys={"": ("id",)})
    assert place.ask(question) == before
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        place.ask('INSERT INTO "Holder" VALUES (99)')


HELD = {
    "rows are gone": ("id,v\n1,new\n", {"": ("id",)}),
    "the column is gone": ("no,v\n1,new\n2,new\n", {"": ("no",)}),
    "the key is another": ("id,v\n1,new\n2,new\n", {"": ("id", "v")}),
    "the type is another": ("id,v\n1,new\n2,new\nx,new\n", {"": ("id",)}),
}


@pytest.mark.nightly(by_day=["rows are gone", "the type is another"])
@pytest.mark.parametrize(("text", "keys"), HELD.values(), ids=HELD)
def test_a_foreign_key_that_cannot_survive_is_named(
    place: Place, text: str, keys: dict[str, tuple[str, ...]]
) -> None:
    republished(place, OLD, keys={"": ("id",)})
    place.ask("CREATE TABLE public.holder (n int REFERENCES t); INSERT INTO holder VALUES (2)")
    with pytest.raises(PublishError, match="holder_n_fkey") as caught:
        republished(place, text, keys=keys)
    assert caught.value.hint
    assert place.ask("SELECT v FROM t") == [("old",)] * 2


OBSTACLES = {
    "policy own": "CREATE POLICY own ON t USING (true)",
    "row level security": "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    "trigger noisy": "CREATE TRIGGER noisy BEFORE INSERT ON t EXECUTE FUNCTION"
    " suppress_redundant_updates_trigger()",
    "rule quiet": "CREATE RULE quiet AS ON DELETE TO t DO INSTEAD NOTHING",
    "child": "CREATE TABLE child () INHERITS (t)",
    "positive": "ALTER TABLE t ADD CONSTRAINT positive CHECK (id > 0)",
    "function public.f": "CREATE FUNCTION f() RETURNS bigint LANGUAGE sql"
    " BEGIN ATOMIC SELECT count(*) FROM t; END",
    "function public.g": "CREATE FUNCTION g() RETURNS SETOF t LANGUAGE sql AS 'SELECT * FROM t'",
    "column one of table public.typed": "CREATE TABLE typed (one t)",
    "statistics dep": "CREATE STATISTICS dep ON id, v FROM t",
    "function public.h": "CREATE VIEW w AS SELECT * FROM t;"
    " CREATE FUNCTION h() RETURNS SETOF w LANGUAGE sql AS 'SELECT * FROM w'",
}


@pytest.mark.nightly(by_day=["policy own", "child", "function public.f"])
@pytest.mark.parametrize(("name", "statement"), OBSTACLES.items(), ids=OBSTACLES)
def test_what_would_be_lost_is_named_before_anything_is_loaded(
    place: Place, name: str, statement: str
) -> None:
    republished(place, OLD)
    place.ask(f"SET search_path = public; {statement}")
    phases: list[str] = []
    with pytest.raises(SchemaRefused, match=name):
        republished(place, progress=lambda step: phases.append(step.phase))
    assert "loading" not in phases
    assert place.one("SELECT count(*) FROM t") == 2
