"""What this package refuses: each error is one sentence for the person at the keyboard.

The command line shows these, and errors of the operating system, as that sentence.
Anything else is a bug of this package and shows itself as one.
"""

import contextlib


class RdsTfError(Exception):
    """Base of all errors that are meant for the user."""


class InputError(RdsTfError, ValueError):
    """An argument, a file or a table that cannot be used."""


class RunError(RdsTfError, RuntimeError):
    """A run that failed although its input was right."""


class MissingPackageError(RdsTfError, ImportError):
    """An optional package that the chosen option needs."""


@contextlib.contextmanager
def require_extra(extra: str, what: str, package: str):
    """Say which extra to install where an import in this block lacks its package.

    Args:
        extra: name of the extra in pyproject.toml, such as `"pages"`.
        what: what needs it, such as "`rds-tf serve demo`".
        package: the extra's main package as its makers write it, such as `"Gradio"`.

    Raises:
        MissingPackageError: if a package that is not ours is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if str(error.name).startswith("rds_"):
            raise
        hint = f"pip install 'rds-tf[{extra}]'"
        raise MissingPackageError(f"{what} needs {package}: {hint}") from error
