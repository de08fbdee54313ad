"""The shipped recipe, and how tests change it."""

from pathlib import Path

RECIPE = Path(__file__).parents[1] / "recipe.yaml"


def changed(section, **changes):
    """Return a section of a recipe with other values."""
    return section.model_copy(update=changes)
