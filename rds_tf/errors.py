"""What this package refuses: each error is one sentence for the person at the keyboard.

The command line shows these, and errors of the operating system, as that sentence.
Anything else is a bug of this package and shows itself as one.
"""


class RdsTfError(Exception):
    """Base of all errors that are meant for the user."""


class InputError(RdsTfError, ValueError):
    """An argument, a file or a table that cannot be used."""


class RunError(RdsTfError, RuntimeError):
    """A run that failed although its input was right."""


class MissingPackageError(RdsTfError, ImportError):
    """An optional package that the chosen option needs."""
