"""The pages that are made from the program say what the program says."""

import pytest

from docs import generate


@pytest.mark.parametrize("name", generate.PAGES)
def test_a_generated_page_is_what_the_program_says(name: str) -> None:
    written = (generate.FOLDER / name).read_text("utf-8")
    assert written == generate.PAGES[name](), f"docs/{name} is outdated: `make docs`"
