"""A table that is taken away, once."""

from tests.harness import run
from tests.publishing import Place


def test_what_was_taken_away_is_not_taken_away_again(place: Place) -> None:
    def said(*arguments: str) -> str:
        home = place.installation.home
        done = run(home, "unpublish", *arguments, "--yes", "--database", place.database)
        return f"{done.returncode} {done.stdout}{done.stderr}"

    for name in ("t", "u"):
        place.publish(place.write(f"{name}.csv", "a\n1\n"))
    assert said("t").startswith("0 ")
    again = said("t")
    assert again.startswith("1 error: no table public.t is published any more"), again
    where = f"--database {place.database}`"
    assert f"`myriad undo public.t {where}" in again
    assert f"`myriad unpublish public.t --purge {where}" in again
    both = said("t", "u")
    assert both.startswith("0 "), both
    assert "public.u: taken away" in both
    assert "t: was taken away before" in both
    assert said("t", "--purge").startswith("0 ")
    for arguments in (("t",), ("t", "--purge")):
        assert "no version of it is kept" in said(*arguments)
