"""A phantom cohort in the study's own layout: DICOM, LabelMe JSON, case table."""

import io
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pydicom
from pydicom import uid
from pydicom.dataset import FileDataset, FileMetaDataset

from rds_phantoms import devices, outline, phantom, workers

COLUMNS = [
    *("filepath", "rds", "exist_json", "roi_area", "height", "width"),
    "patient_id",
]
WINDOWS_FOLDER = "C:\\dataset\\medical_imaging\\"  # as in the study's own tables


@dataclass(frozen=True)
class Case:
    """What is drawn before a phantom is rendered and written."""

    index: int
    seed: int
    folder: Path
    shape: tuple[int, int]
    severity: float
    angle_degrees: float
    device_names: tuple[str, ...]
    patient_id: str
    has_annotation: bool
    bits_stored: int
    inverted: bool
    heart: str = "in"


def write_cohort(
    out: str | Path,
    num_cases: int = 200,
    seed: int = 7,
    tube_link: float = 0.5,
    longest_px: int = 512,
    num_workers: int | None = 1,
    heart: str = "in",
) -> pd.DataFrame:
    """Write `dicom/`, `json/`, `ett/`, `cohort.csv` and `truth.csv`.

    Half of the infants have RDS, four of five lie upright to some 10 degrees and the
    others at any angle, one in four has a second film, one film in ten has no lung
    outline.

    Args:
        out: folder to write.
        num_cases: int, number of films.
        seed: int; the same seed writes the same pixels.
        tube_link: float in `[0, 1]`, how strongly an endotracheal tube follows RDS:
            0 not at all, 1 always there with RDS and never without.
        longest_px: int, longest side of a film.
        num_workers: int, local processes; None for one a core.
        heart: `"in"` outlines the lungs with the part behind the heart, `"out"`
            without it.

    Returns:
        The truth: one row a case with severity, angle and devices.

    Raises:
        ValueError: if `num_cases`, `tube_link` or `heart` is out of range.
        OSError: if a file cannot be written.
    """
    if num_cases < 1:
        raise ValueError(f"`num_cases` must be at least 1. Received: {num_cases}")
    if not 0 <= tube_link <= 1:
        raise ValueError(f"`tube_link` must lie in [0, 1]. Received: {tube_link}")
    if heart not in ("in", "out"):
        raise ValueError(f"`heart` must be 'in' or 'out'. Received: {heart!r}")
    cases = _draw_cases(Path(out), num_cases, seed, tube_link, longest_px)
    cases = [replace(case, heart=heart) for case in cases]
    return _write_cases(Path(out), cases, num_workers)


def _write_cases(out: Path, cases: list[Case], num_workers: int) -> pd.DataFrame:
    for name in ("dicom", "json", "ett"):
        (out / name).mkdir(parents=True, exist_ok=True)
    written = workers.map_on_cores(write_case, cases, num_workers)
    rows, truths = zip(*written, strict=True)
    table = pd.DataFrame(list(rows), columns=COLUMNS)
    truth = pd.DataFrame(list(truths))
    workers.write_file(out / "truth.csv", truth.to_csv(index=False).encode())
    workers.write_file(out / "cohort.csv", table.to_csv(index=False).encode())
    return truth


def _draw_cases(out, num_cases, seed, tube_link, longest_px) -> list[Case]:
    """Draw infants first and then their films, one or two each."""
    rng = np.random.default_rng(seed)
    cases = []
    patient = 0
    while len(cases) < num_cases:
        patient += 1
        rds = rng.random() < 0.5
        for _ in range(1 + (rng.random() < 0.25)):
            narrow = rng.uniform(0.7, 1.0)
            sides = (longest_px, int(longest_px * narrow))
            upright = rng.random() < 0.8
            cases.append(
                Case(
                    index=len(cases),
                    seed=int(rng.integers(2**31)),
                    folder=out,
                    shape=sides if rng.random() < 0.7 else sides[::-1],
                    severity=_draw_severity(rng, rds=rds),
                    angle_degrees=rng.normal(0, 8) if upright else rng.uniform(0, 360),
                    device_names=_draw_devices(rng, tube_link, rds=rds),
                    patient_id=f"phantom{patient:04d}",
                    has_annotation=bool(rng.random() < 0.9),
                    bits_stored=int(rng.choice([8, 10, 12, 14, 16])),
                    inverted=bool(rng.random() < 0.3),
                )
            )
    return [_dress(case) for case in cases[:num_cases]]


