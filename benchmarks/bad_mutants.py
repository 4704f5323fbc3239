"""Mutants of good input, and what must become of each; see `bad_input.py`."""

import contextlib
import copy
import csv
import hashlib
import io
import json
import os
import warnings
import zlib
from pathlib import Path

import numpy as np
import pydicom
from bad_seeds import (
    NUM_FILMS,
    ODD,
    OUTLINE,
    SHAPE,
    VERBS,
    Fault,
    add_chunk,
    check_cases,
    check_image,
    check_manifest,
    check_mask,
    cut,
    lay_out,
    make_command,
    make_film,
    make_models,
    make_pictures,
    make_readings,
    probe,
    resize_png,
    spoil,
    spoil_node,
    spoil_tag,
    try_ensemble,
)

from rds_tf import errors
from rds_tf.data import annotation, cohort, prepare
from rds_tf.dicom import radiograph
from rds_tf.storage import model_store

OWN = (
    *(radiograph.RadiographError, annotation.AnnotationError),
    *(cohort.CohortError, model_store.ModelError),
)
HEADER = "filepath,rds,exist_json,roi_area,height,width,patient_id"
BAD_ROWS = [
    *("gone.dcm,1,0,,,,", "f0.dcm,2,0,,,,", "f0.dcm,,0,,,,", "f0.dcm,RDS,0,,,,"),
    *("f0.dcm,1,maybe,,,,", "f0.dcm,1,0,-5,,,", "f0.dcm,1,0,,inf,,", ",1,0,,,,"),
    *("f0.dcm,1,0,,,wide,", "../f0.dcm,1,0,,,,", r"..\..\f0.dcm,1,0,,,,"),
    *("/etc/passwd,1,0,,,,", "link.dcm,1,0,,,,", "pipe.dcm,1,0,,,,"),
    *("=cmd|' /C calc'!A0,1,0,,,,", "f0.dcm,1,0,,,,=1+1", "f0.dcm,1,0,,,,,,,"),
    *("broken.dcm,1,0,,,,", "huge.dcm,1,0,,,,", "far.dcm,1,1,,,,", "한글.dcm,1,0,,,,"),
    *("f0.dcm,-0,0,,,,", "f0.dcm,nan,0,,,,", "a" * 300 + ",1,0,,,,", "f0.dcm"),
]


