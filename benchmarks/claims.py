"""One form for every claim of speed: rows of a table, printed and written as JSON.

    import claims                        # at the top of a script of this folder
    parser.add_argument("--json", type=Path, help="file for the rows")
    rows = [claims.make_row("Grad-CAM, one image", ours=9.1, unit="ms", ratio=1.2,
                            must="<= 1.3", peer=20.4, limit=7.6)]
    claims.publish(rows, options.json)

`benchmarks/bench.py` runs the scripts and joins their rows into docs/performance.md.
"""

import json
from pathlib import Path

COLUMNS = ("work", "ours", "peer", "limit", "unit", "ratio", "must", "reached")


def make_row(
    work: str,
    *,
    ours: float,
    unit: str,
    ratio: float | None = None,
    must: str = "",
    peer: float | None = None,
    limit: float | None = None,
) -> dict:
    """Make the row of one claim, and judge it.

    Args:
        work: what was done, and beside which peer or limit, in words.
        ours: the measured median.
        unit: of `ours`, `peer` and `limit`, such as "films a second" or "s".
        ratio: ours beside the peer or the limit, or None where the must is absolute.
        must: ">= NUMBER" or "<= NUMBER"; of `ratio`, where there is one, else of
            `ours`; "" where nothing is asked for.
        peer: the peer's median, None where there is none.
        limit: the limit's median, None where there is none.

    Returns:
        A dict of `COLUMNS`; `reached` is True, False, or None where `must` is "".

    Raises:
        ValueError: `must` is of another form.
    """
    reached = None
    if must:
        sign, _, bound = must.partition(" ")
        if sign not in ("<=", ">="):
            raise ValueError(f'`must` begins with "<= " or ">= ". Received: {must!r}.')
        judged = ours if ratio is None else ratio
        reached = judged <= float(bound) if sign == "<=" else judged >= float(bound)
    values = work, ours, peer, limit, unit, ratio, must, reached
    return dict(zip(COLUMNS, values, strict=True))


def publish(rows: list[dict], path: str | Path | None = None) -> None:
    """Print rows of `make_row` as a table; write them as JSON where a path is given."""
    print(draw_table(rows))
    if path is not None:
        Path(path).write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def draw_table(rows: list[dict]) -> str:
    """Draw rows of `make_row` as a Markdown table."""
    lines = [COLUMNS, ["---"] * len(COLUMNS)]
    lines += [[_tell(row[column]) for column in COLUMNS] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _tell(value: str | float | bool | None) -> str:
    """Tell one cell; three digits that count are all that a timing bears."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
