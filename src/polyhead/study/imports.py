"""Which source files a script depends on, found from import statements without importing anything.

Imports inside functions count. Not counted are imports under `TYPE_CHECKING`, the lazy exports of a package's
`__init__` (PEP 562), and the `__init__` of a package of which only a module is imported.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Source(NamedTuple):
    """What counts of a Python file. No syntax tree is kept: searching many of them for garbage takes long."""

    imports: tuple[tuple[int, tuple[str, ...], str | None], ...]
    at_once: frozenset[str] | None
    """Names that it defines itself, if it creates others when they are first used (PEP 562)."""


def reached(script: Path, library: Path) -> list[Path]:
    """Return the files that a script imports, directly or through others, sorted, without the script itself.

    Args:
        script: a Python file; modules in its folder are found too.
        library: folder that holds the packages, such as `src`.

    Raises:
        ImportError: a name that a package exports lazily is imported, and nothing says from which module.
    """
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        new = set(imported_files(waiting.pop(), script.parent, library)) - found
        found |= new
        waiting += new
    return sorted(found - {script})


@cache
def imported_files(path: Path, *roots: Path) -> tuple[Path, ...]:
    """Return the files in any of the folders that a Python file imports directly."""
    found = []
    for root in roots:
        package = _package(path, root)
        for level, below, name in _read(path).imports:
            module = (package[: len(package) - level + 1] if level else ()) + below
            if module[:1] and module[0] in _names(root):
                found += _files(module, name, root)
    return tuple(found)


def imports(body: Sequence[ast.AST]) -> Iterator[tuple[int, tuple[str, ...], str | None]]:
    """Yield every import: its level, the module's name as parts, and the name imported from it, if any.

    The level is 0 where the module's name is absolute, else the number of dots before it.
    """
    for node in body:
        if isinstance(node, ast.Import):
            yield from ((0, tuple(alias.name.split(".")), None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = tuple(node.module.split(".") if node.module else ())
            yield from ((node.level, module, alias.name) for alias in node.names)
        elif isinstance(node, ast.If) and _for_type_checkers(node.test):
            yield from imports(node.orelse)
        elif not (isinstance(node, ast.FunctionDef) and node.name == "__getattr__"):
            for part in ("body", "orelse", "finalbody", "handlers", "cases"):
                yield from imports(getattr(node, part, ()))


def _for_type_checkers(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"


@cache
def _names(root: Path) -> set[str]:
    """Return the names of the modules and packages in a folder."""
    return {path.stem for path in root.iterdir()}


def _files(module: tuple[str, ...], name: str | None, root: Path) -> list[Path]:
    """Return the file of a submodule that is imported from a package, else the file of the module itself."""
    submodule = _file(root.joinpath(*module, name)) if module and name else None
    if submodule:
        return [submodule]
    file = _file(root.joinpath(*module))
    at_once = _read(file).at_once if file and name else None
    if at_once is not None and name not in at_once:
        raise ImportError(f"{file} exports {name} lazily; import it from the module that defines it")
    return [file] if file else []


@cache
def _file(place: Path) -> Path | None:
    files = (place.with_name(f"{place.name}.py"), place / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def _at_once(tree: ast.Module) -> frozenset[str] | None:
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return frozenset(functions | _bound(tree) | {"*"}) if "__getattr__" in functions else None


def _bound(tree: ast.Module) -> set[str]:
    """Return the names that a module's classes, imports and assignments bind."""
    found = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            found |= {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return found


@cache
def _read(path: Path) -> Source:
    tree = ast.parse(path.read_bytes(), path)
    return Source(tuple(imports(tree.body)), _at_once(tree))


def _package(path: Path, root: Path) -> tuple[str, ...]:
    """Return the parts of the name of the package that a file is in, as seen from a folder."""
    return path.parent.relative_to(root).parts if path.is_relative_to(root) else ()
