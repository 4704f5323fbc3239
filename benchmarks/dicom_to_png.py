"""Turn large DICOM films into PNG: ours, DCMTK, OpenJPEG, pydicom with PIL, the limit.

    apt-get install dcmtk libopenjp2-tools
    python benchmarks/dicom_to_png.py [--files 500] [--peers 100] [--rounds 5]
        [--syntaxes raw jpeg2000 jpegls] [--side 2000] [--json FILE]

Films of 12 bits: five phantoms drawn at that size, under fresh noise for every file,
stored plain, as JPEG 2000 and as JPEG-LS, both lossless. A round is a part of the
files, which every arm turns into 16-bit PNG of the same size, one arm after the other;
the arm that begins moves on. What each arm does:

- `ours`: reads, checks, decodes, applies the grey chain, writes the PNG: that is
  `radiograph.read_radiograph` and `write_png`, the conversion within `prepare`.
- `prepare`: the whole of `prepare.prepare_case`: as ours, and letters near the border
  are looked for, pixels are hashed, and the film's thumbnail and record are written.
- `caller`: ours without workers, as `--workers 1` and `diagnose` do it: a compressed
  film is decoded in a helper process, so that a crash costs that film alone.
- `DCMTK`: `dcmj2pnm` or `dcml2pnm`, window applied, a process a film.
- `OpenJPEG`: `opj_decompress`, a process a film; bare JPEG 2000 frames, no DICOM, no
  window. Once to PNG, and once to PGM, which needs no compression.
- `PIL`: the usual loop: `pixel_array`, `apply_voi_lut`, `Image.save`.
- `limit`: file read, pixels decoded by the quickest decoder, PNG encoded and written.

Workers of Python are those of `prepare`, for all arms of ours and the limit; they are
started before the clock, and how long that takes is given apart.
"""

import argparse
import contextlib
import functools
import multiprocessing
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path

import claims
import cv2
import numpy as np
import PIL.Image
import pydicom
from pydicom import pixels, uid
from tqdm import tqdm

from rds_phantoms import phantom
from rds_tf.data import prepare
from rds_tf.dicom import radiograph
from rds_tf.parallel import memory

SYNTAXES = {
    "raw": uid.ExplicitVRLittleEndian,
    "jpeg2000": uid.JPEG2000Lossless,
    "jpegls": uid.JPEGLSLossless,
}
DCMTK = {"raw": "dcmj2pnm", "jpegls": "dcml2pnm"}
NUM_PHANTOMS = 5
NOISE = 8  # levels of 4096
TOP = 4095


@dataclass(frozen=True)
class Film:
    """One film to make or to convert: where it is, and where its PNG goes."""

    index: int
    side: int
    syntax: str
    folder: Path

    @property
    def path(self) -> Path:
        """Path of the DICOM file."""
        return self.folder / f"{self.syntax}{self.index}.dcm"

    def out(self, ending: str = "png") -> Path:
        """Path of the picture that an arm writes."""
        return self.folder / "images" / f"{self.syntax}{self.index}.{ending}"


