"""Lay out the site: each page where it lies in the repository, then the reference.

A hook of MkDocs. A relative link works on the site as it does in the repository; one
to a file that is no page, such as a notebook, leads to the repository's address.
"""

import logging
import posixpath
import re
import tomllib
from pathlib import Path

from mkdocs.structure import files

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("rds_tf", "rds_phantoms", "rds_readers", "rds_pages")
PAGES = ("README.md", "README.ko.md", "docs/*.md", "rds_phantoms/*.md")
ABOUT = ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "saved_models/**/*.md")
LINK = re.compile(r"(?<=\]\()([^)\s:#][^)\s:#]*)(?=[)#])")  # not of the web, nor #here
log = logging.getLogger("mkdocs.hooks.docs")  # a warning of it ends a strict build


def on_config(config):
    """Take the address from pyproject.toml, and order the menu."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    config.repo_url = project["urls"]["Repository"]
    home, korean, *guide = list_files(PAGES)
    reference = {}
    for name in list_modules():
        package = name if is_package(name) else name.rpartition(".")[0]
        reference.setdefault(package, []).append(page_of(name))
    config.nav = [
        {"Home": home},
        {"한국어": korean},
        {"Guide": guide},
        {"Reference": [{name: pages} for name, pages in reference.items()]},
        {"Project": list_files(ABOUT)},
    ]
    return config


def on_files(found, config):
    """Add the pages and pictures of the repository, and one page a module."""
    pages = {page_of(name): f"# {name}\n\n::: {name}\n" for name in list_modules()}
    for path in list_files([*PAGES, *ABOUT, "docs/images/*"]):
        pages[path] = (ROOT / path).read_bytes()
    for path, content in pages.items():
        page = files.File.generated(
            config, path, content=content, inclusion=files.InclusionLevel.INCLUDED
        )
        found.append(page)
    return found


def on_page_markdown(markdown, page, config, files):
    """Lead links to files that are no pages to the repository's address."""

    def lead(match):
        folder = posixpath.dirname(page.file.src_uri)
        target = posixpath.normpath(posixpath.join(folder, match[1]))
        if files.get_file_from_path(target):
            return match[1]
        if not (ROOT / target).exists():
            log.warning("%s links to %s, which is not there", page.file.src_uri, target)
        return f"{config.repo_url}/blob/main/{target}"

    return LINK.sub(lead, markdown)


def list_files(patterns) -> list[str]:
    """Return what the patterns find, in their order, as paths from the root."""
    found = [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    return [path.relative_to(ROOT).as_posix() for path in found]


def list_modules() -> list[str]:
    """Return every module of ours but `__main__`, a package before its modules."""
    paths = [path for name in PACKAGES for path in sorted(ROOT.glob(f"{name}/**/*.py"))]
    names = [path.relative_to(ROOT).with_suffix("").parts for path in paths]
    names = [".".join(parts).removesuffix(".__init__") for parts in names]
    return sorted((n for n in names if "__main__" not in n), key=sort_key)


def sort_key(name: str):
    """Order packages as in `PACKAGES`, then their modules, then the rooms in them."""
    top, *rest = name.split(".")
    room = rest[0] if rest and (is_package(name) or len(rest) > 1) else ""
    return PACKAGES.index(top), room, name


def is_package(name: str) -> bool:
    """Is the module a folder?"""
    return (ROOT / name.replace(".", "/")).is_dir()


def page_of(name: str) -> str:
    """Return the page of a module."""
    return f"reference/{name}.md"