class Bench:
    """The good files of one kind in a folder, and mutants made of them by number."""

    def __init__(self, kind: str, folder: Path, seed: int):
        """Write the good files of a kind."""
        self.folder, self.seed = folder, seed
        self.mutate = getattr(self, f"try_{kind}")
        getattr(self, f"set_up_{kind}", lambda: None)()

    def try_mutant(self, index: int) -> dict:
        """Make mutant `index`, give it to the project, and judge what happened."""
        rng = np.random.default_rng([self.seed, index])
        found = {"verdict": "refused"}
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            try:
                self.mutate(rng, found)
                found["verdict"] = "accepted"
            except OWN as error:
                found["said"] = str(error)
                found |= _judge_sentence(str(error), found.get("names", ""))
            except Exception as error:  # what we are looking for
                found["fault"] = f"{type(error).__name__}: {error}"[:300]
        return found

    def set_up_dicom(self):
        """Write one film in each transfer syntax, with every tag that shapes grey."""
        self.films = [make_film(self.folder / f"{n}.dcm", n) for n in range(9)]

    def try_dicom(self, rng, found):
        """Spoil bytes, a tag or the frame of one film."""
        good = self.films[rng.integers(len(self.films))]
        path = self.folder / "mutant.dcm"
        how = str(rng.choice(["bytes", "cut", "tag", "tag", "frame", "twice"]))
        found |= {"what": f"{how} of {good.name}", "names": path.name}
        if how in ("bytes", "twice"):
            path.write_bytes(spoil(rng, good.read_bytes()))
        elif how == "cut":
            path.write_bytes(cut(rng, good.read_bytes()))
        else:
            dataset = pydicom.dcmread(good)
            if how == "tag":
                found["what"] += " " + spoil_tag(rng, dataset)
            elif dataset.file_meta.TransferSyntaxUID.is_encapsulated:
                frame = next(pydicom.encaps.generate_frames(dataset.PixelData))
                part = cut(rng, frame) + bytes(int(rng.choice([0, 0, 900])))
                if dataset.file_meta.TransferSyntaxUID == pydicom.uid.RLELossless:
                    part = frame[: len(part) // 2 * 2 - 2]  # zeros would be pixels
                dataset.PixelData = pydicom.encaps.encapsulate([part])
            else:
                dataset.PixelData = cut(rng, dataset.PixelData)
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            try:
                dataset.save_as(path)
            except Exception:  # pydicom refuses to write it: another mutant
                path.write_bytes(spoil(rng, good.read_bytes()))
                how = "bytes"
        image = radiograph.read_image(path)
        check_image(image)
        if how in ("cut", "frame"):
            whole = radiograph.read_image(good)
            if image.shape != whole.shape or np.abs(image - whole).max() > 0:
                raise Fault("a film cut short shows something else than the whole one")

    def set_up_picture(self):
        """Write pictures of every mode that PIL writes."""
        self.films = make_pictures(self.folder)

    def try_picture(self, rng, found):
        """Spoil bytes, length, the header or a chunk of one picture."""
        good = self.films[rng.integers(len(self.films))]
        path = self.folder / "mutant.img"
        how = str(rng.choice(["bytes", "cut", "size", "bomb", "text"]))
        data = good.read_bytes()
        if good.suffix != ".png" and how not in ("bytes", "cut"):
            how = "bytes"
        found |= {"what": f"{how} of {good.name}", "names": path.name}
        path.write_bytes(
            {
                "bytes": lambda: spoil(rng, data),
                "cut": lambda: cut(rng, data),
                "size": lambda: resize_png(data, *rng.choice([0, 1, 60_000, 2**31], 2)),
                "bomb": lambda: add_chunk(
                    resize_png(data, 4000, 4000),
                    b"IDAT",
                    zlib.compress(bytes(2**25), 9),
                ),
                "text": lambda: add_chunk(
                    data, b"zTXt", b"x\0\0" + zlib.compress(bytes(2**26), 9)
                ),
            }[how]()
        )
        image = radiograph.read_image(path)
        check_image(image)
        if how == "cut" and np.abs(image - radiograph.read_image(good)).max() > 0:
            raise Fault("a picture cut short shows something else than the whole one")

    def try_outline(self, rng, found):
        """Spoil bytes, a node, or the points of an annotation."""
        path = self.folder / "mutant.json"
        shape = {"label": "lung", "shape_type": "polygon", "points": OUTLINE}
        content = {"shapes": [shape, {**shape, "points": OUTLINE[::-1]}]}
        content |= {"imageHeight": SHAPE[0], "imageWidth": SHAPE[1], "imageData": None}
        content = copy.deepcopy(content)
        how = str(rng.choice(["bytes", "node", "node", "points", "many", "deep"]))
        found |= {"what": how, "names": path.name}
        if how == "node":
            found["what"] += " " + spoil_node(rng, content)
        if how == "points":
            points = rng.normal(
                30, rng.choice([5, 20, 1000, 1e9]), (rng.integers(9), 2)
            )
            content["shapes"][0]["points"] = points.tolist()
        if how == "many":
            count = int(rng.choice([19_000, 20_001, 100_000]))
            content["shapes"][0]["points"] = rng.uniform(0, 48, (count, 2)).tolist()
        data = json.dumps(content).encode(str(rng.choice(["utf-8", "utf-8", "utf-16"])))
        if how == "deep":
            depth = int(rng.choice([400, 100_000]))
            data = b'{"shapes":' + b"[" * depth + b"]" * depth + b"}"
        path.write_bytes(spoil(rng, data) if how == "bytes" else data)
        polygons = annotation.read_polygons(path, shape=SHAPE)
        mask = annotation.draw_mask(polygons, *SHAPE)
        if mask.shape != SHAPE or mask.dtype != np.uint8 or mask.max() > 1:
            raise Fault("the mask is no mask")
        if not np.isfinite(annotation.polygon_area(polygons)):
            raise Fault("the area is no number")
        check_mask(polygons, mask)

    def set_up_table(self):
        """Write films, outlines and traps under a root."""
        root = self.folder / "root"
        root.mkdir(parents=True, exist_ok=True)
        lay_out(root)

    def try_table(self, rng, found):
        """Mix good and bad rows in some encoding; all good ones must be done."""
        root, path = self.folder / "root", self.folder / "mutant.csv"
        found["names"] = path.name
        good = [f"f{n}.dcm,{n % 2},1,,,,p{n}" for n in range(NUM_FILMS)]
        rows = [(row, True) for row in good]
        for row in rng.choice(BAD_ROWS, rng.integers(1, 6)):
            # A bad row that names a good one's film comes after it.
            rows.insert(int(rng.integers(1, len(rows) + 1)), (str(row), False))
        code = str(rng.choice(["utf-8", "utf-8-sig", "cp949", "utf-16"]))
        delimiter = str(rng.choice([",", ";", "\t"]))
        text = "\r\n".join([HEADER, *(row for row, _ in rows)]) + "\r\n"
        data = text.replace(",", delimiter).encode(code)
        if rng.random() < 0.4:
            found["what"] = f"bytes of {code}"
            path.write_bytes(spoil(rng, data))
            cases, rejected = cohort.load_cohort(path, root)
            check_cases(cases, rejected, root)
            return
        found["what"] = f"{code} {delimiter!r} {[r for r, ok in rows if not ok]}"
        path.write_bytes(data)
        out = self.folder / f"out{rng.integers(2**62)}"
        prepare.prepare(path, out, root, num_workers=1)
        done = set(prepare.load_manifest(out)["case_id"])
        if done != {f"f{n}" for n in range(NUM_FILMS)}:
            raise Fault(f"of the good rows only {sorted(done)} were done")
        with open(out / "rejected.csv", encoding="utf-8", newline="") as file:
            listed = list(csv.DictReader(file))
        bad = [n for n, (_, ok) in enumerate(rows, start=2) if not ok]
        if sorted(int(row["row"]) for row in listed) != bad:
            raise Fault(f"rows {bad} are bad, {[row['row'] for row in listed]} listed")
        if any(row["file"].startswith(("=", "+", "-", "@")) for row in listed):
            raise Fault("rejected.csv holds a formula")

    def set_up_prepared(self):
        """Prepare a small cohort."""
        self.set_up_table()
        rows = [f"f{n}.dcm,{n % 2},1,,,,p{n}" for n in range(NUM_FILMS)]
        self.table = self.folder / "good.csv"
        self.table.write_text("\n".join([HEADER, *rows]) + "\n")
        self.out = self.folder / "out"
        prepare.prepare(self.table, self.out, self.folder / "root", num_workers=1)
        self.good = (self.out / "manifest.csv").read_bytes()
        self.record = (self.out / "records" / "f0.json").read_bytes()

    def try_prepared(self, rng, found):
        """Spoil the manifest, or the record of a case, and read it or prepare again."""
        path = self.out / "manifest.csv"
        how = str(rng.choice(["bytes", "cell", "cell", "record"]))
        found |= {"what": how, "names": path.name}
        if how == "record":
            record = self.out / "records" / "f0.json"
            content = json.loads(self.record)
            found["names"] = ""
            if rng.random() < 0.5:
                found["what"] += " " + spoil_node(rng, content)
                record.write_text(json.dumps(content))
            else:
                record.write_bytes(spoil(rng, self.record))
            try:
                prepare.prepare(
                    self.table, self.out, self.folder / "root", num_workers=1
                )
                check_manifest(prepare.load_manifest(self.out), self.out)
            finally:
                record.write_bytes(self.record)
                path.write_bytes(self.good)
            return
        rows = list(csv.reader(io.StringIO(self.good.decode())))
        row, column = rng.integers(len(rows)), rng.integers(len(rows[0]))
        rows[row][column] = str(ODD[rng.integers(len(ODD))])
        text = io.StringIO()
        csv.writer(text).writerows(rows)
        found["what"] += f" {row}, {column}: {rows[row][column][:30]}"
        data = text.getvalue().encode()
        path.write_bytes(spoil(rng, self.good) if how == "bytes" else data)
        check_manifest(prepare.load_manifest(self.out), self.out)

    def set_up_model(self):
        """Store an untrained segmenter."""
        import keras

        from rds_tf.lungs import unet

        keras.utils.set_random_seed(self.seed)
        small = {"image_size": 16, "filters": 2, "depth": 1}
        known = {"kind": "segmenter", "architecture": small, "hearts": ["in"]}
        known["training"] = {"data": "nothing", "start": "scratch", "seen": []}
        model = unet.build_unet(**small)
        model_store.save_model(model, self.folder / "good", known)

    def try_model(self, rng, found):
        """Spoil manifest, weights, or weights with a manifest that vouches for them."""
        from rds_tf.lungs import segmenter

        good, folder = self.folder / "good", self.folder / "mutant"
        folder.mkdir(exist_ok=True)
        known = json.loads((good / model_store.MANIFEST).read_bytes())
        weights = (good / model_store.WEIGHTS).read_bytes()
        how = str(
            rng.choice(["node", "node", "bytes", "weights", "vouched", "ensemble"])
        )
        found |= {"what": how, "names": "mutant"}
        if how == "ensemble":
            found["what"] += try_ensemble(rng, folder)
            return
        if how in ("weights", "vouched"):
            weights = spoil(rng, weights)
        if how == "vouched":
            digest = hashlib.sha256(weights).hexdigest()
            known["weights"] |= {"sha256": digest, "bytes": len(weights)}
        if how == "node":
            found["what"] += " " + spoil_node(rng, known)
        data = json.dumps(known).encode()
        data = spoil(rng, data) if how == "bytes" else data
        (folder / model_store.MANIFEST).write_bytes(data)
        (folder / model_store.WEIGHTS).write_bytes(weights)
        probe(segmenter.load_segmenter(folder).model)

    def set_up_command(self):
        """Lay out what a command line may name."""
        self.set_up_prepared()
        self.set_up_model()
        from rds_tf import command_line as command

        make_models(self.folder / "models", self.folder / "good")
        (self.folder / "readings.csv").write_text(make_readings())
        os.chdir(self.folder)
        for verb, words in VERBS.items():  # a bad good one would hide all mutants
            options = command.build_parser().parse_args([*verb.split(), *words])
            options.run(options)

    def try_command(self, rng, found):
        """Put odd words where a verb expects others."""
        from rds_tf import command_line as command

        words = make_command(rng, self.folder)
        found["what"] = " ".join(word[:60] for word in words)
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said):
                options = command.build_parser().parse_args(words)
                options.run(options)
        except SystemExit as stop:
            if stop.code not in (0, 2):
                raise Fault(f"exit status {stop.code}") from None
            if stop.code == 2 and "error:" not in said.getvalue():
                raise Fault("bad usage is not explained") from None
            found["fault"] = None
            raise cohort.CohortError("The usage was explained.") from None
        except (errors.RdsTfError, OSError) as error:
            if len(str(error).split()) < 3:
                raise Fault(f"{type(error).__name__}: {error}") from error
            raise cohort.CohortError(" ".join(str(error).split())) from error


def _judge_sentence(text: str, name: str) -> dict:
    if "\n" in text or len(text.split()) < 3:
        return {"fault": f"no sentence: {text!r}"[:300]}
    if name and name not in text:
        return {"fault": f"names no file: {text!r}"[:300]}
    return {}
