"""The shape of the source: imports point one way, and nothing grows too big to be seen at once."""

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "myriad"
MODULES = sorted(SOURCE.rglob("*.py"))
SCRIPTS = [
    path
    for name in ("tests", "benchmarks", "docs", "tools")
    for path in (ROOT / name).rglob("*.py")
]

MAX_MODULE_LINES = 400
HEAVY = {"numpy", "pyarrow", "duckdb", "pgpq"}
THREADS = "OPENBLAS_NUM_THREADS"
MAX_FUNCTION_LINES = 50
MEDIAN_FUNCTION_LINES = 8
MAX_ATTRIBUTES = 25
EQUAL_LINES = 10


def test_imports_point_one_way_and_in_no_circle() -> None:
    """The contract stands in pyproject.toml."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    assert f"{len(contracts['contracts'])} kept, 0 broken" in done.stdout


def test_modules_are_short_enough_to_have_one_subject() -> None:
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in MODULES + SCRIPTS}
    assert {path: lines for path, lines in lengths.items() if lines >= MAX_MODULE_LINES} == {}


def test_functions_are_short_enough_to_be_seen_at_once() -> None:
    too_long = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {lines} lines"
        for path in MODULES + SCRIPTS
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        if (lines := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]
    assert too_long == []


def test_half_of_all_functions_are_seen_without_moving_the_eye() -> None:
    lengths = [
        (node.end_lineno or 0) - node.lineno + 1
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    assert median(lengths) <= MEDIAN_FUNCTION_LINES


def test_no_object_has_more_state_than_can_be_kept_in_mind() -> None:
    large = {
        f"{path.relative_to(ROOT)}: {node.name}": len(_attributes(node))
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
    }
    assert {name: count for name, count in large.items() if count > MAX_ATTRIBUTES} == {}


def _attributes(of: ast.ClassDef) -> set[str]:
    """Return the fields that a class declares, and what its methods set."""
    found = {
        node.attr
        for node in ast.walk(of)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        if isinstance(node.value, ast.Name) and node.value.id == "self"
    }
    for node in of.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__slots__":
            found |= set(ast.literal_eval(node.value))
    return found


def test_nothing_stands_in_two_places() -> None:
    places: dict[tuple[str, ...], list[str]] = {}
    for path in MODULES:
        written = enumerate(path.read_text("utf-8").splitlines(), 1)
        lines = [(number, line.strip()) for number, line in written if line.strip()]
        for first in range(len(lines) - EQUAL_LINES + 1):
            run = lines[first : first + EQUAL_LINES]
            if not any(line.startswith(("import ", "from ")) for _, line in run):
                texts = tuple(line for _, line in run)
                places.setdefault(texts, []).append(f"{path.relative_to(ROOT)}:{run[0][0]}")
    assert [found for found in places.values() if len(found) > 1] == []


def test_the_doors_rooms_stay_few_and_far_apart() -> None:
    """Twelve rooms, forty arrows between them: so many can be drawn on one page."""
    door = SOURCE / "door"
    arrows = {
        (path.relative_to(door).parts[0].removesuffix(".py"), module.split(".")[2])
        for path in door.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and (module := node.module or "")
        if module.startswith("myriad.door.")
    }
    rooms = {room for arrow in arrows for room in arrow}
    assert len(rooms) <= 12
    assert len([arrow for arrow in arrows if arrow[0] != arrow[1]]) <= 40


def test_no_command_loads_what_reads_files_before_it_reads_one() -> None:
    """numpy, pyarrow and duckdb take longer to load than most commands to run."""
    modules = [path.stem for path in (SOURCE / "cli").glob("[!_]*.py")]
    script = f"import sys\nfrom myriad.cli import {', '.join(modules)}\nprint(*sys.modules)"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


def test_a_publish_of_a_plain_file_loads_nothing_of_cassandra_the_web_or_people() -> None:
    """What that costs: decisions/0024-what-a-publish-costs.md."""
    script = (
        "import sys\nfrom myriad.cli import publish\nfrom myriad.publish import publish\n"
        "from myriad.engines.cassandra import announcement\nfrom myriad.sources.csv import source\n"
        "from myriad.running import background\n"  # which says whether anything is up
        "print(*sys.modules)"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    idle = "pyarrow.compute", "http.client", "myriad.cql", "myriad.people.people"
    assert loaded & {"myriad.sources.csv.source", "myriad.publish.publish"}
    assert not loaded & {*idle, "myriad.engines.cassandra.base", "myriad.sources.places.cloud"}


def test_commands_on_what_is_there_load_nothing_to_read_files_with(
    tmp_path: Path,
) -> None:
    commands = "status", "down", "list", "history", "undo t", "unpublish t", "person list"
    script = (
        "import sys\nfrom click.testing import CliRunner\nfrom myriad import cli\n"
        f"for command in {commands}:\n"
        f"    arguments = [*command.split(), '--home', {str(tmp_path)!r}]\n"
        "    print(CliRunner().invoke(cli.main, arguments).exit_code, file=sys.stderr)\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert not (HEAVY | {"cryptography", "rich"}) & set(done.stdout.split())
    assert done.stderr.split() == [*"30", *"11111"]  # `status` of no home, and what is not up


def test_no_command_loads_pandas_for_its_first_array_or_begins_threads_for_algebra() -> None:
    """pyarrow and numpy do, which takes as long as all else that is loaded."""
    script = """
import os, sys
from myriad.__main__ import run
sys.argv = ["myriad", "--version"]
try:
    run()
except SystemExit:
    import numpy
    tasks = "/proc/self/task"
    threads = len(os.listdir(tasks)) if os.path.exists(tasks) else 1
    import pyarrow
    pyarrow.array([1])
    print(*sys.modules, f"{threads=}")
"""
    command = [sys.executable, "-c", script]
    outside = {name: value for name, value in os.environ.items() if name != THREADS}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=outside)
    loaded = set(done.stdout.split())
    assert {"pyarrow", "numpy", "threads=1"} <= loaded
    assert "pandas" not in loaded
