"""Good input to spoil, ways to spoil it, and what a result must be; see bad_input."""

import dataclasses
import json
import os
import shutil
import struct
import zlib
from pathlib import Path, PureWindowsPath

import cv2
import numpy as np
import PIL.Image
import pydicom
from pydicom import uid

SHAPE = (48, 64)
NUM_FILMS = 8
OUTLINE = [[10, 8], [50, 8], [52, 40], [30, 44], [9, 38]]
ODD = [
    *(None, True, "", "x", "한", "=1+1", "../../x", "/etc/passwd", "a" * 5000, [], {}),
    *(0, -1, 1.5, 3, 255, 65535, 2**31, 2**63, 2e9, -2e9, 1e308, float("nan")),
    *(float("inf"), [[]], [None], {"x": []}),
]
TAGS = (
    "Rows Columns SamplesPerPixel PhotometricInterpretation BitsAllocated BitsStored "
    "HighBit PixelRepresentation NumberOfFrames PlanarConfiguration WindowCenter "
    "WindowWidth VOILUTFunction RescaleSlope RescaleIntercept PixelPaddingValue "
    "PixelPaddingRangeLimit PresentationLUTShape Modality PatientID PixelData "
    "SpecificCharacterSet VOILUTSequence ModalityLUTSequence SmallestImagePixelValue"
).split()
CELLS = ["", "0", "-1", "7", "65535", "65536", "nan", "inf", "1e400", "x", "1\\2", "=1"]
SYNTAXES = [
    *(uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian),
    *(uid.DeflatedExplicitVRLittleEndian, uid.RLELossless, uid.JPEGLSLossless),
    *(uid.JPEG2000Lossless, uid.JPEGBaseline8Bit, uid.JPEGLosslessSV1),
]


class Fault(Exception):
    """A result that is not what the input says, or a sentence that says nothing."""


def make_film(path: Path, number: int) -> Path:
    """Write one film in the transfer syntax of its number."""
    syntax = SYNTAXES[number % len(SYNTAXES)]
    bits = 8 if syntax == uid.JPEGBaseline8Bit else 12
    rows, columns = np.indices(SHAPE)
    rng = np.random.default_rng(number)
    stored = (rows * 15 + columns * 10 + rng.integers(0, 1500, SHAPE)) % 2**bits
    stored = stored.astype("u1" if bits == 8 else "u2")
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = uid.ComputedRadiographyImageStorage
    dataset.SOPInstanceUID, dataset.Modality = f"1.2.{number}", "CR"
    dataset.PatientID = f"id{number}"
    dataset.Rows, dataset.Columns = SHAPE
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored = 8 * stored.itemsize, bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, 0
    dataset.WindowCenter, dataset.WindowWidth = 2 ** (bits - 1), 2**bits
    dataset.PixelData = stored.tobytes()
    dataset["PixelData"].VR = "OW"
    if syntax in (uid.RLELossless, uid.JPEGLSLossless, uid.JPEG2000Lossless):
        dataset.compress(syntax)
    elif syntax == uid.JPEGBaseline8Bit:
        _, frame = cv2.imencode(".jpg", stored)
        dataset.PixelData = pydicom.encaps.encapsulate([frame.tobytes()])
    elif syntax == uid.ExplicitVRBigEndian:
        dataset.PixelData = stored.byteswap().tobytes()
    if syntax != uid.JPEGLosslessSV1:
        dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path, enforce_file_format=True)
    if syntax == uid.JPEGLosslessSV1:
        _press_jpeg(path)
    return path


def _press_jpeg(path: Path) -> None:
    """Compress a file by GDCM, for pydicom writes no lossless JPEG."""
    import gdcm

    reader, change = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax()
    reader.SetFileName(str(path))
    reader.Read()
    syntax = gdcm.TransferSyntax.JPEGLosslessProcess14_1
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    change.SetInput(reader.GetImage())
    change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.Write()


