"""A phantom cohort on disk: DICOM files, LabelMe outlines, case table and truth."""

import io
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pydicom
from pydicom import uid
from pydicom.dataset import FileDataset, FileMetaDataset

from rds_phantoms import devices, disease, film, outline, phantom, workers

COLUMNS = ["filepath", "rds", "exist_json", "roi_area", "height", "width", "patient_id"]
WINDOWS_FOLDER = "C:\\dataset\\medical_imaging\\"  # as in the study's own tables


@dataclass(frozen=True)
class Case:
    """One radiograph of the cohort before it is rendered.

    Attributes:
        index: int, number of its files.
        seed: int, of all that the other attributes do not fix.
        shape: height and width in pixels.
        severity: float in `[0, 1]`, RDS from `phantom.RDS_SEVERITY` on.
        angle_degrees: float, counter-clockwise turn of the infant.
        device_names: names out of `devices.DEVICES`.
        findings: names out of `disease.FINDINGS`.
        weeks: float, post-menstrual age.
        breath: float, in usual deviations between breaths; deeper is more.
        patient_id: the infant, who may have several radiographs.
        has_annotation: bool, whether the lungs are outlined.
        bits_stored: int, 8 to 16 bits a pixel.
        inverted: bool, stored as MONOCHROME1.
    """

    index: int
    seed: int
    shape: tuple[int, int]
    severity: float
    angle_degrees: float
    device_names: tuple[str, ...]
    findings: tuple[str, ...]
    weeks: float
    breath: float
    patient_id: str
    has_annotation: bool
    bits_stored: int
    inverted: bool


def write_cohort(
    out: str | Path,
    num_cases: int = 200,
    *,
    seed: int = 7,
    tube_link: float = 0.5,
    longest_px: int = 512,
    num_workers: int | None = 1,
    heart: str = "in",
    weeks: tuple[float, float] | None = None,
) -> pd.DataFrame:
    """Write `dicom/`, `json/`, `ett/`, `cohort.csv` and `truth.csv`.

    Half of the infants have RDS, a third of the others something that is not; six of
    seven lie as in intensive care and the others at any angle, one in four has a second
    radiograph, one radiograph in ten has no lung outline. Lungs with RDS hold a little
    less air on average, too little to tell it.

    Args:
        out: folder to write.
        num_cases: int, number of radiographs.
        seed: int; the same seed writes the same pixels.
        tube_link: float in `[0, 1]`, how strongly an endotracheal tube follows RDS:
            0 not at all, 1 always there with RDS and never without.
        longest_px: int, longer side of a radiograph.
        num_workers: int, local processes; None for one a core.
        heart: `"in"` outlines the lungs with the part behind the heart, `"out"`
            without it.
        weeks: least and most post-menstrual age; RDS is then drawn at all ages, so
            that it is not told by a newborn's shape. Default None, the ages of a
            newborn ward.

    Returns:
        The truth: one row a case with severity, grade, angle, age, sizes, carina and
        tip of the tube in px, text on the film, devices and findings.

    Raises:
        ValueError: `num_cases`, `tube_link` or `heart` is out of range.
        OSError: a file cannot be written; the message names it.
    """
    if num_cases < 1:
        raise ValueError(f"`num_cases` must be at least 1. Received: {num_cases}")
    if not 0 <= tube_link <= 1:
        raise ValueError(f"`tube_link` must lie in [0, 1]. Received: {tube_link}")
    if heart not in ("in", "out"):
        raise ValueError(f"`heart` must be 'in' or 'out'. Received: {heart!r}")
    out = Path(out)
    for name in ("dicom", "json", "ett"):
        (out / name).mkdir(parents=True, exist_ok=True)
    write = partial(write_case, folder=out, heart=heart)
    cases = draw_cases(num_cases, seed, tube_link, longest_px, weeks)
    rows, truths = zip(*workers.map_on_cores(write, cases, num_workers), strict=True)
    truth = pd.DataFrame(list(truths))
    table = pd.DataFrame(list(rows), columns=COLUMNS)
    for name, content in (("truth.csv", truth), ("cohort.csv", table)):
        workers.write_file(out / name, content.to_csv(index=False).encode())
    return truth


