"""What the documentation shows in `console` blocks is true.

Each page is one person's session in a fresh home and folder. Lines with `$ ` are run in order;
each must end with exit code 0, or with the one its comment `# exit N` says. The lines below must
come in its output, in that order; `…` stands for any text. What a page needs but does not show
stands in a comment that begins with `<!--console`.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import myriad
from myriad import cli
from myriad.home.home import Home
from myriad.sources.places.names import table_of

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^(```|<!--)console\n(.*?)^(?:```|-->)", re.MULTILINE | re.DOTALL)
EXIT = re.compile(r"# exit (\d+)$")
SHELLS = set("|<>;&$*?~`(){}[]\\")
# One node takes a third of the time of all pages; those of formats without options change least.
AT_NIGHT = ("cassandra.md", "columnar-files.md", "databases.md")
SERVING = ("myriad up", "myriad demo", "myriad sql")
PAGES = [
    path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if BLOCK.search(path.read_text("utf-8"))
]


@dataclass
class Example:
    """A command, the exit code it ends with, and lines of its output."""

    command: str
    code: int
    shown: list[str] = field(default_factory=list)


def examples(page: str, *, hidden: bool = True) -> Iterator[Example]:
    for begin, block in BLOCK.findall(page):
        if not hidden and begin != "```":
            continue
        example = None
        for line in block.splitlines():
            if line.startswith("$ "):
                if example:
                    yield example
                code = EXIT.search(line)
                example = Example(line[2:], int(code[1]) if code else 0)
            else:
                assert example, f"output before any command: {line}"
                example.shown.append(line)
        if example:
            yield example


def in_order(shown: list[str], output: str) -> str | None:
    """Return the first of the `shown` lines that does not come in its place, None if all do."""
    lines = iter(output.splitlines())
    for wanted in shown:
        pattern = re.compile(".*".join(re.escape(part) for part in wanted.rstrip().split("…")))
        if not any(pattern.fullmatch(line.rstrip()) for line in lines):
            return wanted
    return None


@pytest.mark.nightly(by_day=[path.name for path in PAGES if path.name not in AT_NIGHT])
@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_the_pages_examples_do_what_it_shows(
    page: Path, made_home: Home, folder: Path, java: Path
) -> None:
    place = folder / "work"
    place.mkdir()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    own = {"PATH": path, "HOME": str(place), "MYRIAD_HOME": str(made_home.folder)}
    own["MYRIAD_JAVA"] = str(java)
    try:
        for example in examples(page.read_text("utf-8")):
            run = _run_here if _is_plain(example.command) else _run_in_shell
            code, output = run(example.command, place, own)
            assert code == example.code, f"$ {example.command}\n{output}"
            missing = in_order(example.shown, output)
            assert missing is None, f"$ {example.command}\nno line {missing!r} in:\n{output}"
    finally:
        myriad.open(made_home).down()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_commands_of_a_page_have_the_options_that_it_shows(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every day, also of a page that is run by night alone: all is read, and nothing is done."""
    monkeypatch.setattr(click.Command, "invoke", lambda *_: None)
    shown = [each for each in examples(page.read_text("utf-8")) if _is_plain(each.command)]
    assert shown
    for example in shown:
        if example.code != click.UsageError.exit_code:
            code, output = _run_here(example.command, ROOT, {})
            of_before = re.search(r"(Path|File|Directory) '.*' does not exist", output)
            read = code == 0 or (code == click.UsageError.exit_code and of_before)
            assert read, f"$ {example.command}\n{output}"


def test_the_pages_may_be_followed_one_after_the_other_in_one_home() -> None:
    """No two of them give one table, file or person different contents."""
    makers: dict[str, set[str]] = {}
    for page in PAGES:
        for example in examples(page.read_text("utf-8"), hidden=False):
            for name in _made(example.command):
                makers.setdefault(name, set()).add(page.name)
    assert len(makers) > 20
    assert {name: pages for name, pages in makers.items() if len(pages) > 1} == {}


def _made(command: str) -> set[str]:
    """Return which tables a line publishes as a plain file's, and which people it adds."""
    if not _is_plain(command) or not command.startswith(("myriad publish ", "myriad person add ")):
        return set()
    _, name, *arguments = shlex.split(command, comments=True)
    asked = cli.main.get_command(click.Context(cli.main), name)
    if isinstance(asked, click.Group):
        asked = asked.commands[arguments.pop(0)]
    assert asked is not None
    given = asked.make_context(name, arguments).params
    if "names" in given:
        return {f"person {name.casefold()}" for name in given["names"]}
    place = f"{given['database'] or 'main'}.{given['dataset'] or 'public'}"
    tables = [given["table"]] if given["table"] else map(table_of, map(Path, given["sources"]))
    return {f"table {place}.{table}" for table in tables}


def _is_plain(command: str) -> bool:
    """Say whether a line is a command of ours, from which a shell would make nothing else."""
    serves = command.startswith(SERVING) and not command.startswith("myriad up --detach")
    own = command.startswith("myriad ") and not serves
    return own and not SHELLS.intersection(EXIT.sub("", command))


def _run_here(command: str, place: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Run `myriad` in this process, which saves the time of its imports."""
    _, *arguments = shlex.split(command, comments=True)
    with chdir(place):
        done = CliRunner(env=environment).invoke(cli.main, arguments)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def _run_in_shell(command: str, place: Path, environment: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=place,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


def test_what_a_shell_makes_something_of_is_left_to_it() -> None:
    plain = ("myriad up --detach", "myriad publish t.csv    # exit 4", "myriad person add 'A B'")
    others = ("myriad up", "ls", "myriad list > t", "myriad x | y", "myriad publish *.csv")
    assert [_is_plain(command) for command in (*plain, *others)] == [True] * 3 + [False] * 5


def test_a_line_that_is_not_in_the_output_is_found() -> None:
    output = "main.t: created, 2 rows (from a.csv)\n  id  smallint\n"
    assert in_order(["main.t: created, 2 rows …", "  id  …"], output) is None
    assert in_order(["main.t: created, 3 rows …"], output) == "main.t: created, 3 rows …"
    assert in_order(["  id  …", "main.t…"], output) == "main.t…"


def test_links_of_the_documentation_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8"))
        if "://" not in target and not _is_there(page, target)
    ]
    assert broken == []


def _is_there(page: Path, target: str) -> bool:
    """Say whether there is such a file, with such a heading."""
    name, _, heading = target.partition("#")
    found = page.parent / name if name else page
    if not found.exists() or not heading:
        return found.exists()
    titles = re.findall(r"^#+ (.+)$", found.read_text("utf-8"), re.MULTILINE)
    return heading in {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in titles}