def make_pictures(folder: Path) -> list[Path]:
    """Write one picture in every mode that shows grey."""
    rng = np.random.default_rng(0)
    grey = PIL.Image.fromarray(rng.integers(0, 255, SHAPE, np.uint8))
    paths = []
    for mode in ("L", "RGB", "P", "1", "LA", "RGBA", "I;16"):
        path = folder / f"{mode.replace(';', '')}.png"
        picture = grey
        if mode == "I;16":
            picture = PIL.Image.fromarray(rng.integers(0, 65535, SHAPE, np.uint16))
        elif mode != "L":
            picture = grey.convert(mode)
        picture.save(path)
        paths.append(path)
    for name, options in (("a", {}), ("b", {"progressive": True})):
        grey.save(folder / f"{name}.jpg", **options)
        paths.append(folder / f"{name}.jpg")
    return paths


def make_models(folder: Path, segmenter: Path) -> None:
    """Store an untrained classifier beside a copy of a segmenter."""
    from rds_tf.classification import efficientnet
    from rds_tf.storage import model_store

    small = {"backbone": "B0", "image_size": 32}
    known = {"kind": "classifier", "architecture": small, "input": "combined"}
    known["training"] = {"data": "nothing", "start": "scratch", "seen": []}
    model = efficientnet.build_classifier(**small)
    model_store.save_model(model, folder / "classifier", known)
    shutil.copytree(segmenter, folder / "segmenter", dirs_exist_ok=True)


def try_ensemble(rng, folder: Path) -> str:
    """Load `ensemble.json` with an odd value, and judge its numbers; say where."""
    from rds_tf.classification import ensemble

    content = dataclasses.asdict(ensemble.Ensemble(members=("a",)))
    what = spoil_node(rng, content)
    (folder / "ensemble.json").write_text(json.dumps(content))
    found = ensemble.load(folder)
    if not (found.temperature > 0 and 0 <= found.threshold < 1.001):
        raise Fault("the ensemble decides by no number")
    if not np.isfinite(found.predict(np.zeros((1, 2)))).all():
        raise Fault("the ensemble gives no probability")
    return what


def make_readings() -> str:
    """Return the table of a small whole study."""
    rng = np.random.default_rng(0)
    rows = ["reader,treatment,case,truth,rating"]
    for reader, arm, case in np.ndindex(3, 2, 12):
        rating = rng.integers(0, 60) + 40 * (case % 2)
        rows.append(f"r{reader},{arm},c{case},{case % 2},{rating}")
    return "\n".join([*rows, ""])


def lay_out(root: Path) -> None:
    """Write good films with outlines under a root, and traps beside them."""
    shape = {"label": "lung", "shape_type": "polygon", "points": OUTLINE}
    for number in range(NUM_FILMS):
        make_film(root / f"f{number}.dcm", number)
        (root / f"f{number}.json").write_text(json.dumps({"shapes": [shape]}))
    good = (root / "f0.dcm").read_bytes()
    (root / "broken.dcm").write_bytes(good[:-900])
    huge = pydicom.dcmread(root / "f0.dcm")
    huge.Rows = huge.Columns = 60_000
    huge.save_as(root / "huge.dcm")
    (root / "far.dcm").write_bytes(good)
    far = {"shapes": [{**shape, "points": [[0, 0], [2e9, 0], [0, 2e9]]}]}
    (root / "far.json").write_text(json.dumps(far))
    (root.parent / "secret.dcm").write_bytes(good)
    if not (root / "link.dcm").is_symlink():
        (root / "link.dcm").symlink_to(root.parent / "secret.dcm")
        os.mkfifo(root / "pipe.dcm")


def spoil(rng, data: bytes) -> bytes:
    """Change, drop, double or add some bytes."""
    content = bytearray(data)
    for _ in range(rng.integers(1, 6)):
        start = int(rng.integers(max(1, len(content))))
        size = int(rng.choice([1, 1, 1, 2, 4, 30]))
        part = content[start : start + size]
        content[start : start + size] = [
            rng.bytes(len(part)),
            b"",
            bytes(part) * 2,
            bytes(part) + rng.bytes(size),
            bytes([255]) * len(part),
            bytes(len(part)),
        ][rng.integers(6)]
    return bytes(content)


