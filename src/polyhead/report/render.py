"""Render the report with Quarto if it is installed, else with pandoc.

Both read the same folder: `index.qmd`, filled, with figures and styles. For pandoc, `quarto.lua` does what
else Quarto would do, and Typst makes the PDF. Anything that cannot be resolved is an error.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path

from polyhead.errors import PolyheadError
from polyhead.files import replacing, write_text

SOURCE = "index.qmd"
COLUMNS = "--columns=400"
"""More than any table has: pandoc gives the columns of wider tables relative widths."""
PANDOC = ["--from=markdown-auto_identifiers+gfm_auto_identifiers", "--lua-filter=quarto.lua", COLUMNS]
PANDOC += ["--standalone", "--fail-if-warnings", "--citeproc", "--number-sections"]
CONTENTS = re.compile(r'(<nav\b[^>]*\bid="TOC"[^>]*>)(.*?)(</nav>)', re.DOTALL)
COLOURED = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
STACK_FRAME = re.compile(r"\s+at \S")
LONGEST_COMPLAINT = 12


def renderer_here(wanted: str) -> str:
    """Return what the config's `report.renderer` means on this machine: quarto or pandoc."""
    if wanted == "auto":
        return "quarto" if shutil.which("quarto") else "pandoc"
    return wanted


def with_version(renderer: str) -> str:
    """Return a renderer's name and version; raise `PolyheadError` if Quarto is asked for and not on PATH."""
    if renderer == "pandoc":
        import pypandoc

        return f"pandoc {pypandoc.get_pandoc_version()} with Typst {version('typst')}"
    if not shutil.which("quarto"):
        raise PolyheadError(
            "report.renderer: quarto is not on PATH; install it from https://quarto.org or say pandoc"
        )
    return f"Quarto {_run(['quarto', '--version'], Path()).strip()}"


def render(build: Path, html: Path, pdf: Path, renderer: str) -> None:
    """Render the document in a copy of `build`; put page and PDF in their places if both are there."""
    with tempfile.TemporaryDirectory(prefix="polyhead-report-") as folder:
        work = Path(folder) / "report"
        shutil.copytree(build, work)
        (render_quarto if renderer == "quarto" else render_pandoc)(work)
        write_text(html, with_folded_contents((work / "index.html").read_text(encoding="utf-8")))
        with replacing(pdf) as temporary:
            shutil.copyfile(work / "index.pdf", temporary)


def with_folded_contents(page: str) -> str:
    """Return a page whose contents open on demand; the style sheet keeps them open where there is room."""
    return CONTENTS.sub(r"\1\n<details>\n<summary>Contents</summary>\2</details>\n\3", page)


def render_pandoc(work: Path) -> None:
    """Make index.html and index.pdf in `work` with pandoc and Typst."""
    import pypandoc

    pandoc = [pypandoc.get_pandoc_path(), SOURCE, *PANDOC]
    html = ("--to=html5", "--toc", "--toc-depth=2", "--mathml", "--embed-resources", "--css=style.css")
    _run([*pandoc, *html, "--output=index.html"], work)
    paper = ("--to=typst", "--template=pdf.typ", "--include-in-header=pdf-style.typ")
    _run([*pandoc, *paper, "--output=index.typ"], work)
    compile_typst(work / "index.typ", work / "index.pdf")


def compile_typst(source: Path, pdf: Path) -> None:
    """Make a PDF with the fonts of Typst and of the document only, so that it is the same on all machines."""
    import typst

    fonts = typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=True, font_paths=[str(source.parent / "fonts")]
    )
    try:
        typst.compile(str(source), output=str(pdf), root=str(source.parent), font_paths=fonts)
    except typst.TypstError as error:
        raise PolyheadError(f"report: Typst: {error}") from error


def render_quarto(work: Path) -> None:
    """Make index.html and index.pdf in `work` with Quarto, whose warnings are errors."""
    for target in ("html", "typst"):
        said = _run(["quarto", "render", SOURCE, "--to", target, COLUMNS], work)
        if warning := re.search(r"^.*\bWARN.*$", said, flags=re.MULTILINE):
            raise PolyheadError(f"report: Quarto: {warning[0].strip()}")


def _run(command: list[str], folder: Path) -> str:
    """Return what a program printed, without colours; an error has its last lines, without Quarto's stack."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    said = COLOURED.sub("", done.stdout + done.stderr)
    if done.returncode:
        lines = [line for line in said.splitlines() if line.strip() and not STACK_FRAME.match(line)]
        complaint = "\n".join(lines[-LONGEST_COMPLAINT:]) or f"exit status {done.returncode}"
        raise PolyheadError(f"report: {Path(command[0]).name} failed:\n{complaint}")
    print(said, end="")
    return said
