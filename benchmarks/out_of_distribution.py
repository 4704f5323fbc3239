"""Are pictures that are no frontal chest film caught, and chest films let through?

    python benchmarks/out_of_distribution.py [--each 7] [--phantoms 200]
        [--wrong FOLDER] [--prepared PREPARED] [--half all] [--every 1] [--sheet S.png]

Caught means: the picture fails an input check, and `diagnose` decides nothing. Shown
are `--each` pictures of every kind of `ood_images`, those of FOLDER (real ones; DICOM,
PNG or JPEG), the films of PREPARED, and phantoms of all ages, upright, turned and
mirrored. Bounds were chosen on other seeds and on the half of the patients that
`--half choose` shows.
Only the segmenter runs. SHEET shows what is missed and what is flagged falsely.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import ood_images
from tqdm import tqdm

from rds_phantoms import phantom, training
from rds_tf.diagnosis import input_checks
from rds_tf.dicom import radiograph
from rds_tf.lungs import segmenter

STEP = "median+rotate"
FIRST_SEED = 91_000_000


def main():
    """Print what is caught, by kind, and what is flagged falsely."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--each", type=int, default=7)
    parser.add_argument("--phantoms", type=int, default=200)
    parser.add_argument("--wrong", type=Path)
    parser.add_argument("--prepared", type=Path)
    parser.add_argument("--half", choices=ood_images.HALVES, default="all")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    model = segmenter.load_segmenter().model
    odd = show_kinds(model, options.each)
    if options.wrong:
        odd |= show_folder(model, options.wrong)
    if options.prepared:
        paths = ood_images.list_films(options.prepared, options.half)
        films = map(radiograph.read_image, paths[:: options.every])
        odd |= show_chests(model, f"films of {options.half} patients", films)
    pictures = (draw_chest(index) for index in range(options.phantoms))
    odd |= show_chests(model, "phantoms", pictures)
    if options.sheet and odd:
        cv2.imwrite(str(options.sheet), ood_images.draw_sheet(odd))


def is_flagged(model, image: np.ndarray) -> tuple[bool, float]:
    """Say whether a picture is flagged, and how good its lung mask seems."""
    (found,) = segmenter.segment_steps(model, [image], (STEP,))[STEP]
    checked = input_checks.Found(image, found.mask, found.quality)
    return bool(input_checks.list_failures(checked)), found.quality


def show_kinds(model, each: int) -> dict[str, np.ndarray]:
    """Show generated pictures of every kind; return those that are missed."""
    caught, odd = {}, {}
    for kind in tqdm(ood_images.KINDS, "generated", disable=None):
        caught[kind] = []
        for index in range(each):
            image = ood_images.make_wrong(kind, FIRST_SEED + index)
            flagged, quality = is_flagged(model, image)
            caught[kind].append(flagged)
            if not flagged:
                odd[f"{kind} {index} missed {quality:.2f}"] = image
        print(f"  {kind}: {sum(caught[kind])} of {each}", flush=True)
    print(
        "generated, caught:",
        ood_images.format_proportion(np.concatenate([*caught.values()])),
    )
    return odd


def show_folder(model, folder: Path) -> dict[str, np.ndarray]:
    """Show the real wrong pictures of a folder; return those that are missed."""
    caught, refused, odd = [], 0, {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            film = radiograph.read_radiograph(path)
        except radiograph.RadiographError:
            refused += 1
            continue
        flagged, quality = is_flagged(model, film.image)
        said = [*film.header_failures.values()]
        words = "caught" if flagged else "missed"
        print(f"  {path.name}: {words}, quality {quality:.2f}", *said, flush=True)
        caught.append(flagged or bool(said))
        if not caught[-1]:
            odd[f"{path.stem} {quality:.2f}"] = film.image
    found = ood_images.format_proportion(caught)
    print(f"{folder.name}, caught: {found}, {refused} refused")
    return odd


def draw_chest(index: int) -> np.ndarray:
    """Draw a phantom, one in four turned at random, one in four mirrored."""
    rng = np.random.default_rng([FIRST_SEED, index])
    angle = rng.uniform(-180, 180) if index % 4 == 1 else rng.normal(0, 5)
    shape = tuple(int(side) for side in rng.integers(256, 512, 2))
    severity = rng.uniform(0, 1) * (rng.random() < 0.5)
    weeks, seed = training.draw_weeks(rng), int(rng.integers(2**31))
    image = phantom.make_phantom(seed, shape, severity, angle, weeks=weeks).image
    return np.ascontiguousarray(image[:, ::-1]) if index % 4 == 2 else image


def show_chests(model, name: str, images) -> dict[str, np.ndarray]:
    """Show chest films; return those that are flagged."""
    flags, odd = [], {}
    for image in tqdm(images, name, disable=None):
        flagged, quality = is_flagged(model, image)
        flags.append(flagged)
        if flagged:
            odd[f"{name[:8]} {len(flags)} flagged {quality:.2f}"] = image
    print(f"{name}, flagged falsely: {ood_images.format_proportion(flags)}", flush=True)
    return odd


if __name__ == "__main__":
    main()
