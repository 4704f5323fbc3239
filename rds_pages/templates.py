"""HTML from the `.j2` templates of this package, and pictures that lie inside it."""

import base64
import io

import cv2
import jinja2
import numpy as np
from matplotlib.figure import Figure

FIGURE_DPI = 200
ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("rds_pages", ""),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def render(name: str, **values) -> str:
    """Render a template, such as `"reports/page.html.j2"`; values are escaped."""
    return ENVIRONMENT.get_template(name).render(**values)


def encode(picture: Figure | np.ndarray, kind: str = "png") -> bytes:
    """Encode a figure, or an array, as the bytes of a picture file.

    Args:
        picture: a Matplotlib figure, uint8 RGB `(H, W, 3)`, or float `(H, W)` in
            `[0, 1]`.
        kind: `"png"` or `"jpeg"`; a figure is always a PNG.
    """
    if isinstance(picture, Figure):
        content = io.BytesIO()
        picture.savefig(content, format="png", dpi=FIGURE_DPI)
        return content.getvalue()
    if picture.ndim == 2:
        picture = np.round(255 * picture).astype("uint8")
    else:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return cv2.imencode(f".{kind}", picture)[1].tobytes()


def embed(content: bytes) -> str:
    """Return the bytes of a PNG or JPEG as an address that needs no file."""
    kind = "png" if content.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
