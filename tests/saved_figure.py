"""What holds for every saved figure: text is text, readable on the figure's own paper."""

from pathlib import Path
from xml.etree import ElementTree

from polyhead.style import SVG, save_svg


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
    assert not list(root.iter(f"{{{SVG}}}image")), "a figure holds no raster image"
    assert not [one for one in root.iter() if "DejaVu" in one.get("id", "")], "text is text"
    return [element.text for element in root.iter(f"{{{SVG}}}text")]