def draw_cases(
    num_cases: int,
    seed: int,
    tube_link: float,
    longest_px: int,
    weeks: tuple[float, float] | None = None,
) -> list[Case]:
    """Draw infants first and then their radiographs, one or two each.

    Args: as of `write_cohort`.
    """
    rng = np.random.default_rng(seed)
    cases = []
    patient = 0
    while len(cases) < num_cases:
        patient += 1
        rds = rng.random() < 0.5
        age = _draw_weeks(rng, weeks)
        findings = _draw_findings(rng, rds=rds)
        for _ in range(1 + (rng.random() < 0.25)):
            severity = _draw_severity(rng, rds=rds)
            as_in_a_ward = rng.random() < 6 / 7
            case = Case(
                index=len(cases),
                seed=int(rng.integers(2**31)),
                shape=_draw_shape(rng, longest_px),
                severity=severity,
                angle_degrees=film.draw_tilt(rng)
                if as_in_a_ward
                else rng.uniform(0, 360),
                device_names=_draw_devices(rng, tube_link, rds=rds),
                findings=findings,
                weeks=age,
                breath=rng.normal(0, 1) - 0.3 * severity,
                patient_id=f"phantom{patient:04d}",
                has_annotation=bool(rng.random() < 0.9),
                bits_stored=int(rng.choice([8, 10, 12, 14, 16])),
                inverted=bool(rng.random() < 0.3),
            )
            cases.append(case)
    return cases[:num_cases]


def _draw_shape(rng, longest_px: int) -> tuple[int, int]:
    """Draw height and width of a film.

    Height to width over 3,165 films of intensive care (MAIDA-NICU): median 0.98, from
    0.58 to 1.47 in nine of ten.
    """
    ratio = float(np.clip(0.98 * np.exp(rng.normal(0, 0.27)), 0.5, 1.8))
    return int(longest_px * min(ratio, 1)), int(longest_px / max(ratio, 1))


def _draw_weeks(rng, between: tuple[float, float] | None) -> float:
    """Draw an age at the film: most before term, some infants already older."""
    if between is not None:
        return float(np.exp(rng.uniform(*np.log(between))))
    if rng.random() < 0.15:
        return float(rng.uniform(41, 52))
    return float(np.clip(rng.normal(33, 4.5), 24, 41))


def _draw_findings(rng, *, rds: bool) -> tuple[str, ...]:
    """Draw what an infant has besides RDS, or instead of it."""
    if rds:
        chances = {
            "after_surfactant": 0.15,
            "pneumothorax": 0.04,
            "effusion": 0.03,
            "interstitial_air": 0.04,
            "large_heart": 0.05,
        }
    else:
        chances = {
            "transient_tachypnoea": 0.08,
            "meconium_aspiration": 0.05,
            "pneumonia": 0.05,
            "atelectasis": 0.04,
            "effusion": 0.02,
            "pneumothorax": 0.03,
            "bronchopulmonary_dysplasia": 0.03,
            "white_lung": 0.015,
            "hernia": 0.01,
            "large_heart": 0.05,
            "expiratory": 0.04,
        }
    return tuple(name for name in chances if rng.random() < chances[name])


def _draw_severity(rng, *, rds: bool) -> float:
    """Draw severity on the right side of `RDS_SEVERITY`, near it in some cases."""
    limit = phantom.RDS_SEVERITY
    return float(rng.uniform(limit, 1) if rds else limit * rng.beta(1, 2))


def _draw_devices(rng, tube_link: float, *, rds: bool) -> tuple[str, ...]:
    chance = 0.5 + (0.5 if rds else -0.5) * tube_link
    chances = {
        "ett": chance,
        "ngt": 0.45,
        "uac": 0.25,
        "uvc": 0.3,
        "picc": 0.12,
        "drain": 0.02,
        "leads": 0.5,
        "clips": 0.02,
        "wires": 0.01,
        "dressing": 0.12,
    }
    return tuple(name for name in chances if rng.random() < chances[name])


def render_case(case: Case) -> phantom.Phantom:
    """Render one case as the phantom that it describes."""
    return phantom.make_phantom(
        case.seed,
        case.shape,
        severity=case.severity,
        angle_degrees=case.angle_degrees,
        device_names=case.device_names,
        weeks=case.weeks,
        findings=case.findings,
        breath=case.breath,
    )


