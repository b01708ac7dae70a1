"""What has to be done in Cassandra, from what is wanted and what is there."""

from dataclasses import replace
from datetime import UTC, datetime

from myriad.people.cassandra.plan import MEMBERS_AT_ONCE, plan
from myriad.people.cassandra.state import OWN, READ, ROOT, WRITE, Actual, Role, Wanted

BORN = datetime(2030, 1, 1, tzinfo=UTC)
LATER = datetime(2030, 1, 2, tzinfo=UTC)
SALES = "data/sales"


def wanted(
    roles: dict[str, Role],
    permissions: dict[tuple[str, str], frozenset[str]] | None = None,
    born: datetime = BORN,
) -> Wanted:
    return Wanted(roles, dict.fromkeys(roles, born), permissions or {}, frozenset({SALES, ROOT}))


def there(
    roles: dict[str, Role], permissions: dict[tuple[str, str], frozenset[str]] | None = None
) -> Actual:
    return Actual(roles, permissions or {}, frozenset({"sales"}))


def person(*groups: str, hashed: str | None = "$2a$04$x") -> Role:
    return Role(hashed, frozenset(groups), hashed is not None)


ROLES = {"analysts": Role(), "Rose": person("analysts")}
OURS = dict.fromkeys(ROLES, BORN)
RIGHTS = {("analysts", SALES): READ, ("Rose", ROOT): OWN}


def test_where_all_is_right_there_is_nothing_to_do() -> None:
    assert not plan(wanted(ROLES, RIGHTS), there(ROLES, RIGHTS), OURS)


def test_people_and_groups_are_made_with_members_and_rights() -> None:
    todo = plan(wanted(ROLES, RIGHTS), there({}), {})
    assert todo.make == ("Rose", "analysts")
    assert not todo.dropping
    assert not todo.leaving
    assert any("'Rose', true, false, '$2a$04$x'" in text for text in todo.making)
    assert any("'analysts', false, false, null" in text for text in todo.making)
    assert any("member_of = member_of + {'analysts'}" in text for text in todo.making)
    assert set(todo.rights) == {
        'GRANT SELECT ON KEYSPACE "sales" TO "analysts"',
        'GRANT CREATE ON ALL KEYSPACES TO "Rose"',
    }


def test_names_are_text_and_nothing_else() -> None:
    name = 'x\'; DROP "ROLE" y; --{}'
    todo = plan(wanted({name: person()}, {(name, ROOT): OWN}), there({}), {})
    assert any("('x''; DROP \"ROLE\" y; --{}', true" in text for text in todo.making)
    assert todo.rights == ('GRANT CREATE ON ALL KEYSPACES TO "x\'; DROP ""ROLE"" y; --{}"',)


def test_roles_of_others_are_refused_and_left_alone() -> None:
    others = {"analysts": Role(login=True), "dba": Role(groups=frozenset({"analysts"}))}
    todo = plan(wanted(ROLES, RIGHTS), there(others, {("dba", SALES): WRITE}), {})
    assert todo.refused == ("analysts",)
    assert todo.make == ("Rose",)
    assert not [
        text for text in (*todo.making, *todo.rights) if "analysts" in text or "dba" in text
    ]


def test_a_name_that_is_used_again_is_dropped_and_made() -> None:
    todo = plan(wanted(ROLES, RIGHTS, born=LATER), there(ROLES, RIGHTS), OURS)
    assert todo.drop == todo.make == ("Rose", "analysts")
    assert len(todo.rights) == 2


def test_a_group_that_is_used_again_is_left_and_joined_by_who_stays() -> None:
    found = wanted(ROLES)
    found = Wanted(ROLES, {"analysts": LATER, "Rose": BORN}, {}, found.resources)
    todo = plan(found, there(ROLES), OURS)
    assert todo.drop == ("analysts",)
    assert any("member_of - {'analysts'}" in text for text in todo.leaving)
    assert any("member_of + {'analysts'}" in text for text in todo.making)


def test_rights_that_nobody_granted_are_taken_on_keyspaces_of_ours_only() -> None:
    held = {
        ("analysts", SALES): WRITE | {"MADE_UP"},
        ("analysts", "data/theirs"): WRITE,
        ("Rose", f"{SALES}/t"): WRITE,
    }
    todo = plan(wanted(ROLES, {("analysts", SALES): READ}), there(ROLES, held), OURS)
    assert todo.rights == ('REVOKE MODIFY ON KEYSPACE "sales" FROM "analysts"',)


def test_a_group_has_of_each_table_that_is_there_what_it_was_granted_and_no_more() -> None:
    want = {("analysts", f"{SALES}/{name}"): READ for name in ("new", "x/y", "not_there")}
    held = {("analysts", f"{SALES}/old"): WRITE, ("analysts", "data/theirs/t"): READ}
    tables = frozenset((("sales", "new"), ("sales", "x/y"), ("sales", "old")))
    actual = replace(there(ROLES, held), tables=tables)
    assert set(plan(wanted(ROLES, want), actual, OURS).rights) == {
        'GRANT SELECT ON TABLE "sales"."new" TO "analysts"',
        'GRANT SELECT ON TABLE "sales"."x/y" TO "analysts"',
        'REVOKE MODIFY ON TABLE "sales"."old" FROM "analysts"',
        'REVOKE SELECT ON TABLE "sales"."old" FROM "analysts"',
    }


def test_a_keyspace_that_is_not_there_is_granted_later() -> None:
    found = Actual(ROLES, {}, frozenset())
    assert plan(wanted(ROLES, {("analysts", SALES): READ}), found, OURS).rights == ()


def test_members_come_in_batches_of_one_group() -> None:
    names = [f"{number:063d}" for number in range(MEMBERS_AT_ONCE + 1)]
    roles = {"g": Role(), **{name: person("g") for name in names}}
    batches = [text for text in plan(wanted(roles), there({}), {}).making if "BATCH" in text]
    assert [text.count("INSERT") for text in batches] == [MEMBERS_AT_ONCE, 1]


def test_another_password_or_none_is_set() -> None:
    for hashed, said in (
        ("$2a$04$y", "true, salted_hash = '$2a$04$y'"),
        (None, "false, salted_hash = null"),
    ):
        roles = {**ROLES, "Rose": person("analysts", hashed=hashed)}
        [text] = plan(wanted(roles), there(ROLES), OURS).making
        assert said in text
