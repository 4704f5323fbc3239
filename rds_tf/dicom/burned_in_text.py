"""Lines of letters burned into a film near its border: names, dates, numbers.

Letters are strokes of one grey on a calmer ground, of like height, side by side on a
line. A marker of one or two letters is no line. What is found is not read.
"""

import cv2
import numpy as np
from scipy import sparse

LONGEST_PX = 2048  # larger films are reduced to this
SMALLEST_PX = 6  # height of a letter that can still be read
CONTRAST = 0.15  # of a stroke with what lies around it
ONE_GREY = 0.08  # strokes of one line differ by less
NUM_LETTERS = 4  # a line has at least so many
MOST_STROKES = 2500  # are looked at, the tallest first: what is smaller is grain
BORDER = 0.2  # of height or width: how far from an edge a line's middle may lie


NOTE = "Text may be burned in near the border: check it for names."


def describe_burned_in_text(image: np.ndarray) -> list[str]:
    """Return `NOTE` if there is a line of letters near the border, else nothing."""
    return [NOTE] if find_lines(image) else []


def find_lines(image: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Find lines of letters near the border, upright or turned by a quarter.

    Args:
        image: `(H, W)` float32 in `[0, 1]`.

    Returns:
        `(top, bottom, left, right)` of each line in pixels, upright ones first.
    """
    scale = min(1.0, LONGEST_PX / max(image.shape))
    if scale < 1:
        size = [max(1, round(side * scale)) for side in image.shape[::-1]]
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    found = []
    for ink in (image, 1 - image):
        boxes, greys = _find_letters(ink.astype("float32"))
        turned = boxes[:, [2, 3, 0, 1]]
        found += _join(boxes, greys, image.shape)
        lines = _join(turned, greys, image.shape[::-1])
        found += [(left, right, top, bottom) for top, bottom, left, right in lines]
    return [tuple(round(float(edge) / scale) for edge in line) for line in found]


def _find_letters(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes `(N, 4)` as in `find_lines`, and greys `(N,)`, of bright strokes."""
    longest = max(image.shape)
    width = 2 * max(2, round(0.008 * longest)) + 1  # wider ones are no strokes
    levels = cv2.convertScaleAbs(image, alpha=255)  # a third of the time of floats
    ground = cv2.morphologyEx(levels, cv2.MORPH_OPEN, np.ones((width, width)))
    height = levels - ground
    peak = cv2.dilate(height, np.ones((width, width)))  # parts letters that touch
    least = np.maximum(np.uint8(255 * CONTRAST), peak >> 1)
    bright = height > least
    strokes = bright.view("uint8")
    # Labels of 16 bits take a third of the time, where they cannot run out.
    kind = cv2.CV_16U if cv2.countNonZero(strokes) < 2**16 else cv2.CV_32S
    _, labels, stats, _ = cv2.connectedComponentsWithStats(strokes, ltype=kind)
    left, top, wide, tall, area = stats.T
    kept = (np.maximum(wide, tall) >= SMALLEST_PX / 2) & (area >= 4)
    kept &= (tall <= 0.08 * longest) & (wide <= 0.08 * longest)
    kept[0] = False  # the ground
    chosen = np.flatnonzero(kept)
    tallest = np.argsort(-np.maximum(wide, tall)[chosen], kind="stable")[:MOST_STROKES]
    chosen = np.sort(chosen[tallest])
    boxes = np.stack([top, top + tall, left, left + wide], 1)[chosen]
    if not len(chosen):
        return np.zeros((0, 4), int), np.zeros(0)
    inside = np.flatnonzero(bright)
    number = np.full(len(stats), -1)
    number[chosen] = range(len(chosen))
    owners = number[labels.ravel()[inside]]
    owned = owners >= 0
    greys, shares = _measure_greys(image.ravel()[inside[owned]], owners[owned])
    even = shares >= 0.5
    return boxes[even], greys[even]


def _measure_greys(values: np.ndarray, owners: np.ndarray) -> tuple:
    """Measure strokes, all at once: a grainy film has thousands.

    Args:
        values: `(P,)` float32, the pixels of all strokes.
        owners: `(P,)` int, the number of each one's stroke; 0 to N - 1 all occur.

    Returns:
        `(N,)` each: a stroke's grey, its 90th percentile, and the share of its brighter
        half that has it.
    """
    order = np.lexsort((values, owners))
    values, owners = values[order], owners[order]
    counts = np.bincount(owners)
    first, last = np.cumsum(counts) - counts, counts - 1
    place = last * 0.9
    below = place.astype(int)
    low, high = values[first + below], values[first + np.minimum(below + 1, last)]
    greys = low + (high - low) * (place - below)
    median = (values[first + last // 2] + values[first + counts // 2]) / 2
    core = values >= median[owners]
    alike = core & (np.abs(values - greys[owners]) < ONE_GREY / 2)
    return greys, np.bincount(owners, alike) / np.bincount(owners, core)


def _join(boxes: np.ndarray, greys: np.ndarray, shape) -> list[tuple]:
    """Join letters that stand side by side to lines; keep those near the border."""
    if len(boxes) < NUM_LETTERS:
        return []
    top, bottom, left, right = boxes.T[:, :, None]
    tall = bottom - top
    least, most = np.minimum(tall, tall.T), np.maximum(tall, tall.T)
    overlap = np.minimum(bottom, bottom.T) - np.maximum(top, top.T)
    gap = np.maximum(left, left.T) - np.minimum(right, right.T)
    alike = np.abs(greys[:, None] - greys) < ONE_GREY
    level = (overlap >= 0.5 * least) & (most <= 3 * least)
    joined = alike & level & (gap <= 0.8 * most)
    _, group = sparse.csgraph.connected_components(sparse.csr_matrix(joined))
    found = []
    for index in np.flatnonzero(np.bincount(group) >= NUM_LETTERS):
        members = boxes[group == index]
        line = _measure(members)
        if line and _is_near_border(line, shape):
            found.append(line)
    return found


def _measure(members: np.ndarray) -> tuple | None:
    """Return the box of a group of letters, or None where it is no line of them."""
    top, bottom, left, right = members.T
    height = np.quantile(bottom - top, 0.75)
    box = top.min(), bottom.max(), left.min(), right.max()
    long, high = box[3] - box[2], box[1] - box[0]
    if height < SMALLEST_PX or high > 2 * height or long < 2.2 * high:
        return None
    # Columns that any stroke covers: letters leave gaps, but not most of the line.
    covered = np.zeros(long, bool)
    for start, stop in zip(left - box[2], right - box[2], strict=True):
        covered[start:stop] = True
    if not 0.4 <= covered.mean() <= 0.97:
        return None
    starts = np.flatnonzero(np.diff(covered.astype(int), prepend=0) == 1)
    return box if len(starts) >= NUM_LETTERS else None


def _is_near_border(line, shape) -> bool:
    top, bottom, left, right = line
    row, column = (top + bottom) / 2 / shape[0], (left + right) / 2 / shape[1]
    return min(row, 1 - row, column, 1 - column) <= BORDER