def main():
    """Make the films, let all arms convert them in turns, print and judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    text = "of every syntax, or one number a syntax"
    parser.add_argument("--files", type=int, nargs="+", default=[500], help=text)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--side", type=int, default=2000)
    text = "of each round's films, default all: the peers are slow"
    parser.add_argument("--peers", type=int, help=text)
    parser.add_argument("--syntaxes", nargs="+", choices=SYNTAXES, default=[*SYNTAXES])
    parser.add_argument("--json", type=Path, help="file for the rows")
    options = parser.parse_args()
    for program in ("dcmj2pnm", "dcml2pnm", "opj_decompress", "xargs"):
        if not shutil.which(program):
            sys.exit(f"{program} is missing: apt-get install dcmtk libopenjp2-tools")
    files = dict.fromkeys(options.syntaxes, options.files[0])
    if len(options.files) > 1:
        files = dict(zip(options.syntaxes, options.files, strict=True))
    if min(files.values()) < 2 * options.rounds:
        sys.exit("Each round needs two films at least: raise --files.")
    rows = []
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        pools = {num: stack.enter_context(open_pool(num)) for num in (1, 2)}
        print(f"two workers started in {start(pools):.2f} s", flush=True)
        for syntax in options.syntaxes:
            drawn = [
                Film(index, options.side, syntax, Path(folder))
                for index in range(files[syntax])
            ]
            films = make_films(drawn, Path(folder), pools[2])
            check(films[0])
            arms = build_arms(syntax, pools)
            rates = measure(arms, films, options.rounds, options.peers)
            print_rates(syntax, rates)
            rows += judge(syntax, rates)
    claims.publish(rows, options.json)


def open_pool(num_workers: int) -> futures.ProcessPoolExecutor:
    """Start workers that keep the memory of freed arrays, as those of `prepare` do."""
    spawn = multiprocessing.get_context("spawn")
    return futures.ProcessPoolExecutor(num_workers, spawn, memory.keep_freed)


def make_films(films: list[Film], folder: Path, pool) -> list[Film]:
    """Write the films of one syntax on both cores."""
    (folder / "images").mkdir(exist_ok=True)
    (folder / "records").mkdir(exist_ok=True)
    map_all(pool, make_film, films)
    return films


def make_film(film: Film) -> None:
    """Write one film, and its bare frame where it is JPEG 2000."""
    noise = np.random.default_rng([7, film.index]).normal(0, NOISE, (film.side,) * 2)
    drawn = draw(film.index % NUM_PHANTOMS, film.side)
    stored = np.clip(np.rint(drawn * TOP + noise), 0, TOP).astype(np.uint16)
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = uid.DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = uid.generate_uid(entropy_srcs=[str(film.index)])
    dataset.Modality, dataset.PatientID = "DX", "P1"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.WindowCenter, dataset.WindowWidth = (TOP + 1) // 2, TOP + 1
    dataset.PixelData = stored.tobytes()
    dataset["PixelData"].VR = "OW"
    if SYNTAXES[film.syntax].is_compressed:
        dataset.compress(SYNTAXES[film.syntax], generate_instance_uid=False)
    dataset.save_as(film.path, enforce_file_format=True)
    if film.syntax == "jpeg2000":
        film.path.with_suffix(".j2k").write_bytes(frame_of(dataset))


def frame_of(dataset: pydicom.Dataset) -> bytes:
    """Return the bare compressed frame."""
    frames = pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1)
    return next(frames)


@functools.cache
def draw(seed: int, side: int) -> np.ndarray:
    """Draw one of the few phantoms under the noise."""
    return phantom.make_phantom(seed, (side, side), severity=seed / NUM_PHANTOMS).image


def convert_ours(film: Film) -> None:
    """Convert a film as `prepare` does, and no more."""
    opened = radiograph.read_radiograph(film.path)
    radiograph.write_png(film.out(), opened.image, opened.bits_stored)


def convert_whole(film: Film) -> None:
    """Do all that `prepare` does for a film without an outline."""
    name = film.path.stem
    prepare.prepare_case(prepare.Task(name, film.path, None, film.folder))


def convert_pil(film: Film) -> None:
    """Convert a film as most scripts do."""
    dataset = pydicom.dcmread(film.path)
    shown = pixels.apply_voi_lut(dataset.pixel_array, dataset)
    levels = np.rint(shown / TOP * 65535).astype(np.uint16)
    PIL.Image.fromarray(levels).save(film.out())


def convert_limit(film: Film) -> None:
    """Read, decode, widen 12 bits to 16, encode and write; nothing is checked."""
    dataset = pydicom.dcmread(film.path)
    plugin = radiograph.QUICKEST.get(SYNTAXES[film.syntax], "")
    stored = pixels.pixel_array(dataset, index=0, decoding_plugin=plugin)
    levels = stored << 4 | stored >> 8  # not zeros below: they are encoded faster
    film.out().write_bytes(cv2.imencode(".png", levels)[1].data)


def convert_dcmtk(films: list[Film], num: int) -> None:
    """Let DCMTK convert films in `num` processes at a time."""
    command = [DCMTK[films[0].syntax], "+on2", "+Wi", "1"]
    run_xargs(command, [(str(film.path), str(film.out())) for film in films], num)


def convert_openjpeg(films: list[Film], num: int, ending: str = "png") -> None:
    """Let OpenJPEG decode bare frames in `num` processes at a time."""
    pairs = [(str(f.path.with_suffix(".j2k")), str(f.out(ending))) for f in films]
    places = [("-i", source, "-o", target) for source, target in pairs]
    run_xargs(["opj_decompress"], places, num)


def run_xargs(command: list[str], arguments: list[tuple], num: int) -> None:
    """Run a command once for each tuple of arguments, `num` at a time."""
    text = "\0".join(word for words in arguments for word in words)
    limits = ["xargs", "-0", "-P", str(num), "-n", str(len(arguments[0]))]
    subprocess.run(
        limits + command, input=text, text=True, check=True, stdout=subprocess.DEVNULL
    )


def check(film: Film) -> None:
    """Refuse to time arms that write other pictures."""
    stored = pydicom.dcmread(film.path).pixel_array
    exact = np.rint(stored / TOP * 65535)
    arms = {"ours": convert_ours, "prepare": convert_whole, "PIL": convert_pil}
    arms["limit"] = convert_limit
    if film.syntax in DCMTK:
        arms["DCMTK"] = lambda film: convert_dcmtk([film], 1)
    for name, convert in arms.items():
        convert(film)
        off = np.abs(cv2.imread(str(film.out()), cv2.IMREAD_UNCHANGED) - exact).max()
        if off > 1:
            sys.exit(f"{film.syntax}: {name} is off by {off:.0f} of 65535 levels")
    if film.syntax == "jpeg2000":
        convert_openjpeg([film], 1)
        found = cv2.imread(str(film.out()), cv2.IMREAD_UNCHANGED) >> 4
        if not np.array_equal(found, stored):
            sys.exit(f"{film.syntax}: OpenJPEG gives other values than are stored")


def build_arms(syntax: str, pools: dict) -> dict:
    """Return the arms, each films -> None, called (name, number of processes)."""
    arms = {("caller", 1): lambda films: [convert_ours(film) for film in films]}
    for name, function in (("prepare", convert_whole), ("PIL", convert_pil)):
        arms[name, 1] = functools.partial(map_all, pools[1], function)
    for num, pool in pools.items():
        arms["ours", num] = functools.partial(map_all, pool, convert_ours)
        arms["limit", num] = functools.partial(map_all, pool, convert_limit)
        if syntax in DCMTK:
            arms["DCMTK", num] = functools.partial(convert_dcmtk, num=num)
        if syntax == "jpeg2000":
            convert = functools.partial(convert_openjpeg, num=num)
            arms["OpenJPEG", num] = convert
            arms["OpenJPEG, PGM", num] = functools.partial(convert, ending="pgm")
    return arms


def map_all(pool, function, films: list[Film]) -> None:
    """Let workers convert all films."""
    for _ in pool.map(function, films):
        pass


def start(pools: dict) -> float:
    """Start all workers; return the seconds that two of them took."""
    for num, pool in pools.items():
        begin = time.perf_counter()
        for _ in pool.map(time.sleep, [0.2] * num):  # none takes two of these
            pass
        seconds = time.perf_counter() - begin - 0.2
    return seconds


def measure(arms: dict, films: list[Film], rounds: int, peers: int | None) -> dict:
    """Return films a second of each arm in each round, after a turn that warms up."""
    for convert in arms.values():
        convert(films[:2])
    size = len(films) // rounds
    rates = {arm: [] for arm in arms}
    for turn in tqdm(range(rounds), desc=films[0].syntax):
        part = films[turn * size : (turn + 1) * size]
        names = [*arms][turn % len(arms) :] + [*arms][: turn % len(arms)]
        for arm in names:
            mine = arm[0] in ("ours", "prepare", "caller", "limit")
            taken = part if mine else part[:peers]
            begin = time.perf_counter()
            arms[arm](taken)
            rates[arm].append(len(taken) / (time.perf_counter() - begin))
    return rates


def print_rates(syntax: str, rates: dict) -> None:
    """Print the median rate of each arm and its span."""
    print(f"{syntax}, median of {len(rates['ours', 1])} rounds")
    for (name, num), found in rates.items():
        span = f"{min(found):.2f} to {max(found):.2f}"
        middle = statistics.median(found)
        print(f"  {name:14} {num} process(es) {middle:7.2f} films a second ({span})")


def judge(syntax: str, rates: dict) -> list[dict]:
    """Make the rows of one syntax; a ratio is the median of the rounds' ratios."""
    tool = "DCMTK" if syntax in DCMTK else "OpenJPEG"
    pairs = [
        ("ours", tool, 1, ">= 1.0"),
        ("ours", tool, 2, ">= 1.0"),
        ("ours", "limit", 1, ">= 0.8"),
        ("ours", "limit", 2, ">= 0.8"),
        ("caller", "limit", 1, ""),
        ("prepare", tool, 1, ""),
        ("prepare", "limit", 1, ""),
        ("ours", "PIL", 1, ""),
    ]
    if tool == "OpenJPEG":
        pairs.append(("ours", "OpenJPEG, PGM", 1, ""))
    rows = [make_row(syntax, rates, *pair) for pair in pairs]
    twice = "DICOM to PNG, {}: {}, 2 workers beside twice 1"
    for arm, must in (("ours", ">= 0.95"), ("limit", "")):
        one, two = rates[arm, 1], rates[arm, 2]
        ratios = [b / (2 * a) for a, b in zip(one, two, strict=True)]
        rows.append(
            claims.make_row(
                twice.format(syntax, arm),
                ours=statistics.median(two),
                limit=2 * statistics.median(one),
                unit="films a second",
                ratio=statistics.median(ratios),
                must=must,
            )
        )
    return rows


def make_row(syntax: str, rates: dict, mine: str, other: str, num: int, must: str):
    """Make the row of one arm beside another."""
    pairs = zip(rates[mine, num], rates[other, num], strict=True)
    place = "limit" if other == "limit" else "peer"
    return claims.make_row(
        f"DICOM to PNG, {syntax}, {num} process{'es' * (num > 1)}: "
        f"{mine} beside {other}",
        ours=statistics.median(rates[mine, num]),
        unit="films a second",
        ratio=statistics.median(a / b for a, b in pairs),
        must=must,
        **{place: statistics.median(rates[other, num])},
    )


if __name__ == "__main__":
    main()
