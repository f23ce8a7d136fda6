"""The scope of one trial's plugins: modules that no other trial shares, and the process's own state while they run.

Python keeps modules, global random generators and torch's settings per process, and a process trains many trials. So
that a trial depends on nothing that ran before it, code of users runs in the scope of its trial:

    scope = Scope()
    target = scope.object_of(source)    # imported for this scope, whatever the process has imported
    with scope.active():                # the scope's modules and settings in place of the process's
        scope.seed(3)                   # Python's, NumPy's and torch's global generators
        target(...)
    # modules, generators and settings of the process are as they were

What is imported is the text that the source's digest stands for, not what the file holds by then, and not compiled code
that Python keeps beside it. An installed package is imported once, as any other import does.
"""

import importlib
import importlib.util
import os
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, final

from trainables.plugins.source import SourceCode, module_of, read_text
from trainables.plugins.streams import check_streams, guarded_streams
from trainables.validation import Problem, ValidationErrors

_OURS = frozenset({"grokgrid", "search_spaces", "trainables"})
"""A file that lies beside these packages and imports them gets the ones that run it."""

Note = Callable[[Any, Sequence[Any], Any], None]
"""(configuration of a plugin, what it was called with, what it returned)."""


@final
class Scope:
    """See above.

    note     called after every call of a plugin that was loaded here
    objects  what was made of classes of plugins
    made     the same by the id of a plugin, where its adapter keeps it from step to step
    """

    def __init__(self, *, device: str = "cpu", note: Note | None = None) -> None:
        self.note = note
        self.objects: list[Any] = []
        self.is_active = False
        self.made: dict[int, Any] = {}
        self.loaded: dict[int, tuple[object, Callable[..., Any], Any]] = {}
        self._device = device
        self._finder = _Finder()
        self._roots: dict[str, None] = {}
        self._modules: dict[str, ModuleType] = {}
        self._path: list[str] = []
        self._settings: dict[str, Any] = {}
        self._outside: dict[str, ModuleType] = {}

    def object_of(self, source: SourceCode) -> Any:
        """What a source is of, as it is in its module; None if the module has deleted it.

        Raises:
            ValidationErrors: the module's name, or that of one beside it, is taken.
            Exception: whatever importing the module raises.
        """
        if source.is_installed or source.module.partition(".")[0] in _OURS:
            module = importlib.import_module(source.module)
            _check_installed(source)
            return getattr(module, source.object, None)
        name = source.module
        if "/" not in source.main:
            # Under a name that no other file has: two folders may well have a file of the same name.
            name = f"{name}_{source.digest.removeprefix('sha256:')[:12]}"
        with self.active():
            for path, text in source.files:
                each = name if path == source.main else module_of(path)
                if path == source.main or each.partition(".")[0] not in _OURS:
                    self._finder.add(each, source.root / path, text, is_checked="/" in path or path != source.main)
                    if each not in self._modules and each in sys.modules:
                        self._outside.setdefault(each, sys.modules.pop(each))
            if str(source.root) not in sys.path:
                sys.path.append(str(source.root))
            self._roots[str(source.root)] = None
            module = importlib.import_module(name)
            self._modules |= {each: sys.modules[each] for each in self._finder.files if each in sys.modules}
            return getattr(module, source.object, None)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Inside, imports find the scope's modules. May be entered again while it is active."""
        if self.is_active:
            yield
            check_streams()
            return
        names = {*self._finder.files, *self._modules}
        self._outside = {name: sys.modules.pop(name) for name in names if name in sys.modules}
        before = {*sys.modules}
        sys.modules.update(self._modules)
        sys.meta_path.insert(0, self._finder)
        path = list(sys.path)
        sys.path += self._path
        generators, settings = _generators(self._device), _settings()
        _set(self._settings)
        self.is_active = True
        _active.append(self)
        try:
            with guarded_streams():
                yield
        finally:
            _active.remove(self)
            self.is_active = False
            changed = {name: value for name, value in _settings().items() if value != settings[name]}
            self._settings = {name: value for name, value in changed.items() if name not in _RESTORED_ONLY}
            _set(settings)
            _set_generators(generators)
            self._path = [place for place in sys.path if place not in path]
            sys.path[:] = path
            sys.meta_path.remove(self._finder)
            found = [name for name in sys.modules if name in self._finder.files or name not in before]
            self._modules = {name: sys.modules.pop(name) for name in found if self._is_own(name)}
            sys.modules.update(self._outside)

    def seed(self, number: int) -> None:
        """Seeds the global generators of Python, NumPy and torch, as long as the scope is active."""
        import numpy as np
        import torch

        random.seed(number)
        np.random.seed(number % 2**32)
        # Not torch.manual_seed, which takes a hundred times longer to ask for devices that are not there.
        torch.default_generator.manual_seed(number)
        if self._device.startswith("cuda"):
            torch.cuda.manual_seed(number)

    @property
    def modules(self) -> tuple[ModuleType, ...]:
        """Those that the scope has imported."""
        return tuple(self._modules.values())

    def _is_own(self, name: str) -> bool:
        """Of the plugins, or found beside them while they ran."""
        if name in self._finder.files:
            return True
        file = getattr(sys.modules[name], "__file__", None)
        return (
            file is not None
            and any(Path(file).is_relative_to(root) for root in self._roots)
            and not _is_of_python(name, Path(file))
        )