def cut(rng, data: bytes) -> bytes:
    """End the data too soon."""
    return data[: int(rng.integers(len(data)))]


def spoil_tag(rng, dataset: pydicom.Dataset) -> str:
    """Give one tag an odd value, or take it away; say which."""
    keyword = str(rng.choice(TAGS))
    value = ODD[rng.integers(len(ODD))]
    if keyword.endswith("LUTSequence"):
        value = _make_table(rng)
    try:
        if rng.random() < 0.1:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    except Exception:  # no such tag, or pydicom does not take the value
        return f"{keyword} kept"
    return f"{keyword}={str(value)[:30]}"


def _make_table(rng) -> list[pydicom.Dataset]:
    """Return a LUT sequence that may not be whole."""
    item = pydicom.Dataset()
    count, first, bits = (
        int(rng.choice(n)) for n in ([0, 1, 9, 300], [0, 65000], [0, 8, 16])
    )
    item.add_new("LUTDescriptor", "US", [count, first, bits])
    if rng.random() < 0.8:
        item.add_new("LUTData", "OW", rng.bytes(2 * int(rng.integers(400))))
    return [item] if rng.random() < 0.9 else []


def spoil_node(rng, content) -> str:
    """Put an odd value anywhere into JSON content; say where."""
    place, names = content, []
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = keys[rng.integers(len(keys))]
        names.append(str(key))
        inner = place[key]
        if not (isinstance(inner, dict | list) and inner and rng.random() < 0.8):
            break
        place = inner
    if isinstance(place, dict) and rng.random() < 0.2:
        del place[key]
        return ".".join(names) + " gone"
    place[key] = ODD[rng.integers(len(ODD))]
    return f"{'.'.join(names)}={str(place[key])[:30]}"


def resize_png(data: bytes, width: int, height: int) -> bytes:
    """Let a PNG's header claim another size, with the right check sum."""
    header = b"IHDR" + struct.pack(">2I", int(width), int(height)) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


def add_chunk(data: bytes, name: bytes, content: bytes) -> bytes:
    """Put a chunk behind a PNG's header."""
    check = struct.pack(">I", zlib.crc32(name + content))
    return (
        data[:33] + struct.pack(">I", len(content)) + name + content + check + data[33:]
    )


def check_image(image: np.ndarray) -> None:
    """A film is grey from 0 to 1."""
    if image.ndim != 2 or image.dtype != np.float32 or not image.size:
        raise Fault(f"the image is {image.dtype} {image.shape}")
    if not (np.isfinite(image).all() and 0 <= image.min() <= image.max() <= 1):
        raise Fault("the image holds what is no grey")


def check_mask(polygons: list[np.ndarray], mask: np.ndarray) -> None:
    """A mask is that of OpenCV, but for pixels at the outline."""
    other, edge = np.zeros_like(mask), np.zeros_like(mask)
    for polygon in polygons:
        if len(polygon) > 1000:  # OpenCV takes minutes
            return
        points = np.rint((polygon - 0.5) * 16).astype(np.int32)[None]
        part = np.zeros_like(mask)
        cv2.fillPoly(part, points, 1, shift=4)
        other |= part
        cv2.polylines(edge, points, True, 1, thickness=3, shift=4)
    if ((mask != other) & (edge == 0)).any():
        raise Fault("the mask is not what OpenCV draws")


def check_cases(cases, rejected, root: Path) -> None:
    """What a spoiled table still gives has labels, files, and rows of its own."""
    if not (cases["rds"].isin([0, 1]).all() and cases["exist_json"].isin([0, 1]).all()):
        raise Fault("a label is neither 0 nor 1")
    for path in [*cases["source"], *(p for p in cases["annotation"] if p)]:
        if not path.resolve().is_relative_to(root.resolve()):
            raise Fault(f"{path} lies outside the root")
    if cases["source"].duplicated().any() or set(cases["row"]) & set(rejected["row"]):
        raise Fault("a film or a row is there twice")


