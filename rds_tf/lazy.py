"""Packages that load their modules when they are first used (PEP 562)."""

import importlib
import pkgutil
import sys
from collections.abc import Callable


def open_package(
    package: str, door: str = "", names: tuple[str, ...] = ()
) -> tuple[Callable, Callable, list[str]]:
    """Return `__getattr__`, `__dir__` and `__all__` of a package.

    Its modules and packages become its attributes: after `from rds_tf import lungs`,
    `lungs.unet` is there, and nothing is imported before it is named.

    Args:
        package: name of the package, its `__name__`.
        door: name of a module of it whose `names` are attributes of the package too.
        names: functions and classes of that module.
    """
    path = sys.modules[package].__path__
    modules = {one.name for one in pkgutil.iter_modules(path)} - {"__main__"}

    def get(name: str):
        if name in names:
            return getattr(importlib.import_module(f"{package}.{door}"), name)
        if name in modules:
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    offered = sorted({*modules, *names})

    def list_names() -> list[str]:
        special = [name for name in vars(sys.modules[package]) if name[:2] == "__"]
        return sorted({*special, *offered})

    return get, list_names, offered
