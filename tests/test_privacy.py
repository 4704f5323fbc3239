"""Nothing that is written or printed tells who the infant of a DICOM file is.

Every attribute of a film that can hold a text, private ones too, holds a secret; then
each verb that reads films runs, and the bytes of all that it left are searched.
"""

import base64
import html
import io
import json
import logging
import re
import shutil
import urllib.parse
import warnings
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import datadict, uid

from rds_pages.exhibition import exhibit, stage, uploads
from rds_readers import answers
from rds_tf import command_line
from rds_tf.classification import classifier, ensemble
from rds_tf.data import prepare
from rds_tf.diagnosis import diagnose
from rds_tf.lungs import segmenter

LATIN, HANJA, HANGUL = "Kim^Minji", "金^敏智", "김^민지"
SECRET = "QZ7X"  # part of every other text
BORN = "20231109"
ROOT = "1.2.410.987654321"
SECRETS = [
    *("Minji", "MINJI", "敏智", "민지", SECRET, ROOT),  # 3 bytes may stand anywhere
    *(BORN, "2023-11-09", "09.11.2023", "11/09/2023", "091101"),
]
CHARACTER_SETS = {"EUC-KR": ["", "ISO 2022 IR 149"], "UTF-8": "ISO_IR 192"}
TEXTS = {
    **dict.fromkeys(["LO", "SH", "LT", "ST", "UT", "UC", "UR"], SECRET),
    **{"AE": SECRET, "DA": BORN, "DT": BORN, "TM": "091101", "AS": "003D"},
}
NEEDED = ("SpecificCharacterSet", "SOPClassUID")


def make_film(path, seed, character_set, patient):
    """Write a film of 12 bits with a secret in each attribute of a text's kind."""
    film = pydicom.Dataset()
    film.file_meta = pydicom.dataset.FileMetaDataset()
    film.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    film.file_meta.SourceApplicationEntityTitle = SECRET
    film.SpecificCharacterSet = CHARACTER_SETS[character_set]
    for tag, (vr, _, _, retired, keyword) in datadict.DicomDictionary.items():
        whole = not retired and keyword not in NEEDED and 0x0008 <= tag >> 16 < 0x0070
        if not whole or tag in (0x00280002, 0x00080001):
            continue
        if vr == "PN":
            setattr(film, keyword, f"{LATIN}={HANJA}={HANGUL}")
        elif vr == "UI":
            setattr(film, keyword, f"{ROOT}.{seed}.{tag}")
        elif vr in TEXTS:
            setattr(film, keyword, TEXTS[vr])
    block = film.private_block(0x0011, "QZ7X PRIVATE", create=True)
    block.add_new(1, "LO", f"{SECRET} {HANGUL}")
    block.add_new(2, "PN", f"{LATIN}={HANJA}={HANGUL}")
    block.add_new(3, "UN", SECRET.encode())
    film.PatientID, film.PatientSex = f"{SECRET}{patient}", "F"
    film.PatientComments = f"{HANGUL} {SECRET}"
    film.ImageComments = f"{LATIN} {HANJA}"
    film.SOPClassUID = uid.ComputedRadiographyImageStorage
    film.Modality, film.PhotometricInterpretation = "CR", "MONOCHROME2"
    film.SamplesPerPixel, film.PixelRepresentation = 1, 0
    film.Rows, film.Columns = 64, 80
    film.BitsAllocated, film.BitsStored, film.HighBit = 16, 12, 11
    levels = np.random.default_rng(seed).integers(0, 4096, (64, 80), np.uint16)
    film.PixelData = levels.tobytes()
    film.save_as(path, enforce_file_format=True)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Twelve films of twelve infants below folders that are called after them."""
    folder = tmp_path_factory.mktemp("source")
    rows = ["filepath,rds,exist_json,roi_area,height,width"]
    for index in range(12):
        below = folder / f"KIM_MINJI_{index}"
        below.mkdir()
        name = list(CHARACTER_SETS)[index % 2]
        make_film(below / f"c{index}.dcm", index, name, index)
        rows.append(f"c{index}.dcm,{index % 2},0,,,")
    (folder / "cohort.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture
def films(source, tmp_path):
    """The same films under names of their own, in one folder."""
    folder = tmp_path / "films"
    folder.mkdir()
    for path in source.rglob("*.dcm"):
        shutil.copy(path, folder)
    return folder


@pytest.fixture
def models(monkeypatch):
    """Networks that answer at once: dark is lung, every film has RDS."""

    def find_lungs(model, images, steps=tuple(segmenter.STEPS)):
        masks = [(image < 0.5).astype("uint8") for image in images]
        found = [segmenter.Segmentation(mask, 1.0) for mask in masks]
        return dict.fromkeys(steps, found)

    def ask(classifiers, image, mask):
        return np.array([1.0] * len(classifiers)), image.astype("float32"), 1.0

    manifest = {
        "input": "whole",
        "training": {"data": "9 phantoms, no real film", "seen": []},
        "weights": {"sha256": "5" * 64},
    }
    lungs = segmenter.Segmenter(None, manifest, Path("lungs"))
    one = classifier.Classifier(None, manifest, Path("one"))
    monkeypatch.setattr(segmenter, "segment_steps", find_lungs)
    monkeypatch.setattr(segmenter, "load_segmenters", lambda *_: [lungs])
    monkeypatch.setattr(segmenter, "assign_unseen", lambda rows, _: [(lungs, rows)])
    monkeypatch.setattr(classifier, "load_classifiers", lambda *_: [one])
    monkeypatch.setattr(ensemble, "ask_models", ask)
    return diagnose.Models([lungs], [one])


@pytest.fixture
def log():
    """What a program that logs all to one place would hold."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel("DEBUG")
    yield text
    root.removeHandler(handler)
    root.setLevel(before)


