"""How templates are filled: Jinja2 with tags that mean nothing to Quarto, pandoc, Typst and HTML.

They are written `<< value >>`, `<% statement %>` and `<# remark #>`. A name that is not known is an error.
"""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def environment(*folders: Path) -> Environment:
    """Return what fills templates, and where it finds them. Values are put in as they are, not escaped."""
    return Environment(
        loader=FileSystemLoader(folders),
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
