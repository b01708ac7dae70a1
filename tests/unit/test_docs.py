"""The pages that are made from the program say what the program says."""

import re

import pytest

from docs import generate

INTEGRATION = generate.FOLDER.parent / "tests" / "integration"


@pytest.mark.parametrize("name", generate.PAGES)
def test_a_generated_page_is_what_the_program_says(name: str) -> None:
    written = (generate.FOLDER / name).read_text("utf-8")
    assert written == generate.PAGES[name](), f"docs/{name} is outdated: `make docs`"


def test_every_test_that_the_page_on_security_names_is_there() -> None:
    page = (generate.FOLDER / "security.md").read_text("utf-8")
    named = set(re.findall(r"test_[\w*]+\.py", page))
    assert len(named) > len(("hostile", "attacks", "hardening"))
    folders = [INTEGRATION.parent / each for each in ("acceptance", "integration", "unit")]
    missing = [name for name in named if not any(any(each.glob(name)) for each in folders)]
    assert missing == []


def test_every_test_that_attacks_is_named_on_the_page_on_security() -> None:
    page = (generate.FOLDER / "security.md").read_text("utf-8")
    named = re.findall(r"test_[\w*]+\.py", page)
    attacks = [*INTEGRATION.glob("test_*hostile*.py"), *INTEGRATION.glob("test_*attacks*.py")]
    unnamed = [each.name for each in attacks if not any(map(each.match, named))]
    assert unnamed == []