def run(capfd, *arguments):
    """Run a verb; return its status and all that it printed, as bytes."""
    status = command_line.main([str(one) for one in arguments])
    printed = capfd.readouterr()
    return status, (printed.out + printed.err).encode()


def unfold(content: bytes):
    """Yield bytes as they are, and what is packed into them."""
    yield content
    for packed in re.findall(rb"base64,([A-Za-z0-9+/=]+)", content):
        yield from unfold(base64.b64decode(packed))
    place = 8 if content.startswith(b"\x89PNG") else len(content)
    while place < len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        name, body = content[place + 4 : place + 8], content[place + 8 :][:length]
        if name in (b"zTXt", b"iTXt", b"iCCP", b"eXIf"):
            start = body.find(b"\x78")  # where a zlib stream may begin
            yield zlib.decompressobj().decompress(body[start:]) if start > 0 else body
        place += 12 + length


def spell(secret: str):
    """Yield the bytes that a secret may be written as."""
    for encoding in ("utf-8", "utf-16-le", "utf-16-be", "euc-kr", "iso2022_kr"):
        yield secret.encode(encoding)
    yield json.dumps(secret)[1:-1].encode()
    yield json.dumps(secret)[1:-1].upper().encode().replace(b"\\U", b"\\u")
    yield urllib.parse.quote(secret).encode()
    yield html.escape(secret).encode("ascii", "xmlcharrefreplace")
    yield secret.encode("ascii", "backslashreplace")
    yield base64.b64encode(secret.encode()).rstrip(b"=")


def find_secrets(*contents: bytes) -> set[str]:
    """Name the secrets that stand in any of the contents, however spelled."""
    parts = [part for content in contents for part in unfold(content)]
    return {
        secret
        for secret in SECRETS
        for form in spell(secret)
        if len(form) > 2 and any(form in part for part in parts)
    }


