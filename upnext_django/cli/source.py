"""A file of the user's, found by its path and imported under the name that any process imports it by."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from upnext_django.core.names import importable_name
from upnext_django.exceptions import ScriptError

__all__ = ["Source", "is_loading", "load", "locate"]

_loading: ContextVar[bool] = ContextVar("upnext_loading", default=False)


@dataclass(frozen=True, slots=True)
class Source:
    """A file, the module that it is, and the folder from which that module is imported."""

    file: Path
    module: str

    @property
    def root(self) -> Path:
        return self.file.parents[self.module.count(".")]


def locate(text: str) -> Source:
    """Return the source that a path names. Raises ScriptError for one that is no Python file."""
    file = Path(text).resolve()
    if file.is_dir():
        raise ScriptError(f"{text} is a folder; name the Python file in it that declares the Worker.")
    if not file.is_file():
        near = Path(f"{file}.py")
        hint = f"did you mean {text}.py?" if near.is_file() else "give its path, like service.py."
        raise ScriptError(f"{text}: there is no such file in {Path.cwd()}; {hint}")
    if file.suffix != ".py":
        raise ScriptError(f"{text} is no Python file; a service is a file whose name ends in .py.")
    return Source(file, importable_name(file))


def is_loading() -> bool:
    """Tell whether ``upnext`` imports a file right now: an ``upnext.run()`` in it has to wait."""
    return _loading.get()


def load(source: Source) -> ModuleType:
    """Return the module of a source, imported once.

    Raises ScriptError for a syntax error and for a name that another module has; what the file itself
    raises goes on as it is, with its traceback.
    """
    known = _known(source)
    if known is not None:
        return known
    _put_first(source.root)
    with _loads():
        try:
            if "." in source.module:
                return importlib.import_module(source.module)
            return _execute(source)
        except SyntaxError as error:
            raise ScriptError(
                f"{error.filename}:{error.lineno}: {error.msg}"
                + (f"\n    {error.text.strip()}" if error.text else "")
                + "\nIt is not Python as this version reads it; correct that line."
            ) from error


def _known(source: Source) -> ModuleType | None:
    """Return the module if it was imported before, under whatever name: twice would declare all twice."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file is not None and Path(file).name == source.file.name and Path(file).resolve() == source.file:
            return module
    taken = sys.modules.get(source.module)
    if taken is not None or source.module in sys.builtin_module_names:
        place = getattr(taken, "__file__", None) or "Python itself"
        raise ScriptError(
            f"{source.file.name} is imported as {source.module!r}, and {place} has that name already; "
            "rename the file."
        )
    return None


def _execute(source: Source) -> ModuleType:
    spec = importlib.util.spec_from_file_location(source.module, source.file)
    assert spec is not None, source
    assert spec.loader is not None, source
    module = importlib.util.module_from_spec(spec)
    sys.modules[source.module] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[source.module]
        raise
    return module


def _put_first(folder: Path) -> None:
    """Have ``folder`` first on the path, as ``python file.py`` does."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


@contextmanager
def _loads() -> Iterator[None]:
    token = _loading.set(True)
    try:
        yield
    finally:
        _loading.reset(token)
