"""Which source files a script depends on, found from import statements without importing anything.

Imports inside functions count. Not counted are imports under `TYPE_CHECKING`, the lazy exports of a package's
`__init__` (PEP 562), and the `__init__` of a package of which only a module is imported.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path


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
        for module, name in imports(_parsed(path).body, _package(path, root)):
            if module[:1] and module[0] in _names(root):
                found += _files(module, name, root)
    return tuple(found)


def imports(
    body: Sequence[ast.AST], package: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str | None]]:
    """Yield every import: the module's name as parts, and the name that is imported from it, if any.

    `package` is that of the file itself, from which relative imports start.
    """
    for node in body:
        if isinstance(node, ast.Import):
            yield from ((tuple(alias.name.split(".")), None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = above + tuple(node.module.split(".") if node.module else ())
            yield from ((module, alias.name) for alias in node.names)
        elif isinstance(node, ast.If) and _for_type_checkers(node.test):
            yield from imports(node.orelse, package)
        elif not (isinstance(node, ast.FunctionDef) and node.name == "__getattr__"):
            for part in ("body", "orelse", "finalbody", "handlers", "cases"):
                yield from imports(getattr(node, part, ()), package)


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
    if file and name and _is_lazy(_parsed(file), name):
        raise ImportError(f"{file} exports {name} lazily; import it from the module that defines it")
    return [file] if file else []


def _file(place: Path) -> Path | None:
    files = (place.with_name(f"{place.name}.py"), place / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def _is_lazy(tree: ast.Module, name: str) -> bool:
    """Return whether a module creates a name only when it is first used (PEP 562)."""
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return "__getattr__" in functions and name not in (functions | _bound(tree) | {"*"})


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
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), path)


def _package(path: Path, root: Path) -> tuple[str, ...]:
    """Return the parts of the name of the package that a file is in, as seen from a folder."""
    return path.parent.relative_to(root).parts if path.is_relative_to(root) else ()
