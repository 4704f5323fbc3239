"""Input checks: is this a frontal chest film of an infant at all, and a whole one?

Each check is one function with one sentence of its own; a film that fails one is not
decided. Those of the header are in `dicom.header`. Here they use what a diagnosis
computes anyway, no network of their own. A network that looks for lungs finds some in
every image. Only where there are lungs does it find them again in the turned image
(`quality_control.mask_quality`): that tells a chest from a hand, and
out-of-distribution images from chest films. Damage that leaves lungs to be found is
recognised in the pixels.
"""

from dataclasses import dataclass

import cv2
import numpy as np

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
# Of the lungs' area, what lies between them. The least of 140 real films is 0.27, so
# below a tenth of that there is one lung, or a part of one.
MIN_BETWEEN = 0.03
INVERTED = (
    "The greys are inverted: the lungs are brighter than the heart and spine between "
    "them."
)
NEGATIVE = "The greys are inverted: only the negative of the film shows lungs."
NO_LUNG = "No lung was found."
ONE_LUNG = "Only one lung was found: a lateral view, or a lung that cannot be seen."
SAME_ROWS = 0.1  # of what any two rows differ by, the difference of repeated ones


@dataclass(frozen=True)
class Found:
    """A film and the lungs that were found in it, as the checks take them.

    Attributes:
        image: `(H, W)` float32 in `[0, 1]`, of square pixels.
        mask: `(H, W)` uint8 of {0, 1}, its lungs.
        quality: float in `[0, 1]` of the mask, from `quality_control.mask_quality`.
        pixel_mm: height and width of a pixel in mm, where they are known.
    """

    image: np.ndarray
    mask: np.ndarray
    quality: float
    pixel_mm: tuple[float, float] | None = None


def list_failures(found: Found) -> dict[str, str]:
    """Return the name of each check in `CHECKS` that fails, with its sentence.

    A chest that is turned or mirrored fails none.
    """
    said = {name: check(found) for name, check in CHECKS.items()}
    if said["pixels"]:  # then there is no film to look into
        return {"pixels": said["pixels"]}
    return {name: sentence for name, sentence in said.items() if sentence}


def check_pixels(found: Found) -> str:
    """Say that an image is too small to show lungs, "" if it is not."""
    if min(found.image.shape) >= SMALLEST_PX:
        return ""
    height, width = found.image.shape
    return f"The film is only {height} x {width} pixels."


def check_greys(found: Found) -> str:
    """Say that an image has no greys, "" if it has."""
    few = grey_proportion(found.image) < MIN_GREYS
    return "The film is all black and white." if few else ""


def check_truncation(found: Found) -> str:
    """Say that a file was cut short, "" if it was not."""
    cut = ends_flat(found.image, found.mask)
    return "The lungs end at rows of one grey, as in a truncated file." if cut else ""


def check_repetition(found: Found) -> str:
    """Say that an image is one band of rows over and over, "" if it is not."""
    return "The rows of the film repeat." if repeats_rows(found.image) else ""


def check_lungs(found: Found) -> str:
    """Say that there are no lungs, "" if there are."""
    if not found.mask.any():
        return NO_LUNG
    if shows_lungs(found.mask, found.quality):
        return ""
    return "This may be no chest: turned, it shows lungs in other places or none."


def check_both_lungs(found: Found) -> str:
    """Say that one lung alone was found, "" for two, apart or run together."""
    alone = len(postprocess.lung_areas(found.mask)) == 1 and not is_notched(found.mask)
    return ONE_LUNG if alone else ""


def check_inversion(found: Found) -> str:
    """Say that the greys are inverted, "" if they are not, or if there are no lungs.

    Where no lungs are found, `diagnose` looks for them in the negative.
    """
    if not shows_lungs(found.mask, found.quality):
        return ""
    return INVERTED if is_inverted(found.image, found.mask) else ""


def check_size(found: Found) -> str:
    """Say that lungs are as large as an adult's, "" if they are not or it is unknown.

    From `NO_HUMAN_MM` on it is the spacing that is wrong, and nothing is said.
    """
    size = measure_mm(found.mask, found.pixel_mm) if found.pixel_mm else 0
    if not LARGEST_MM < size < NO_HUMAN_MM:
        return ""
    return f"The lungs are as large as an adult's, {size / 10:.0f} cm."


CHECKS = {
    "pixels": check_pixels,
    "greys": check_greys,
    "truncation": check_truncation,
    "repetition": check_repetition,
    "lungs": check_lungs,
    "both lungs": check_both_lungs,
    "inversion": check_inversion,
    "size": check_size,
}


def is_inverted(image: np.ndarray, mask: np.ndarray) -> bool:
    """Say whether lungs are brighter than what lies between them.

    Spine, heart and great vessels absorb more than the lungs beside them, even where
    these are white: so they are brighter wherever bone is bright. What lies between is
    the convex hull of the lungs less the lungs. Of 142 real films, and of their
    negatives, this is right on every one: `tests/diagnosis/test_real_inputs.py`.
    """
    if not mask.any():
        return False
    points = np.argwhere(mask)[:, ::-1].astype(np.int32)  # x, y
    hull = cv2.fillConvexPoly(np.zeros_like(mask), cv2.convexHull(points), 1)
    between = (hull > 0) & (mask == 0)
    if between.sum() < MIN_BETWEEN * mask.sum():  # one lung, or a part of one
        return False
    return bool(image[mask > 0].mean() > image[between].mean())


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
    joined = quality / quality_control.balance(mask) ** 0.5
    return is_notched(mask) and joined >= MIN_JOINED


def is_notched(mask: np.ndarray) -> bool:
    """Say whether one component fills little of its hull, as two joined lungs do."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.contourArea(cv2.convexHull(max(outlines, key=len)))
    return bool(mask.sum() < NOTCH * hull)


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
