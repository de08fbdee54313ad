"""Render the report's Quarto document, with Quarto where it is installed and with pandoc where it is not.

Both ways read the same folder: `index.qmd`, the files it includes, `_variables.yml`, figures and styles. With
pandoc, includes and variables are put in here, `quarto.lua` does the rest, and Typst sets the PDF.
Nothing that stays unresolved passes: the error names it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from polyhead.errors import PolyheadError
from polyhead.files import replacing

SHORTCODE = re.compile(r"\{\{<\s*(\S+)\s+(\S+)\s*>\}\}")
SOURCE = "index.qmd"
PANDOC = (
    "--from=markdown-auto_identifiers+gfm_auto_identifiers",
    "--standalone",
    "--fail-if-warnings",
    "--lua-filter=quarto.lua",
    "--citeproc",
    "--toc",
    "--toc-depth=2",
    "--number-sections",
    "--columns=400",
)
UNRESOLVED = re.compile(r"\?(?:var|meta):[\w.-]*|\{\{<.*?>\}\}|\?@[\w-]+")
LOADED = r"<(?:script|img|link|iframe|source|object)\b[^>]*?\b(?:src|href|data)\s*=\s*"
EXTERNAL = re.compile(LOADED + r"""["'](?!data:|\#)([^"']+)""")
ANCHOR = re.compile(r"""href="#([^"]+)\"""")
IDENTIFIER = re.compile(r"""\bid="([^"]+)\"""")


@dataclass(frozen=True)
class Renderer:
    """A program that turns the document into a page and a PDF."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def choose_renderer(wanted: str) -> Renderer:
    """Return the renderer for the config's `report.renderer`: quarto, pandoc or auto.

    Raises:
        PolyheadError: quarto is asked for and is not on PATH.
    """
    quarto = shutil.which("quarto")
    if wanted == "quarto" and quarto is None:
        raise PolyheadError(
            "report.renderer: quarto is not on PATH; install it from https://quarto.org or say pandoc"
        )
    if quarto and wanted != "pandoc":
        return Renderer("Quarto", _run([quarto, "--version"], Path()).strip())
    import pypandoc
    import typst

    return Renderer("pandoc", f"{pypandoc.get_pandoc_version()} with Typst {typst.__version__}")


def render(build: Path, html: Path, pdf: Path, renderer: Renderer) -> None:
    """Render the document in `build`, which stays as it is, and put the results in place once both are right.

    Raises:
        PolyheadError: something is missing or unresolved; the message names it.
    """
    make = render_quarto if renderer.name == "Quarto" else render_pandoc
    with tempfile.TemporaryDirectory(prefix="polyhead-report-") as folder:
        work = Path(folder) / "report"
        shutil.copytree(build, work)
        tell_renderer(work / "_variables.yml", renderer)
        made_html, made_pdf = make(work)
        check_html(made_html.read_text(encoding="utf-8"))
        for made, place in ((made_html, html), (made_pdf, pdf)):
            with replacing(place) as temporary:
                shutil.copyfile(made, temporary)


def tell_renderer(variables: Path, renderer: Renderer) -> None:
    """Add the renderer's name to the document's variables."""
    values = yaml.safe_load(variables.read_text(encoding="utf-8"))
    values["renderer"] = str(renderer)
    write_variables(variables, values)


def write_variables(path: Path, values: Mapping[str, Any]) -> None:
    """Write `_variables.yml`, every string quoted: Quarto would print a bare 0.910 as 0.91."""
    text = yaml.dump(dict(values), allow_unicode=True, default_style='"', sort_keys=True, width=10_000)
    path.write_text(text, encoding="utf-8")


def expand(path: Path, variables: Mapping[str, Any], chain: tuple[Path, ...] = ()) -> str:
    """Return a document's text with its includes and variables put in.

    Raises:
        PolyheadError: an include, a variable or a shortcode that is not known, with the line it stands in.
    """
    if path in chain:
        raise PolyheadError(f"report: {path.name} includes itself")

    def resolve(match: re.Match[str]) -> str:
        kind, name = match.groups()
        where = f"{path.name}, line {text[: match.start()].count(chr(10)) + 1}"
        if kind == "var":
            return variable(name, variables, where)
        if kind != "include":
            raise PolyheadError(f"report: {where}: unknown shortcode {match[0]}")
        if not (path.parent / name).is_file():
            raise PolyheadError(f"report: {where}: the include {name} does not exist")
        return expand(path.parent / name, variables, (*chain, path))

    text = path.read_text(encoding="utf-8")
    return SHORTCODE.sub(resolve, text)


def variable(name: str, variables: Mapping[str, Any], where: str) -> str:
    """Return the text of a dotted variable name."""
    value: Any = variables
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if not isinstance(value, str):
        raise PolyheadError(f"report: {where}: the variable {name} is not known")
    return value


def render_pandoc(work: Path) -> tuple[Path, Path]:
    """Render with pandoc and Typst in `work`."""
    variables = yaml.safe_load((work / "_variables.yml").read_text(encoding="utf-8"))
    (work / "whole.md").write_text(expand(work / SOURCE, variables), encoding="utf-8")
    html = ["--to=html5", "--mathml", "--embed-resources", "--css=style.css", "--output=index.html"]
    _run([_pandoc(), "whole.md", *PANDOC, *html], work)
    _run(
        [
            _pandoc(),
            "whole.md",
            *PANDOC,
            "--to=typst",
            "--template=pdf.typ",
            "--include-in-header=pdf-style.typ",
            "--output=index.typ",
        ],
        work,
    )
    compile_typst(work / "index.typ", work / "index.pdf")
    return work / "index.html", work / "index.pdf"


def compile_typst(source: Path, pdf: Path) -> None:
    """Set a PDF with the fonts that come with Typst and the document, whatever the machine has."""
    import typst

    fonts = typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=True, font_paths=[str(source.parent / "fonts")]
    )
    try:
        typst.compile(str(source), output=str(pdf), root=str(source.parent), font_paths=fonts)
    except typst.TypstError as error:
        raise PolyheadError(f"report: Typst: {error}") from error


def render_quarto(work: Path) -> tuple[Path, Path]:
    """Render with Quarto in `work`."""
    for target in ("html", "typst"):
        said = _run(["quarto", "render", SOURCE, "--to", target], work)
        if warning := re.search(r"^.*\bWARN.*$", said, flags=re.MULTILINE):
            raise PolyheadError(f"report: Quarto: {warning[0].strip()}")
    return work / "index.html", work / "index.pdf"


def check_html(page: str) -> None:
    """Raise `PolyheadError` if a page has an unresolved construct, a dead anchor, or fetches anything."""
    if found := UNRESOLVED.search(re.sub(r"data:[\w/+;=-]+,[^\"']*", "", page)):
        raise PolyheadError(f"report: unresolved in the page: {found[0]}")
    if found := EXTERNAL.search(page):
        raise PolyheadError(f"report: the page would fetch {found[1]}")
    if dead := set(ANCHOR.findall(page)) - set(IDENTIFIER.findall(page)):
        raise PolyheadError(f"report: the page links to nothing at #{min(dead)}")


def _pandoc() -> str:
    import pypandoc

    return pypandoc.get_pandoc_path()


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if done.returncode:
        lines = [line for line in said.splitlines() if line.strip()] or [f"exit status {done.returncode}"]
        detail = "\n".join(lines[-12:])
        raise PolyheadError(f"report: {Path(command[0]).name} failed:\n{detail}")
    print(said, end="")
    return said
