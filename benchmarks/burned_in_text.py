"""Is text near the border found, and only text?

    python benchmarks/burned_in_text.py [--count 200] [--prepared PREPARED]
        [--half all] [--sheet SHEET.png]

On phantoms that carry at most one marker letter, and on the films of PREPARED if
given: each film as it is, and with one line burned in (a name, a date, a number, Latin
or Korean, in the fonts that are installed, 8 px to 4.5 % of the longer side high, in
five greys). A line counts as visible where its grey stands out from the film
behind it by 0.2 of the scale. `--half choose | report` takes half of the patients: the
method was chosen on `choose`. SHEET shows what is flagged as it is, and what is missed.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import ood_images
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from rds_phantoms import phantom, training
from rds_tf.dicom import burned_in_text, radiograph

LATIN = ("KIM MINJUN", "2024-03-17", "ID 00482913", "PARK S.Y. 03/17/2024 14:22")
LATIN += ("SEOUL HOSPITAL", "M 3Y 17/03/2024", "Hong, Gildong")
KOREAN = ("김민준 2024.03.17", "서울대학교병원", "환자 박서연 3세", "최지우 00482913")
GREYS = (255, 255, 220, 160, 0)
VISIBLE = 0.2
FIRST_SEED = 88_000_000
FOLDERS = ("/usr/share/fonts/opentype/noto", "/usr/share/fonts/truetype/dejavu")


def main():
    """Count what is found with a line burned in and without."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--prepared", type=Path)
    parser.add_argument("--half", choices=ood_images.HALVES, default="all")
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    odd = report("phantoms", [draw_plain(index) for index in range(options.count)])
    if options.prepared:
        paths = ood_images.list_films(options.prepared, options.half)
        films = [radiograph.read_image(path) for path in paths]
        odd |= report(f"films of {options.half} patients", films[: options.count])
    if options.sheet and odd:
        cv2.imwrite(str(options.sheet), ood_images.draw_sheet(odd, 6, 300))


def draw_plain(index: int) -> np.ndarray:
    """Draw a phantom of any age that bears no text but a marker of its side."""
    rng = np.random.default_rng([FIRST_SEED, index])
    shape = tuple(int(side) for side in rng.integers(256, 700, 2))
    for seed in rng.integers(2**31, size=20):
        made = phantom.make_phantom(int(seed), shape, weeks=training.draw_weeks(rng))
        if made.text in ((), ("R",), ("L",)):
            return made.image
    raise ValueError(f"Phantom {index} bears text twenty times.")


def report(name: str, films: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Print proportions; return pictures flagged as they are or missed, by name."""
    fonts = [p for folder in FOLDERS for p in sorted(Path(folder).glob("*.tt?"))]
    seen, flagged, odd = [], [], {}
    for index, film in enumerate(tqdm(films, name, disable=None)):
        flagged.append(bool(burned_in_text.find_lines(film)))
        if flagged[-1]:
            odd[f"{name} {index} flagged"] = film
        burned, line, visible = burn(np.random.default_rng(index), film, fonts)
        found = bool(burned_in_text.find_lines(burned))
        korean = not line.isascii()
        seen.append((visible, korean, found))
        if visible and not found:
            odd[f"{index} missed {'Korean' if korean else 'Latin'}"] = burned
    visible, korean, found = np.array(seen).T
    print(f"{name}: {len(films)}")
    print("  flagged as they are:", ood_images.format_proportion(flagged))
    print("  found, visible lines:", ood_images.format_proportion(found[visible]))
    print("    Latin:", ood_images.format_proportion(found[visible & ~korean]))
    print("    Korean:", ood_images.format_proportion(found[visible & korean]))
    print("  found, of all lines:", ood_images.format_proportion(found))
    return odd


def burn(rng, film: np.ndarray, fonts: list[Path]) -> tuple[np.ndarray, str, bool]:
    """Burn one line into a film: the film, the line, and whether it can be seen."""
    height, width = film.shape
    korean = bool(fonts) and rng.random() < 0.4
    line = str(rng.choice(KOREAN if korean else LATIN))
    tall = max(8, round(max(film.shape) * rng.uniform(0.015, 0.045)))
    ink = Image.new("L", (width, height))
    top = round(height * rng.choice([0.015, 0.97])) - tall
    top = int(np.clip(top, 2, height - 1.5 * tall))
    if korean or (fonts and rng.random() < 0.5):
        chosen = [f for f in fonts if "CJK" in f.name] if korean else fonts
        font = ImageFont.truetype(str(chosen[rng.integers(len(chosen))]), 1.35 * tall)
        pen = ImageDraw.Draw(ink)
        _, high, long, _ = pen.textbbox((0, 0), line, font=font)
        left = _place(rng, width, long)
        pen.text((left, top - high), line, fill=255, font=font)
        ink = np.asarray(ink)
    else:
        ink, size = np.asarray(ink).copy(), tall / 21
        thick = max(1, round(1.5 * size))
        (long, _), _ = cv2.getTextSize(line, 0, size, thick)
        at = _place(rng, width, long), top + tall
        cv2.putText(ink, line, at, 0, size, 255, thick, cv2.LINE_AA)
    cover, grey = ink / np.float32(255), rng.choice(GREYS) / np.float32(255)
    strokes = cover > 0.5
    behind = film[cv2.dilate(strokes.astype("uint8"), np.ones((5, 5))) > 0]
    visible = bool(len(behind)) and abs(np.median(behind) - grey) >= VISIBLE
    return (1 - cover) * film + cover * grey, line, bool(visible)


def _place(rng, width: int, long: int) -> int:
    """Return where a line begins: at the left, or ending at the right."""
    if rng.random() < 0.5:
        return int(rng.uniform(0.01, 0.05) * width)
    return max(2, int(0.98 * width) - int(long))


if __name__ == "__main__":
    main()
