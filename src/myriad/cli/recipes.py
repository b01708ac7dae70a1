"""`myriad recipe`: what is remembered of how a table is published."""

import json
from pathlib import Path
from typing import Any

import click

from myriad.cli.common import Session, common
from myriad.errors import UsageError
from myriad.publish import recipes
from myriad.publish.recipes import Recipe
from myriad.wording import readable


@click.command("recipe")
@click.argument("table")
@click.option("--database", help="Database, if it is not the default.")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Remember this from now on."
)
@click.option("--forget", multiple=True, metavar="NAME", help="Forget this; `all` for everything.")
@click.option("--export", is_flag=True, help="Print it as JSON, for a file that --import takes.")
@click.option(
    "--import",
    "source",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take it from such a file, in place of what is remembered.",
)
@common
def recipe_command(session: Session, /, table: str, **given: Any) -> None:  # noqa: ANN401 - click's options
    """Show how TABLE (or DATASET.TABLE) is published; its next publish uses it unless told."""
    installation = session.open()
    recipe = before = installation.recipe(table, given["database"])
    if recipe == Recipe() and not (given["source"] or given["settings"] or given["forget"]):
        installation.describe(table, given["database"])  # says so if there is no such table
    if given["source"] is not None:
        recipe = _read(given["source"])
    for text in given["settings"]:
        recipe = recipe.updated(recipes.told(text))
    recipe = recipes.forgotten(recipe, given["forget"])
    if recipe != before:
        installation.set_recipe(table, recipe, given["database"])
    data = recipe.as_data()
    as_json = json.dumps(data, indent=2, ensure_ascii=False)
    changed = recipe != before and not given["export"]
    tell = session.done if changed else session.result
    tell(data, as_json if given["export"] else _text(table, recipe))


_EXPORT = "`myriad recipe TABLE --export > FILE` writes one that --import takes."


def _read(path: Path) -> Recipe:
    with path.open("rb") as file:
        text = file.read(recipes.MOST_BYTES + 1)
    if len(text) > recipes.MOST_BYTES:
        raise UsageError(f"{path} is no recipe: it has more than 1 MB", hint=_EXPORT)
    try:
        return recipes.from_data(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no JSON: {error}", hint=_EXPORT) from error


def _text(table: str, recipe: Recipe) -> str:
    if recipe == Recipe():
        return f"{table} has no recipe: it is published with what is said each time."
    named = ", ".join(map(readable, recipe.sources))
    sources = f"  from {named}" if recipe.sources else ""
    texts = {name: text.replace("\n", "\n    ") for name, text in recipe.said_of.items()}
    said = [f"  {name or table}: {text}" for name, text in texts.items()]
    return "\n".join(filter(None, [f"{table}: {recipe.written() or 'no options'}", sources, *said]))
