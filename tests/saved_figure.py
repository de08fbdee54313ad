"""What holds for every saved figure: text is text, and no ink stays as it is where the screen is dark."""

from pathlib import Path
from xml.etree import ElementTree

from polyhead.style import DARK, ON_DEEP, ON_PALE, PAPER, SVG, save_svg

SEABORN_ON_PALE = "#262626"
ON_CELLS = {ON_DEEP, ON_PALE, SEABORN_ON_PALE}
"""Inks of text on coloured cells, which turn as little as the cells do."""
DARKEST_PAPER = DARK[PAPER]


def tag(element):
    """Return an element's name without its namespace."""
    return element.tag.removeprefix(f"{{{SVG}}}")


def luminance(colour):
    """Return the relative luminance of `#rrggbb` by WCAG 2.2."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """Return the contrast of two colours by WCAG 2.2."""
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def texts_of(figure, path):
    """Save a figure, hold it to what holds for all, and return its texts."""
    save_svg(figure, path)
    root = ElementTree.fromstring(Path(path).read_text(encoding="utf-8"))
    check_text(root)
    check_inks(root)
    return [element.text for element in root.iter(f"{{{SVG}}}text")]


def check_text(root):
    """Fail where a glyph is a path, or anything a raster image."""
    assert not list(root.iter(f"{{{SVG}}}image")), "a figure holds no raster image"
    assert not [element for element in root.iter() if "DejaVu" in element.get("id", "")], "text is text"


def check_inks(root):
    """Fail where text, or the figure's ground, would be as on paper on a dark screen.

    Text of a colour that turns must be readable on dark paper; other text must be ink for coloured cells.
    """
    assert "prefers-color-scheme: dark" in root.find(f".//{{{SVG}}}style").text
    for element in root.iter():
        assert not {"fill", "stroke"} & {part.split(":")[0] for part in element.get("style", "").split("; ")}
        assert "#000000" not in (element.get("fill"), element.get("stroke"))
        if tag(element) == "text":
            ink = element.get("fill")
            assert ink in ON_CELLS or contrast(DARK.get(ink, ink), DARKEST_PAPER) >= 4.5, element.text
    ground = root.find(f".//*[@id='patch_1']/{{{SVG}}}path")
    assert ground is None or ground.get("fill") == "none", "a figure has no ground of its own"
