"""Burned-in annotation: lines of text near the border of an image, such as names.

Letters are strokes of one grey on a smoother background, of similar height, side by
side. A side marker of one or two letters is no line. The text is found, not read.
"""

import cv2
import numpy as np
from scipy import sparse

LONGEST_PX = 2048  # larger images are reduced to this
SMALLEST_PX = 6  # height of a letter that can still be read
CONTRAST = 0.15  # of a stroke with its background, in [0, 1]
GREY_TOLERANCE = 0.08  # strokes of one line differ by less
MIN_LETTERS = 4  # of a line
MAX_STROKES = 2500  # the tallest ones: smaller ones are grain
BORDER = 0.2  # of height or width: largest distance of a line's middle from an edge
WARNING = "Text may be burned in near the border: check it for names."


def list_warnings(image: np.ndarray) -> list[str]:
    """Return `WARNING` if there is a line of text near the border of `(H, W)`."""
    return [WARNING] if find_lines(image) else []


def find_lines(image: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Find lines of text near the border of `(H, W)` in [0, 1], also turned by 90°.

    Returns:
        `(top, bottom, left, right)` of each line in px, bright ones first.
    """
    scale = min(1.0, LONGEST_PX / max(image.shape))
    if scale < 1:
        size = [max(1, round(side * scale)) for side in image.shape[::-1]]
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    found = []
    for strokes_are_bright in (image, 1 - image):
        boxes, greys = _find_strokes(strokes_are_bright.astype("float32"))
        found += _join_strokes(boxes, greys, image.shape)
        turned = boxes[:, [2, 3, 0, 1]]  # rows become columns
        lines = _join_strokes(turned, greys, image.shape[::-1])
        found += [(left, right, top, bottom) for top, bottom, left, right in lines]
    return [tuple(round(float(edge) / scale) for edge in line) for line in found]


def _find_strokes(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes `(N, 4)` as in `find_lines`, and greys `(N,)`, of bright strokes."""
    longest = max(image.shape)
    width = 2 * max(2, round(0.008 * longest)) + 1  # wider ones are no strokes
    levels = cv2.convertScaleAbs(image, alpha=255)  # a third of the time of floats
    background = cv2.morphologyEx(levels, cv2.MORPH_OPEN, np.ones((width, width)))
    contrast = levels - background
    # Half of the highest contrast nearby separates letters that touch.
    highest = cv2.dilate(contrast, np.ones((width, width)))
    bright = contrast > np.maximum(np.uint8(255 * CONTRAST), highest >> 1)
    strokes = bright.view("uint8")
    # Labels of 16 bits take a third of the time, where they cannot run out.
    kind = cv2.CV_16U if cv2.countNonZero(strokes) < 2**16 else cv2.CV_32S
    _, labels, stats, _ = cv2.connectedComponentsWithStats(strokes, ltype=kind)
    left, top, wide, tall, area = stats.T
    is_letter = (np.maximum(wide, tall) >= SMALLEST_PX / 2) & (area >= 4)
    is_letter &= (tall <= 0.08 * longest) & (wide <= 0.08 * longest)
    is_letter[0] = False  # the background
    chosen = np.flatnonzero(is_letter)
    tallest = np.argsort(-np.maximum(wide, tall)[chosen], kind="stable")[:MAX_STROKES]
    chosen = np.sort(chosen[tallest])
    boxes = np.stack([top, top + tall, left, left + wide], 1)[chosen]
    if not len(chosen):
        return np.zeros((0, 4), int), np.zeros(0)
    # The chosen strokes are numbered anew, and each of their pixels gets that number.
    inside = np.flatnonzero(bright)
    new_number = np.full(len(stats), -1)
    new_number[chosen] = range(len(chosen))
    owners = new_number[labels.ravel()[inside]]
    owned = owners >= 0
    greys, evenness = _measure_greys(image.ravel()[inside[owned]], owners[owned])
    return boxes[evenness >= 0.5], greys[evenness >= 0.5]


def _measure_greys(values: np.ndarray, owners: np.ndarray) -> tuple:
    """Measure N strokes at once, each pixel of `values` `(P,)` of one of `owners`.

    Returns `(N,)` each: a stroke's grey, which is its 90th percentile, and the
    proportion of its brighter half that has this grey.
    """
    order = np.lexsort((values, owners))
    values, owners = values[order], owners[order]
    counts = np.bincount(owners)
    first, last = np.cumsum(counts) - counts, counts - 1
    place = last * 0.9  # as `np.percentile` interpolates
    below = place.astype(int)
    low, high = values[first + below], values[first + np.minimum(below + 1, last)]
    greys = low + (high - low) * (place - below)
    median = (values[first + last // 2] + values[first + counts // 2]) / 2
    core = values >= median[owners]
    has_grey = core & (np.abs(values - greys[owners]) < GREY_TOLERANCE / 2)
    return greys, np.bincount(owners, has_grey) / np.bincount(owners, core)


def _join_strokes(boxes: np.ndarray, greys: np.ndarray, shape) -> list[tuple]:
    """Join strokes that stand side by side to lines; return those near the border."""
    if len(boxes) < MIN_LETTERS:
        return []
    top, bottom, left, right = boxes.T[:, :, None]  # (N, 1): pairs by broadcasting
    tall = bottom - top
    least, most = np.minimum(tall, tall.T), np.maximum(tall, tall.T)
    overlap = np.minimum(bottom, bottom.T) - np.maximum(top, top.T)
    gap = np.maximum(left, left.T) - np.minimum(right, right.T)
    same_grey = np.abs(greys[:, None] - greys) < GREY_TOLERANCE
    same_line = (overlap >= 0.5 * least) & (most <= 3 * least)
    joined = same_grey & same_line & (gap <= 0.8 * most)
    _, group = sparse.csgraph.connected_components(sparse.csr_matrix(joined))
    found = []
    for index in np.flatnonzero(np.bincount(group) >= MIN_LETTERS):
        line = _enclose_line(boxes[group == index])
        if line and _is_near_border(line, shape):
            found.append(line)
    return found


def _enclose_line(boxes: np.ndarray) -> tuple | None:
    """Return the box around a group of strokes, None where it is no line of text."""
    top, bottom, left, right = boxes.T
    height = np.quantile(bottom - top, 0.75)
    box = top.min(), bottom.max(), left.min(), right.max()
    long, high = box[3] - box[2], box[1] - box[0]
    if height < SMALLEST_PX or high > 2 * height or long < 2.2 * high:
        return None
    # Letters leave some columns of the line uncovered, but not most of them.
    covered = np.zeros(long, bool)
    for start, stop in zip(left - box[2], right - box[2], strict=True):
        covered[start:stop] = True
    if not 0.4 <= covered.mean() <= 0.97:
        return None
    starts = np.flatnonzero(np.diff(covered.astype(int), prepend=0) == 1)
    return box if len(starts) >= MIN_LETTERS else None


def _is_near_border(line, shape) -> bool:
    top, bottom, left, right = line
    row, column = (top + bottom) / 2 / shape[0], (left + right) / 2 / shape[1]
    return min(row, 1 - row, column, 1 - column) <= BORDER
