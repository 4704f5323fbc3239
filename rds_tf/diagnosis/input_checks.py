"""Input checks: is this a frontal chest film of an infant at all, and a whole one?

They use what a diagnosis computes anyway, no network of their own. A network that looks
for lungs finds some in every image. Only where there are lungs does it find them again
in the turned image (`quality_control.mask_quality`): that tells a chest from a hand,
and out-of-distribution images from chest films. Damage that leaves lungs to be found is
recognised in the pixels.
"""

import cv2
import numpy as np

from rds_tf.dicom import header
from rds_tf.lungs import postprocess, quality_control

MIN_QUALITY = 0.68  # chosen on half of a set of children: docs/reliability.md
MIN_JOINED = 0.71  # the same where both lungs run together
NOTCH = 0.85  # two joined lungs fill less of their convex hull, one lung more
SMALLEST_PX = 32
MIN_GREYS = 0.1  # proportion of pixels that are neither black nor white
FLAT_ROWS = 0.15  # proportion of the height, in rows of one grey
CUT_WIDTH = 0.6  # proportion of the lungs' width, where they end at such rows
WORK_PX = 256
LARGEST_MM = 200  # side of the square as large as a child's lungs, see `measure_mm`
NO_HUMAN_MM = 400  # no human's lungs: the spacing is not that of this image
SAME_ROWS = 0.1  # of what any two rows differ by, the difference of repeated ones


def list_warnings(
    image: np.ndarray,
    mask: np.ndarray,
    quality: float,
    pixel_mm: tuple[float, float] | None = None,
) -> list[str]:
    """Say why an image may not be a frontal chest film.

    Args:
        image: `(H, W)` float32 in `[0, 1]`.
        mask: `(H, W)` uint8 of {0, 1}, its lungs.
        quality: float in `[0, 1]` of the mask, from `quality_control.mask_quality`.
        pixel_mm: height and width of a pixel in mm, where they are known.

    Returns:
        An empty list, or one sentence that names every cause. A chest that is turned
        or mirrored is none.
    """
    causes = []
    if min(image.shape) < SMALLEST_PX:
        height, width = image.shape
        causes.append(f"it is only {height} x {width} pixels")
    elif grey_proportion(image) < MIN_GREYS:
        causes.append("it is all black and white")
    elif ends_flat(image, mask):
        causes.append("its lungs end at rows of one grey, as in a truncated file")
    elif repeats_rows(image):
        causes.append("its rows repeat")
    if not shows_lungs(mask, quality):
        causes.append("turned, it shows lungs in other places or none")
    elif pixel_mm and LARGEST_MM < (size := measure_mm(mask, pixel_mm)) < NO_HUMAN_MM:
        causes.append(f"its lungs are as large as an adult's, {size / 10:.0f} cm")
    return [f"{header.NOT_CHEST}{'; '.join(causes)}."] if causes else []


def shows_lungs(mask: np.ndarray, quality: float) -> bool:
    """Say whether a mask is that of lungs, be they well drawn or not.

    The quality of a mask is lower where one component is left, as of one lung
    (`quality_control.balance`). That is undone where a notch between them shows that
    two lungs run together.
    """
    if quality >= MIN_QUALITY:
        return True
    if len(postprocess.lung_areas(mask)) != 1:
        return False
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.contourArea(cv2.convexHull(max(outlines, key=len)))
    notched = mask.sum() < NOTCH * hull
    return notched and quality / quality_control.balance(mask) ** 0.5 >= MIN_JOINED


def measure_mm(mask: np.ndarray, pixel_mm: tuple[float, float]) -> float:
    """Return how large lungs are, at any angle: a length in mm.

    It is the side of a square of the area of the smallest rectangle around both. On a
    film an adult's lungs are some 27 cm wide and 22 to 25 cm high. A child of six has
    0.66 of that width and 0.63 of that length (Simon et al., Arch Dis Child 1972;
    47:373): some 16 cm here, where an adult has 24 cm.
    """
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return 0.0
    points = np.stack([columns * pixel_mm[1], rows * pixel_mm[0]], axis=1)
    _, sides, _ = cv2.minAreaRect(points.astype(np.float32))
    return float(np.sqrt(sides[0] * sides[1]))


def grey_proportion(image: np.ndarray) -> float:
    """Return the proportion of pixels that are neither nearly black nor white."""
    low, high = float(image.min()), float(image.max())
    edge = 0.02 * (high - low)
    return float(((image > low + edge) & (image < high - edge)).mean())


def ends_flat(image: np.ndarray, mask: np.ndarray) -> bool:
    """Say whether lungs end, in their full width, at a broad band of one grey.

    The band reaches the upper or the lower edge, as where a file was cut short.
    """
    reach = max(1, round(0.03 * len(image)))
    widest = mask.sum(1).max()
    level = np.ptp(image, axis=1) < 1.5 / 255  # within one level of 8 bits
    for flat, lungs in ((level, mask), (level[::-1], mask[::-1])):
        begin = len(flat) - int(np.argmin(flat[::-1])) if not flat.all() else 0
        if len(flat) - begin < FLAT_ROWS * len(flat) or not begin:
            continue
        last = lungs[max(0, begin - reach) : begin + reach].any(0).sum()
        if last > CUT_WIDTH * widest:
            return True
    return False


def repeats_rows(image: np.ndarray) -> bool:
    """Say whether the image is one band of rows over and over.

    As of a file that is read on from its start where its pixels end. The rows are
    compared with those `lag` rows below, for every lag from 1/25 to half the height.
    """
    scale = min(1.0, WORK_PX / image.shape[1])  # across only: rows stay as they are
    size = max(1, round(image.shape[1] * scale)), image.shape[0]
    fine = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    few = min(16, fine.shape[1]), len(fine)
    coarse = cv2.resize(fine, few, interpolation=cv2.INTER_AREA)
    limit = SAME_ROWS * float(np.abs(fine - fine.mean(0)).mean())
    step = max(1, len(fine) // 400)
    for lag in range(max(2, len(fine) // 25), len(fine) // 2):
        coarsely, finely = [
            (rows[lag::step], rows[:-lag:step]) for rows in (coarse, fine)
        ]
        # Means of neighbours differ by no more than these do, so few numbers rule out
        # most lags; OpenCV sums in another order, so near the bound NumPy decides.
        if any(
            cv2.norm(*pair, cv2.NORM_L1) > 1.001 * limit * pair[0].size
            for pair in (coarsely, finely)
        ):
            continue
        if float(np.abs(np.subtract(*finely)).mean()) < limit:
            return True
    return False
