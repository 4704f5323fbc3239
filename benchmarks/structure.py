"""Measure the structure of the code: size, rooms, arrows, functions, comments.

    python benchmarks/structure.py [CHECKOUT ...] [--json FILE]

One column a checkout, so that two states of the project stand side by side. A room is a
folder with Python files, or a file of `rds_tf` at its top level; an arrow is one room
that imports another. Tests, benchmarks and notebooks are not rooms. A notebook's
modules are those of ours that it names in an import.
"""

import argparse
import ast
import io
import json
import statistics
import tokenize
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]


def main():
    """Print a table of all checkouts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkouts", nargs="*", type=Path, default=[HERE])
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    columns = [measure(root) for root in options.checkouts]
    width = max(map(len, columns[0]))
    for name in columns[0]:
        print(name.ljust(width), *(f"{column[name]:>10}" for column in columns))
    if options.json:
        options.json.write_text(json.dumps(columns, indent=2))


def measure(root: Path) -> dict:
    """Return the figures of one checkout by their names."""
    files = sorted(path for path in root.glob("rds_*/**/*.py"))
    core = [path for path in files if path.relative_to(root).parts[0] == "rds_tf"]
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in files}
    rooms = {path: name_room(path.relative_to(root)) for path in files}
    modules = {".".join(p.relative_to(root).with_suffix("").parts): p for p in files}
    arrows = {
        (rooms[path], rooms[modules[name]])
        for path, tree in trees.items()
        for name in list_imports(tree)
        if name in modules and rooms[modules[name]] != rooms[path]
    }
    lengths = sorted(
        node.end_lineno - node.lineno + 1
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    comments, code = count_comments(files)
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    notebooks = [
        len(set(list_imports(ast.parse(path.read_text(encoding="utf-8")))))
        for path in sorted((root / "notebooks/src").glob("*.py"))
    ]
    return {
        "lines, all packages": sum(lines.values()),
        "lines, rds_tf": sum(lines[path] for path in core),
        "files, all packages": len(files),
        "files, rds_tf": len(core),
        "rooms": len(set(rooms.values())),
        "import arrows between rooms": len(arrows),
        "longest file": max(lines.values()),
        "modules a notebook, most": max(notebooks),
        "modules a notebook, median": statistics.median(notebooks),
        "functions": len(lengths),
        "function lines, median": statistics.median(lengths),
        "function lines, 90 %": lengths[int(0.9 * len(lengths))],
        "functions over 40 lines, %": round(
            100 * sum(length > 40 for length in lengths) / len(lengths), 1
        ),
        "comments a 100 code lines": round(100 * comments / code, 1),
    }


def name_room(path: Path) -> str:
    """Name the room of a file: its folder, or itself at the top of `rds_tf`."""
    if path.parent == Path("rds_tf") and path.name != "__init__.py":
        return path.with_suffix("").as_posix()
    return path.parent.as_posix()


def list_imports(tree: ast.AST) -> list[str]:
    """List the modules of ours that a file imports, wherever in it."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return [name for name in found if name.startswith("rds_")]


def count_comments(files: list[Path]) -> tuple[int, int]:
    """Count comments, and lines that hold code: no blank ones, no docstrings."""
    comments = code = 0
    for path in files:
        lines = set()
        for token in tokenize.generate_tokens(
            io.StringIO(path.read_text(encoding="utf-8")).readline
        ):
            if token.type == tokenize.COMMENT:
                comments += 1
            elif token.type in (tokenize.NAME, tokenize.OP, tokenize.NUMBER):
                lines.add(token.start[0])
        code += len(lines)
    return comments, code


if __name__ == "__main__":
    main()