def read_all(folder):
    """Return names and contents of all files below a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [bytes(path.relative_to(folder)) for path in files] + [
        path.read_bytes() for path in files
    ]


@pytest.mark.parametrize("name", CHARACTER_SETS)
def test_the_search_finds_every_kind_of_secret_in_the_film_itself(tmp_path, name):
    make_film(tmp_path / "film.dcm", 0, name, 0)
    found = find_secrets((tmp_path / "film.dcm").read_bytes())
    assert found >= {"Minji", "敏智", "민지", SECRET, BORN, ROOT, "091101"}
    page = "<img src='data:image/png;base64,%s'>"
    text = b"iTXtAuthor\0\1\0\0\0" + zlib.compress("김민지".encode())
    png = b"\x89PNG\r\n\x1a\n" + (len(text) - 4).to_bytes(4, "big") + text + bytes(4)
    assert find_secrets((page % base64.b64encode(png).decode()).encode()) >= {"민지"}
    assert find_secrets(json.dumps("민지").encode()) == {"민지"}


def test_a_prepared_cohort_names_nobody(source, tmp_path, capfd):
    status, printed = run(capfd, "prepare", source / "cohort.csv", tmp_path / "out")
    assert status == 0
    assert find_secrets(printed.replace(bytes(tmp_path), b"")) == set()
    assert find_secrets(*read_all(tmp_path / "out")) == set()
    ids = prepare.load_manifest(tmp_path / "out")["patient_id"]
    assert ids.str.fullmatch("P[0-9a-f]{8}").all() and ids.nunique() == 12


def test_what_the_users_own_table_says_is_kept(source, tmp_path):
    table = (source / "cohort.csv").read_text().splitlines()
    rows = [table[0] + ",patient_id", *(f"{row},ward-{row[:3]}" for row in table[1:])]
    (source / "named.csv").write_text("\n".join(rows))
    prepare.prepare(source / "named.csv", tmp_path / "out", num_workers=1)
    manifest = prepare.load_manifest(tmp_path / "out")
    assert manifest["patient_id"][0] == "ward-c0."
    assert manifest["filepath"][0] == "c0.dcm"  # not the folder it was found in


def test_a_diagnosis_names_nobody(films, models, tmp_path, capfd):
    out = tmp_path / "out"
    status, printed = run(capfd, "diagnose", films, "--out", out)
    assert status == 0 and b"12 diagnosed" in printed
    assert find_secrets(printed.replace(bytes(tmp_path), b"")) == set()
    assert find_secrets(*read_all(out)) == set()


def test_only_what_goes_back_to_the_archive_carries_the_patient(
    films, models, tmp_path, capfd
):
    out = tmp_path / "out"
    status, printed = run(capfd, "diagnose", films, "--out", out, "--dicom")
    assert status == 0, printed
    objects = [path.read_bytes() for path in out.glob("*.dcm")]
    assert len(objects) == 24
    for content in objects:
        assert find_secrets(content) >= {"Minji", "민지", SECRET, BORN}
    for path in out.glob("*.dcm"):
        path.unlink()
    assert find_secrets(printed.replace(bytes(tmp_path), b"")) == set()
    assert find_secrets(*read_all(out)) == set()


def test_the_pack_of_a_reader_study_names_nobody(source, models, tmp_path, capfd):
    prepare.prepare(source / "cohort.csv", tmp_path / "out", num_workers=1)
    sizes = ["--readers", 2, "--cases", 8, "--models", tmp_path]
    pack = tmp_path / "pack"
    arguments = ["study", "plan", tmp_path / "out", pack, *sizes]
    status, printed = run(capfd, *arguments)
    assert status == 0, printed
    room = answers.Answers(pack)
    due = room.find_due("R1")
    room.note_shown("R1", due)
    assert room.add("R1", due.key, rating=80, decision=1, seconds=1.5)
    assert find_secrets(printed.replace(bytes(tmp_path), b"")) == set()
    assert find_secrets(*read_all(tmp_path)) == set()  # the key and the codes too


def test_an_upload_is_shown_without_its_name_and_leaves_nothing(films, models, log):
    for path in list(films.iterdir())[:2]:
        named = path.rename(films / f"KIM_MINJI_{path.name}")
        film = uploads.read_upload(named, films)
        pages = [
            stage.draw(exhibit.show_film(film, models), language)
            for language in ("en", "ko")
        ]
        assert find_secrets(*(page.encode() for page in pages)) == set()
        assert not named.exists()
    assert find_secrets(log.getvalue().encode()) == set()


MISPLACED = [
    *("Modality", "PhotometricInterpretation", "NumberOfFrames", "WindowCenter"),
    *("WindowWidth", "SpecificCharacterSet", "RescaleSlope", "VOILUTFunction"),
    *("BitsStored", "HighBit", "PixelPaddingValue", "BitsAllocated", "Rows"),
]


@pytest.mark.parametrize("keyword", MISPLACED)
@pytest.mark.parametrize("text", ["MINJI", "Kim^Minji", "QZ7X'O\"Kim"])
def test_a_name_in_a_wrong_place_is_not_told(
    tmp_path, log, capfd, models, keyword, text
):
    folder = tmp_path / "films"
    folder.mkdir()
    make_film(folder / "film.dcm", 0, "UTF-8", 0)
    read = pydicom.dcmread(folder / "film.dcm")
    raw = (text + " " * (len(text) % 2)).encode()
    tag = pydicom.tag.Tag(keyword)
    vr = "LO" if datadict.dictionary_VR(tag) in ("US", "US or SS") else None
    vr = vr or datadict.dictionary_VR(tag)
    read[tag] = pydicom.dataelem.RawDataElement(tag, vr, len(raw), raw, 0, False, True)
    with warnings.catch_warnings(action="ignore"):
        read.save_as(folder / "film.dcm", enforce_file_format=False)
    log.truncate(0)  # what it says of our own doing
    (folder / "cohort.csv").write_text("filepath,rds,exist_json\nfilm.dcm,1,0\n")
    for verb, source in (("prepare", folder / "cohort.csv"), ("diagnose", folder)):
        out = ["--out"] * (verb == "diagnose") + [tmp_path / verb]
        _, printed = run(capfd, verb, source, *out)
        assert printed
        assert find_secrets(printed.replace(bytes(tmp_path), b"")) == set()
        written = [path.read_bytes() for path in (tmp_path / verb).rglob("*.*")]
        assert find_secrets(*written) == set()
    assert find_secrets(log.getvalue().encode()) == set()
