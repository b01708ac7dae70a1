"""The shape of the source: imports point one way, and nothing grows too big to be seen at once."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "myriad"
MODULES = sorted(SOURCE.rglob("*.py"))
SCRIPTS = [
    path
    for name in ("tests", "benchmarks", "docs", "tools")
    for path in (ROOT / name).rglob("*.py")
]

# Each layer may import those to its right, and itself.
LAYERS = [
    {"__main__"},
    {"cli"},
    {"demo"},
    {"api"},
    {"connect", "door", "people", "publish"},
    {"engines", "sources"},
    {"cql", "limits", "model"},
    {"home", "named_sql", "settings", "verifiers"},
    {"errors"},
]
HEIGHT = {name: level for level, names in enumerate(LAYERS) for name in names}
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 50


def _part(module: str) -> str:
    """Return the part of Myriad that a module belongs to; what the package shows is its API."""
    name = module.partition(".")[2].split(".")[0]
    return "api" if name in {"", "__version__", "Myriad", "open"} else name


def _height(module: str, unknown: int) -> int:
    return HEIGHT.get(_part(module), unknown)


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield node.lineno, "." * node.level + (node.module or "")
        elif isinstance(node, ast.ImportFrom) and node.module == "myriad":
            yield from ((node.lineno, f"myriad.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""


def _upward(path: Path) -> Iterator[str]:
    importer = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
    if importer == "myriad.__init__":
        return  # the package's face: shows what `api` has
    for line, module in _imports(ast.parse(path.read_text("utf-8"))):
        place = f"{path.relative_to(ROOT)}:{line}"
        if module.startswith("."):
            yield f"{place}: relative import {module}"
        elif module.split(".")[0] == "myriad" and _height(module, -1) < _height(importer, 99):
            yield f"{place}: {_part(importer)} must not import {module}"


def test_every_part_of_the_package_has_its_layer() -> None:
    parts = {path.relative_to(SOURCE).parts[0].removesuffix(".py") for path in MODULES}
    assert parts - {"__init__", "sql"} <= HEIGHT.keys()


def test_imports_point_one_way() -> None:
    assert [fault for path in MODULES for fault in _upward(path)] == []


def test_the_check_sees_an_upward_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "myriad" / "home.py"
    module.parent.mkdir()
    module.write_text("def f():\n    from myriad.engines.base import Server\n")
    monkeypatch.setitem(globals(), "SOURCE", module.parent)
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert list(_upward(module)) == ["myriad/home.py:2: home must not import myriad.engines.base"]


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
