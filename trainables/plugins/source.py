"""The source of a plugin: found and read, never run.

    file.py:Object              a file
    package.module:Object       a module, found as `import` finds it, and at last in the current folder

The source is the text of that file and of all modules beside it that it imports, directly or through each other:
"beside" is under the folder from which `import` would find them. Of an installed package it is the module alone and the
package's version. Two plugins with the same source are the same, wherever they lie; what code computes from other
files, or from other packages, the source does not tell.
"""

import ast
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.metadata import packages_distributions, version
from pathlib import Path

from trainables.validation import nearest


@dataclass(frozen=True)
class SourceCode:
    """files: path below `root` -> text, in order of the paths; main: the one of them that holds the object; version: of
    an installed package, None of all else.
    """

    root: Path
    files: tuple[tuple[str, str], ...]
    main: str
    object: str
    version: str | None

    @property
    def is_installed(self) -> bool:
        return self.version is not None

    @property
    def digest(self) -> str:
        """Of the texts, their places beside each other, the object's name and the version."""
        of = ":".join([self.main, self.object, *([self.version] if self.version is not None else [])])
        sha = hashlib.sha256(f"{of}\n".encode())
        for path, text in self.files:
            sha.update(f"{path} {len(text.encode())}\n".encode() + text.encode())
        return f"sha256:{sha.hexdigest()}"

    @property
    def module(self) -> str:
        return module_of(self.main)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where its files lie."""
        return tuple(self.root / path for path, _ in self.files)


def read_source(name: str) -> SourceCode:
    """The source of `file.py:Object` or `package.module:Object`.

    Raises:
        ValueError: there is no such file or module, it is not Python, or has no such object.
    """
    place, _, object = name.rpartition(":")
    known = _known.get(name)
    if known is None or known[1] != _stamps(known[0]):
        root, main = _find_file(Path(place)) if place.endswith(".py") else _find_module(place)
        version = _version(main) if {"site-packages", "dist-packages"} & set(root.parts) else None
        files = tuple(sorted(_closure(root, main, only_main=version is not None)))
        source = SourceCode(root, files, main, object, version)
        known = _known[name] = (source, _stamps(source))
    source = known[0]
    defined = list(_defined(ast.parse(dict(source.files)[source.main])))
    if object not in defined and "*" not in defined:
        others = nearest(object, defined) if defined else "it defines nothing"
        raise ValueError(f"{name!r}: {source.main} defines no {object!r}; {others}")
    return source


_known: dict[str, tuple[SourceCode, tuple[object, ...]]] = {}
"""name -> its source, and how its files stood when it was read: every cell of a study asks for it."""


def _stamps(source: SourceCode) -> tuple[object, ...]:
    try:
        stats = [(source.root / path).stat() for path, _ in source.files]
    except OSError:
        return (object(),)
    return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats)


def _find_file(path: Path) -> tuple[Path, str]:
    if not path.is_file():
        raise ValueError(f"{path} is not there")
    root = root_of(path)
    return root, path.absolute().relative_to(root).as_posix()


def root_of(file: Path) -> Path:
    """The folder from which `import` finds a file: one of a package is a module of it, and finds the others there."""
    root = file.absolute().parent
    while (root / "__init__.py").is_file():
        root = root.parent
    return root


def _find_module(name: str) -> tuple[Path, str]:
    """Without importing anything, parents neither."""
    path: list[str] | None = [*sys.path, str(Path.cwd())]
    spec = None
    top, *_ = parts = name.split(".")
    for index, _ in enumerate(parts):
        spec = PathFinder.find_spec(".".join(parts[: index + 1]), path)
        if spec is None:
            raise ValueError(
                f"no module {name!r} is found; a file is written as file.py:Object, a module has to be installed,"
                " on PYTHONPATH or in the current folder"
            )
        path = list(spec.submodule_search_locations) if spec.submodule_search_locations is not None else []
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise ValueError(f"module {name!r} is no Python file")
    file = Path(spec.origin).absolute()
    root = file.parents[len(parts) - (file.name != "__init__.py")]
    return root, file.relative_to(root).as_posix()


def _version(main: str) -> str:
    top = main.partition("/")[0].removesuffix(".py")
    names = packages_distributions().get(top, [])
    return ", ".join(f"{name} {version(name)}" for name in sorted(set(names))) or "unknown"


def _closure(root: Path, main: str, *, only_main: bool = False) -> Iterator[tuple[str, str]]:
    """The main file and what it imports under the root."""
    found, waiting = {main}, [main]
    while waiting:
        path = waiting.pop()
        try:
            text = read_text(root / path)
            tree = ast.parse(text)
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{root / path} cannot be read: {error}") from None
        except SyntaxError as error:
            raise ValueError(f"{root / path}, line {error.lineno}: is not Python: {error.msg}") from None
        yield path, text
        if only_main:
            return
        for name in _imported(tree, path):
            for file in _files_of(root, name):
                if file not in found:
                    found.add(file)
                    waiting.append(file)


def _imported(tree: ast.Module, path: str) -> Iterator[str]:
    """The full names of what a file imports, wherever in it; of `from a import b` both a and a.b."""
    package = path.split("/")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" if module else alias.name for alias in node.names)
            if module:
                yield module


def _files_of(root: Path, name: str) -> Iterator[str]:
    """The files that importing `name` runs: its own, and those of the packages around it."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        inner = "/".join(parts[:length])
        for file in (f"{inner}.py", f"{inner}/__init__.py"):
            if (root / file).is_file():
                yield file


def read_text(file: Path) -> str:
    """As it stands, with whatever ends its lines; but for the mark that some editors put first."""
    return file.read_bytes().decode("utf-8-sig")


def module_of(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _defined(node: ast.AST) -> Iterator[str]:
    """The names that a module gives to its functions, classes and other objects, also under an `if` or `try`."""
    for inner in ast.iter_child_nodes(node):
        match inner:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (alias.asname or alias.name for alias in names)
            case _:
                yield from _defined(inner)


def line_of(source: SourceCode) -> int | None:
    """Where the main file gives the object its name, from 1; None if that is not to be seen in it."""
    for node in ast.walk(ast.parse(dict(source.files)[source.main])):
        match node:
            case (
                ast.FunctionDef(name=source.object)
                | ast.AsyncFunctionDef(name=source.object)
                | ast.ClassDef(name=source.object)
            ):
                return node.lineno
            case ast.Name(id=source.object, ctx=ast.Store()):
                return node.lineno
    return None


def functions_in(path: Path) -> list[str]:
    """The functions and classes that a file defines, but for those named with an underscore.

    Raises:
        ValueError: the file is not there or is not Python.
    """
    root, main = _find_file(path)
    tree = ast.parse(dict(_closure(root, main))[main])
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    return [node.name for node in functions if not node.name.startswith("_")]
