"""One list of blocks, two renderers: HTML that needs no other file, and Markdown."""

import base64
import html
import re
import urllib.parse
from dataclasses import dataclass

from rds_pages.reports import score_tables
from rds_tf import config

STYLE = (
    score_tables.STYLE
    + """
td, th { text-align: left; vertical-align: top; padding-left: 0; }
td { overflow-wrap: break-word; } :lang(ko) td { word-break: keep-all; }
table.fixed { table-layout: fixed; width: 100%; }
figure { display: inline-block; margin: 1rem 1.5rem 0 0; vertical-align: top; }
img { max-width: 100%; height: auto; } figcaption { color: #555; }
"""
)
INTERVAL = re.compile(
    r"^([-+.\d]+) (\([-+.\d]+ to [-+.\d]+\))$"
)  # as `report` sets it apart
SPECIAL = re.compile(r"([\\`*_\[\]#|~!]|^[-+])")


@dataclass(frozen=True)
class Said:
    """A text in both languages."""

    en: str
    ko: str


@dataclass(frozen=True)
class Cell:
    """A cell of a table: text, then links, each a name and an address."""

    text: Said
    links: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Heading:
    """A title; level 1 is the page's."""

    text: Said
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; a notice is set apart."""

    text: Said
    notice: bool = False


@dataclass(frozen=True)
class Table:
    """A table: headings, rows of as many cells, widths in per cent if they matter."""

    head: tuple[Said, ...]
    rows: list[tuple[Cell, ...]]
    widths: tuple[int, ...] = ()


@dataclass(frozen=True)
class Figure:
    """A picture: file name below the page, PNG bytes, what it shows."""

    name: str
    png: bytes
    alt: Said


def same(text: object) -> Said:
    """Say a name or a number, which is the same in both languages."""
    return Said(str(text), str(text))


def to_html(blocks: list, language: str) -> str:
    """Render blocks as one page.

    Args:
        blocks: the first is the page's `Heading`.
        language: `"en"` or `"ko"`.
    """
    title = html.escape(getattr(blocks[0].text, language))
    body = "\n".join(_render_html(block, language) for block in blocks)
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style></head>\n<body>\n{body}\n"
        "</body>\n</html>\n"
    )


def to_markdown(blocks: list, language: str) -> str:
    """Render blocks as Markdown with pipe tables; arguments as for `to_html`."""
    return "\n\n".join(_render_markdown(block, language) for block in blocks) + "\n"


def _render_html(block, language: str) -> str:
    def say(text: Said) -> str:
        return html.escape(getattr(text, language))

    match block:
        case Heading(text, level):
            return f"<h{level}>{say(text)}</h{level}>"
        case Paragraph(text, notice=True):
            english = config.NOT_FOR_CLINICAL_USE  # in every language of the page
            more = "" if getattr(text, language) == english else f" {say(text)}"
            return f'<p class="notice"><strong>{english}</strong>{more}</p>'
        case Paragraph(text):
            return f"<p>{say(text)}</p>"
        case Figure(_, png, alt):
            content = base64.b64encode(png).decode()
            return (
                f'<figure><img alt="{say(alt)}" src="data:image/png;base64,{content}">'
                f"<figcaption>{say(alt)}</figcaption></figure>"
            )
        case Table(head, rows, widths):
            fixed = ' class="fixed"' if widths else ""
            columns = "".join(f'<col style="width: {each}%">' for each in widths)
            top = "".join(f'<th scope="col">{say(text)}</th>' for text in head)
            lines = []
            for row in rows:
                cells = "".join(f"<td>{_fill_html(cell, say)}</td>" for cell in row)
                lines.append(f"<tr>{cells}</tr>")
            body = "\n".join(lines)
            return (
                f"<table{fixed}>{columns}\n<thead><tr>{top}</tr></thead>\n<tbody>\n{body}\n</tbody>\n"
                "</table>"
            )


def _fill_html(cell: Cell, say) -> str:
    links = [
        f'<a href="{html.escape(_quote(address))}">{html.escape(name)}</a>'
        for name, address in cell.links
    ]
    text = INTERVAL.sub(r"\1 <span>\2</span>", say(cell.text))
    return " ".join([text, *links]).strip()


def _render_markdown(block, language: str) -> str:
    def say(text: Said) -> str:
        return _escape(getattr(text, language))

    match block:
        case Heading(text, level):
            return f"{'#' * level} {say(text)}"
        case Paragraph(text, notice=True):
            english = config.NOT_FOR_CLINICAL_USE
            more = "" if getattr(text, language) == english else f" {say(text)}"
            return f"> **{english}**{more}"
        case Paragraph(text):
            return say(text)
        case Figure(name, _, alt):
            return f"![{say(alt)}]({_quote(name)})"
        case Table(head, rows):
            lines = [[say(text) for text in head], ["---"] * len(head)]
            lines += [[_fill_markdown(cell, say) for cell in row] for row in rows]
            return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _fill_markdown(cell: Cell, say) -> str:
    links = [f"[{_escape(name)}]({_quote(address)})" for name, address in cell.links]
    return " ".join([say(cell.text), *links]).strip()


def _escape(text: str) -> str:
    """Take the meaning from what Markdown, and the HTML in it, would obey."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return SPECIAL.sub(r"\\\1", text)


def _quote(address: str) -> str:
    return urllib.parse.quote(address)