def write_case(case: Case, folder: Path, heart: str = "in") -> tuple[dict, dict]:
    """Render one case and write its DICOM, its outline and a drawing of its tube.

    Args:
        case: what to render.
        folder: of the cohort, with `dicom/`, `json/` and `ett/`.
        heart: as of `write_cohort`.

    Returns:
        Its row of the case table, and its truth.
    """
    made = render_case(case)
    polygons = made.polygons if heart == "in" else made.outline_without_heart()
    name = f"case{case.index:04d}"
    path = folder / "dicom" / f"{name}.dcm"
    write_dicom(path, made.image, case, made.spacing_mm)
    area: float | str = ""
    if case.has_annotation:
        path = folder / "json" / f"{name}.json"
        outline.write_labelme(path, polygons, *case.shape, f"{name}.png")
        area = round(outline.polygon_area(polygons), 1)
    tube, drawing = made.device_masks.get("ett"), folder / "ett" / f"{name}.png"
    if tube is not None:
        workers.write_file(drawing, cv2.imencode(".png", 255 * tube)[1].tobytes())
    else:
        drawing.unlink(missing_ok=True)  # of an earlier cohort
    row = {
        "filepath": f"{WINDOWS_FOLDER}{name}.dcm",
        "rds": int(case.severity >= phantom.RDS_SEVERITY),
        "exist_json": int(case.has_annotation),
        "roi_area": area,
        "height": case.shape[0],
        "width": case.shape[1],
        "patient_id": case.patient_id,
    }
    truth = {
        "case_id": name,
        "severity": round(case.severity, 3),
        "grade": made.grade,
        "angle_degrees": round(case.angle_degrees, 1),
        "weeks": round(case.weeks, 1),
        "spacing_mm": round(made.spacing_mm, 4),
        "area_mm2": round(made.area_mm2, 1),
        "volume_ml": round(made.volume_ml, 1),
        **_name_point("carina", made.carina),
        **_name_point("tube_tip", made.device_tips.get("ett")),
        "text": " ".join(made.text),
        **{device: int(device in case.device_names) for device in devices.DEVICES},
        **{name: int(name in case.findings) for name in disease.FINDINGS},
    }
    return row, truth


def _name_point(name: str, point: np.ndarray | None) -> dict[str, float | str]:
    """Return columns of a point in px; what is not there has none."""
    x, y = ("", "") if point is None else (round(float(one), 1) for one in point)
    return {f"{name}_x": x, f"{name}_y": y}


def write_dicom(
    path: Path, image: np.ndarray, case: Case, spacing_mm: float | None = None
) -> None:
    """Write an image in `[0, 1]` as a Digital X-Ray DICOM of the case's encoding.

    Args:
        path: file to write.
        image: `(H, W)` float32.
        case: its encoding.
        spacing_mm: float, side of a pixel in the middle of the infant; None for none.
    """
    largest = 2**case.bits_stored - 1
    values = np.round(largest * (1 - image if case.inverted else image))
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = uid.DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = uid.generate_uid(entropy_srcs=[str(case.seed)])
    dataset = FileDataset(path, {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID"):
        entropy = [keyword, str(case.seed)]  # the same identifiers for the same seed
        setattr(dataset, keyword, uid.generate_uid(entropy_srcs=entropy))
    dataset.Modality = "DX"
    dataset.BodyPartExamined = "CHEST"
    dataset.ViewPosition = "AP"
    dataset.PatientID = case.patient_id
    dataset.PatientName = "Phantom^Synthetic"
    if spacing_mm is not None:
        dataset.PixelSpacing = [f"{spacing_mm:.6g}"] * 2
        dataset.PixelSpacingCalibrationType = "GEOMETRY"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = f"MONOCHROME{1 if case.inverted else 2}"
    dataset.Rows, dataset.Columns = image.shape
    dataset.BitsAllocated = 8 if case.bits_stored == 8 else 16
    dataset.BitsStored, dataset.HighBit = case.bits_stored, case.bits_stored - 1
    dataset.PixelRepresentation = 0
    pixels = values.astype("uint8" if case.bits_stored == 8 else "<u2").tobytes()
    dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
    dataset["PixelData"].VR = "OB" if case.bits_stored == 8 else "OW"
    content = io.BytesIO()
    pydicom.dcmwrite(content, dataset)
    workers.write_file(path, content.getvalue())
