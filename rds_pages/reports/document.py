"""A report as a list of blocks, and its three forms: HTML, Markdown and plain text."""

import re
import urllib.parse
from dataclasses import dataclass

from matplotlib import figure as matplotlib_figure

from rds_pages import language, templates

WORDS = language.load_words(language.HERE)
SPECIAL = re.compile(r"([\\`*_\[\]#|~!]|^[-+])")
INTERVAL = re.compile(r"([-+.\d]+) (\([-+.\d]+ to [-+.\d]+\))")
WORD = re.compile(r"[^\W\d_]")
CSS_PX = 100  # of the page, an inch of a figure


@dataclass(frozen=True)
class Heading:
    """A title; level 1 is the page's."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; the lead says what was found and is set large."""

    text: str
    is_lead: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell of a table: text, then links, each a name and an address."""

    text: str
    links: tuple[tuple[str, str], ...] = ()

    @property
    def value_and_interval(self) -> tuple[str, str]:
        """`0.847` and `(0.840 to 0.853)`; a text without an interval and `""`."""
        found = INTERVAL.fullmatch(self.text)
        return found.groups() if found else (self.text, "")


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        head: the headings.
        rows: each of as many cells, `str` or `Cell`.
        widths: of the columns in per cent; default as the cells need.
        totals: first cells of the rows that sum the others up.
    """

    head: list[str] | tuple[str, ...]
    rows: list
    widths: tuple[int, ...] = ()
    totals: tuple[str, ...] = ()

    @property
    def cells(self) -> list[list[Cell]]:
        """The rows with every `str` as a `Cell`."""
        return [
            [cell if isinstance(cell, Cell) else Cell(cell) for cell in row]
            for row in self.rows
        ]

    @property
    def numeric(self) -> list[bool]:
        """Whether a column, other than the first, holds numbers only."""
        found = [False]
        for column in list(zip(*self.cells, strict=True))[1:]:
            texts = [re.sub(r" to |infinite", "", cell.text) for cell in column]
            links = any(cell.links for cell in column)
            found.append(any(texts) and not links and not any(map(WORD.search, texts)))
        return found if self.rows else [False] * len(self.head)


@dataclass(frozen=True)
class Figure:
    """A picture.

    Attributes:
        png: bytes.
        alt: what it shows.
        caption: default `alt`.
        name: of its file below the page, which Markdown links to.
        width_px: of the page; default as many as the picture has.
    """

    png: bytes
    alt: str
    caption: str = ""
    name: str = ""
    width_px: int | None = None


Block = Heading | Paragraph | Table | Figure


def draw(
    figure: matplotlib_figure.Figure, alt: str, caption: str = "", name: str = ""
) -> Figure:
    """Make a block of a Matplotlib figure; arguments as of `Figure`."""
    width = round(CSS_PX * figure.get_figwidth())
    return Figure(templates.encode(figure), alt, caption, name, width)


def to_html(blocks: list[Block], code: str = "en") -> str:
    """Render blocks as one page that needs no other file.

    Args:
        blocks: the first is the page's `Heading`.
        code: of the language that they are in, `"en"` or `"ko"`.
    """
    return templates.render(
        "reports/page.html.j2",
        blocks=[(type(block).__name__, block) for block in blocks],
        language=code,
        notice=WORDS["notice"][code],
        embed=templates.embed,
    )


def to_markdown(blocks: list[Block], code: str = "en") -> str:
    """Render blocks as Markdown with pipe tables; arguments as for `to_html`."""
    title, *parts = map(_write_markdown, blocks)
    return "\n\n".join([title, f"> **{WORDS['notice'][code]}**", *parts]) + "\n"


def to_text(blocks: list[Block]) -> str:
    """Write blocks for a terminal: columns aligned, figures left out."""
    text = ""
    for block in blocks:
        match block:
            case Heading(words):
                text += f"{words}\n"
            case Paragraph(words):
                text += f"{words}\n\n"
            case Table(head):
                rows = [head, *([c.text for c in row] for row in block.cells)]
                widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
                for row in rows:
                    pairs = zip(row, widths, strict=True)
                    cells = (cell.ljust(width) for cell, width in pairs)
                    text += "  ".join(cells).rstrip() + "\n"
                text += "\n"
    return text.rstrip()


def _write_markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_escape(text)}"
        case Paragraph(text):
            return _escape(text)
        case Figure():
            return f"![{_escape(block.alt)}]({urllib.parse.quote(block.name)})"
        case Table(head):
            lines = [[_escape(text) for text in head], ["---"] * len(head)]
            lines += [list(map(_write_cell, row)) for row in block.cells]
            return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _write_cell(cell: Cell) -> str:
    links = [f"[{_escape(n)}]({urllib.parse.quote(to)})" for n, to in cell.links]
    return " ".join([_escape(cell.text), *links]).strip()


def _escape(text: str) -> str:
    """Take the meaning from what Markdown, and the HTML in it, would obey."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return SPECIAL.sub(r"\\\1", text)