_active: list[Scope] = []


def active_scope() -> Scope | None:
    """The scope that was entered last."""
    return _active[-1] if _active else None


class _Finder(MetaPathFinder):
    """Finds modules in the texts of sources."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[Path, str]] = {}

    def add(self, name: str, file: Path, text: str, *, is_checked: bool) -> None:
        """is_checked: whether `import` could find another module under this name.

        Raises:
            ValidationErrors: it could.
        """
        if is_checked and _is_taken(name.partition(".")[0]):
            wrong = f"module {name!r} has the name of a module of Python or of an installed package: rename the file"
            raise ValidationErrors(str(file), [Problem((), wrong)])
        known, known_text = self.files.setdefault(name, (file, text))
        if known_text != text:
            wrong = (
                f"module {name!r} is another one for a second plugin of this trial, {known}: rename one of the files"
            )
            raise ValidationErrors(str(file), [Problem((), wrong)])

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if name not in self.files:
            return None
        file, text = self.files[name]
        inside = [str(file.parent)] if file.name == "__init__.py" else None
        loader = _Loader(name, str(file), text)
        return importlib.util.spec_from_file_location(name, file, loader=loader, submodule_search_locations=inside)


class _Loader(SourceFileLoader):
    def __init__(self, name: str, file: str, text: str) -> None:
        super().__init__(name, file)
        self._text = text

    def get_code(self, fullname: str) -> CodeType:
        return _compiled(self.path, self._text)

    def get_source(self, fullname: str) -> str:
        return self._text


@lru_cache(maxsize=256)
def _compiled(file: str, text: str) -> CodeType:
    return compile(text, file, "exec", dont_inherit=True)


@cache
def _is_taken(top: str) -> bool:
    places = [place for place in sys.path if {"site-packages", "dist-packages"} & set(Path(place).parts)]
    return top in sys.stdlib_module_names or PathFinder.find_spec(top, places) is not None


def _is_of_python(name: str, file: Path) -> bool:
    return (
        name.partition(".")[0] in sys.stdlib_module_names | _OURS
        or bool({"site-packages", "dist-packages"} & set(file.parts))
        or file.is_relative_to(sys.prefix)
        or file.is_relative_to(sys.base_prefix)
    )


def _check_installed(source: SourceCode) -> None:
    for path, text in source.files:
        imported = sys.modules[module_of(path)]
        if read_text(Path(imported.__file__ or "")) != text:
            wrong = f"module {module_of(path)!r} was imported from another source, {imported.__file__}"
            raise ValidationErrors(str(source.root / path), [Problem((), wrong)])


# The state of the process


def _generators(device: str) -> tuple[Any, ...]:
    import numpy as np
    import torch

    cuda = torch.cuda.get_rng_state(device) if device.startswith("cuda") else None
    return random.getstate(), np.random.get_state(legacy=False), torch.get_rng_state(), cuda, device


def _set_generators(state: tuple[Any, ...]) -> None:
    import numpy as np
    import torch

    python, numpy, cpu, cuda, device = state
    random.setstate(python)
    np.random.set_state(numpy)
    torch.set_rng_state(cpu)
    if cuda is not None:
        torch.cuda.set_rng_state(cuda, device)


_RESTORED_ONLY = {"grad_enabled", "num_threads"}
"""What training itself sets: a plugin that changes it does so until its call ends."""


def _settings() -> dict[str, Any]:
    """What a script sets at its beginning, and would set for all trials that the process trains later."""
    import numpy as np
    import torch

    return {
        "folder": _folder(),
        "numpy_errors": np.geterr(),
        "default_dtype": torch.get_default_dtype(),
        "deterministic": torch.get_deterministic_debug_mode(),
        "matmul_precision": torch.get_float32_matmul_precision(),
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "grad_enabled": torch.is_grad_enabled(),
        "num_threads": torch.get_num_threads(),
    }


def _folder() -> str | None:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


def _set(settings: dict[str, Any]) -> None:
    import numpy as np
    import torch

    setters: dict[str, Callable[[Any], Any]] = {
        "folder": lambda folder: os.chdir(folder) if folder is not None else None,
        "numpy_errors": lambda errors: np.seterr(**errors),
        "default_dtype": torch.set_default_dtype,
        "deterministic": torch.set_deterministic_debug_mode,
        "matmul_precision": torch.set_float32_matmul_precision,
        "cudnn_benchmark": lambda value: setattr(torch.backends.cudnn, "benchmark", value),
        "grad_enabled": torch.set_grad_enabled,
        "num_threads": torch.set_num_threads,
    }
    current = _settings()
    for name, value in settings.items():
        if current[name] != value:
            setters[name](value)