def check_manifest(table, folder: Path) -> None:
    """A manifest that is accepted names folds, labels, and files in its folder."""
    if not len(table):
        return
    ranges = {"rds": 1, "exist_json": 1, "fold": 4, "height": 65535, "bits_stored": 16}
    for name, high in ranges.items():
        if not table[name].between(0, high).all():
            raise Fault(f"a {name} is out of its range")
    for name in ("image", "mask", "case_id"):
        for cell in table[name]:
            path = (folder / "x" / cell).resolve()
            if ".." in PureWindowsPath(cell).parts or not path.is_relative_to(
                folder.resolve()
            ):
                raise Fault(f"{name} {cell} lies outside the folder")
    if (table["roi_area"].fillna(0) < 0).any() or np.isinf(table["roi_area"]).any():
        raise Fault("a roi_area is no area")


def probe(model) -> None:
    """A model that is accepted gives probabilities."""
    size = model.input_shape[1]
    found = np.asarray(model(np.zeros((1, size, size, 1), "float32")))
    if not (np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1):
        raise Fault("the model gives what is no probability")


VERBS = {
    "phantom": ["out", "--cases", "2", "--longest-px", "48", "--workers", "1"],
    "prepare": ["good.csv", "out2", "--root", "root", "--workers", "1"],
    "segment": ["out", "out3", "--models", "models", "--post-processing", "median"],
    "evaluate segmentation": ["out", "--models", "models", "--angles", "0"],
    "evaluate diagnosis": ["out", "--models", "models", "--segmenter", "models"],
    "diagnose": ["root/f0.dcm", "--out", "out4", "--models", "models"],
    "study plan": ["--readers", "4", "--cases", "20", "--simulations", "0"],
    "study analyse": ["readings.csv", "--json", "a.json"],
    "report": ["out", "out5"],
}
OPTIONS = {
    "phantom": ["--seed", "--tube-link", "--heart"],
    "prepare": ["--root"],
    "segment": ["--heart", "--models"],
    "evaluate segmentation": ["--heart", "--json", "--models"],
    "evaluate diagnosis": ["--json", "--segmenter", "--models"],
    "diagnose": ["--dicom", "--models"],
    "study plan": [
        "--auroc",
        "--effect",
        "--power",
        "--pilot",
        "--structure",
        "--order",
    ]
    + ["--correlations", "--reader-sd", "--washout-days", "--seed"],
    "study analyse": ["--key", "--out"],
    "report": ["--debug"],
}
WORDS = ["", "-1", "0", "1", "0.5", "nan", "inf", "-inf", "1e9", "99999999999999999999"]
WORDS += [
    "x",
    "=cmd|x",
    "한글",
    "../..",
    "/dev/null",
    "/dev/zero",
    "/",
    "nowhere",
    "good",
    "models",
]
WORDS += [
    "root",
    "root/f0.dcm",
    "good.csv",
    "out",
    "readings.csv",
    "a" * 300,
]
# No word names a place outside the folder: a verb would write there.
COUNTS = ("--cases", "--readers", "--simulations", "--workers")


def make_command(rng, folder: Path) -> list[str]:
    """Return a command line with one to three odd words, for within the folder."""
    os.chdir(folder)
    verb = str(rng.choice(list(VERBS)))
    words = list(VERBS[verb])
    for _ in range(rng.integers(1, 4)):
        place = int(rng.integers(len(words)))
        word = str(rng.choice(WORDS))
        if rng.random() < 0.4:
            words += [str(rng.choice(OPTIONS[verb])), word]
        elif words[place].startswith("--") or (
            # A great count is great work and no mistake.
            place and words[place - 1] in COUNTS and word in ("1e9", WORDS[9])
        ):
            words.append(word)
        else:
            words[place] = word
    return [*verb.split(), *words]