def _draw_severity(rng, *, rds: bool) -> float:
    """Draw severity on the right side of `RDS_SEVERITY`, near it in some cases."""
    limit = phantom.RDS_SEVERITY
    return float(rng.uniform(limit, 1) if rds else limit * rng.beta(1, 2))


def _draw_devices(rng, tube_link: float, *, rds: bool) -> tuple[str, ...]:
    chance = 0.5 + (0.5 if rds else -0.5) * tube_link
    chances = {"ett": chance, "ngt": 0.4, "uac": 0.3, "uvc": 0.3, "leads": 0.5}
    return tuple(name for name in chances if rng.random() < chances[name])


def _dress(case: Case) -> Case:
    """Put a dressing on every seventh infant, without a draw that moves the others."""
    if case.seed % 7:
        return case
    return replace(case, device_names=(*case.device_names, "dressing"))


def render_case(case: Case) -> phantom.Phantom:
    """Render one case as the phantom that it describes."""
    return phantom.make_phantom(
        case.seed,
        case.shape,
        case.severity,
        case.angle_degrees,
        case.device_names,
        age=case.seed % 100 / 700,  # newborns, some nearer to infants
    )


def write_case(case: Case) -> tuple[dict, dict]:
    """Render one case and write its DICOM and JSON, and its tube as a drawing.

    Returns:
        Its row of the study's table, and its truth.
    """
    made = render_case(case)
    polygons = made.polygons if case.heart == "in" else made.outline_without_heart()
    name = f"case{case.index:04d}"
    write_dicom(case.folder / "dicom" / f"{name}.dcm", made.image, case)
    if case.has_annotation:
        path = case.folder / "json" / f"{name}.json"
        outline.write_labelme(path, polygons, *case.shape, f"{name}.png")
    tube, drawn = made.device_masks.get("ett"), case.folder / "ett" / f"{name}.png"
    if tube is not None:
        workers.write_file(drawn, cv2.imencode(".png", 255 * tube)[1].tobytes())
    else:
        drawn.unlink(missing_ok=True)  # of an earlier cohort
    area = outline.polygon_area(polygons) if case.has_annotation else ""
    row = {
        "filepath": f"{WINDOWS_FOLDER}{name}.dcm",
        "rds": int(case.severity >= phantom.RDS_SEVERITY),
        "exist_json": int(case.has_annotation),
        "roi_area": area if area == "" else round(area, 1),
        "height": case.shape[0],
        "width": case.shape[1],
        "patient_id": case.patient_id,
    }
    truth = {
        "case_id": name,
        "severity": round(case.severity, 3),
        "angle_degrees": round(case.angle_degrees, 1),
        **{device: int(device in case.device_names) for device in devices.DEVICES},
    }
    return row, truth


def write_dicom(path: Path, image: np.ndarray, case: Case) -> None:
    """Write an image in `[0, 1]` as a Digital X-Ray DICOM of the case's encoding."""
    top = 2**case.bits_stored - 1
    values = np.round(top * (1 - image if case.inverted else image))
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = uid.DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = uid.generate_uid(entropy_srcs=[str(case.seed)])
    dataset = FileDataset(path, {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID"):
        made_of = [keyword, str(case.seed)]
        setattr(dataset, keyword, uid.generate_uid(entropy_srcs=made_of))
    dataset.Modality = "DX"
    dataset.BodyPartExamined = "CHEST"
    dataset.ViewPosition = "AP"
    dataset.PatientID = case.patient_id
    dataset.PatientName = "Phantom^Synthetic"
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
