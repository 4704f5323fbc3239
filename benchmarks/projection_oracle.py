"""Hold our line integrals to analytic chords and to gVirtualXray.

    pip install trimesh manifold3d      # meshes (MIT, Apache-2.0)
    pip install gvxr                    # optional (BSD). It needs OpenGL 4.5; on Debian
                                        # libegl1, libgl1-mesa-dri, libxcb-res0, -ewmh2
    python benchmarks/projection_oracle.py [--size 512] [--json FILE]

Ellipsoids, tubes, boxes and one whole thorax are crossed by the rays of a straight and
of a tilted view. Analytic chords are worked out in double precision from the definition
of a view alone. gVirtualXray (Vidal and Villard, Comput Med Imaging Graph 49:1, 2016)
follows the same rays through triangles by OpenGL; it was held to Monte Carlo and to
real films by Pointon and others (Comput Methods Programs Biomed 234:107500, 2023).

A difference is a share of the path itself, on pixels whose path is at least a quarter
of the longest and which lie two pixels inside: at a grazing edge any share is large.
Ends of tubes and columns do not count. Tubes are means over a pixel in ours, and so
both others are means of 16 rays a pixel there; a tube as thin as a pixel is blurred by
another pixel, and only its total holds. The first three columns are the largest
difference of all these pixels; "median" and "99 %" are what so many pixels of ours stay
below, "total" the sum over the whole image, all three against the chord, else gvxr.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

import cv2
import numpy as np
import projection_shapes as shapes

from rds_phantoms import body, growth, materials, skeleton, solids, tubes, view

SPACING_MM = 0.35  # at 512 pixels a side
DETECTOR_MM = -150.0  # behind the infant: rays are the same wherever it stands
VIEWS = {"straight": (0, 0, 0), "tilted": (17, 8, 12)}  # see view.turn
TITLES = "gvxr / chord", "ours / chord", "ours / gvxr", "median", "99 %", "total"
LUNG_DENSITY = 0.3  # g/cm3


def main():
    """Compare all shapes and print a table for each view."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512, help="pixels a side")
    parser.add_argument("--json", type=Path, help="file for the rows")
    options = parser.parse_args()
    gvxr = start_gvxr()
    if gvxr is None:
        print("gvxr is not installed: what needs it stays empty (pip install gvxr)")
    found = {}
    for name, angles in VIEWS.items():
        where = make_view(angles, options.size)
        rows = [compare(shape, where, gvxr) for shape in shapes.SHAPES]
        if gvxr is not None:
            rows.append(compare_water(where, gvxr))
            rows += compare_thorax(where, gvxr)
        print_table(name, rows)
        found[name] = rows
    if options.json:
        options.json.write_text(json.dumps(found, indent=2), encoding="utf-8")


def make_view(angles, size: int) -> view.View:
    """Return a view whose middle is not that of the film."""
    middle, spacing = np.array([0.48, 0.53]) * size, SPACING_MM * 512 / size
    return view.View(view.turn(*angles), middle, spacing, (size, size))


def start_gvxr():
    """Open gVirtualXray without a window; None where it is not installed."""
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    try:
        from gvxrPython3 import gvxr
    except ModuleNotFoundError:  # another ImportError names a library of the system
        return None
    gvxr.useLogFile(str(Path(tempfile.gettempdir()) / "gvxr.log"))
    gvxr.createWindow(-1, 0, "EGL")
    gvxr.usePointSource()
    gvxr.setMonoChromatic(40, "keV", 1)
    return gvxr


def place(gvxr, mesh, where: view.View, fine: int = 1) -> None:
    """Aim gVirtualXray as a view does, and give it one mesh, named "solid".

    Its axes are right-handed: v of the film, which runs down, changes its sign.
    """
    height, width = where.shape
    u, v = (np.array([width, height]) / 2 - where.centre_px) * where.spacing_mm
    larger = (view.SOURCE_MM - DETECTOR_MM) / view.SOURCE_MM
    pitch = where.spacing_mm * larger / fine
    gvxr.setSourcePosition(u, -v, view.SOURCE_MM, "mm")
    gvxr.setDetectorPosition(u, -v, DETECTOR_MM, "mm")
    gvxr.setDetectorUpVector(0, 1, 0)
    gvxr.setDetectorRightVector(1, 0, 0)
    gvxr.setDetectorNumberOfPixels(width * fine, height * fine)
    gvxr.setDetectorPixelSize(pitch, pitch, "mm")
    gvxr.removePolygonMeshesFromSceneGraph()
    points = (mesh.vertices @ where.rotation.T * [1, -1, 1]).ravel().tolist()
    faces = mesh.faces[:, ::-1].ravel().tolist()  # the mirror turned them inside out
    gvxr.makeTriangularMesh("solid", points, faces, "mm")
    gvxr.addPolygonMeshAsInnerSurface("solid")


def trace(gvxr, mesh, where: view.View, fine: int = 1) -> np.ndarray:
    """Return gVirtualXray's path through a mesh, `(H, W)` mm."""
    place(gvxr, mesh, where, fine)
    path_cm = np.array(gvxr.computeLBuffer("solid"), "float64")
    return shrink(10 * path_cm[::-1], fine)  # its first row is the lowest


def shrink(image: np.ndarray, fine: int) -> np.ndarray:
    """Return means over `fine` by `fine` pixels."""
    height, width = np.array(image.shape) // fine
    return image.reshape(height, fine, width, fine).mean((1, 3))


def compare(shape, where: view.View, gvxr) -> dict:
    """Compare one shape in all ways that there are."""
    fine = 4 if shape.smooth else 1
    rays = shapes.make_rays(where, fine)
    chord = shrink(shape.chord(*rays), fine)
    clear = np.broadcast_to(shape.clear(*shapes.make_rays(where)), where.shape)
    traced = None if gvxr is None else trace(gvxr, shape.mesh(), where, fine)
    return make_row(
        shape.name, chord=chord, traced=traced, ours=shape.ours(where), clear=clear
    )


def make_row(name, *, traced, ours, chord=None, clear=True) -> dict:
    """Make a row of the table from paths in mm, each None where there is none."""
    best = traced if chord is None else chord
    inside = ((best > best.max() / 4) & clear).astype(np.uint8)
    inside = cv2.erode(inside, np.ones((5, 5), np.uint8)) > 0
    if not inside.any():  # a thin tube: its own line
        inside = (best > 0.9 * best.max()) & clear

    def differ(one, other, percent=100):
        if one is None or other is None:
            return None
        shares = np.abs(one - other)[inside] / other[inside]
        return float(np.percentile(shares, percent))

    pairs = [(traced, chord), (ours, chord), (ours, traced)]
    pairs += [(ours, best, 50), (ours, best, 99)]
    row = {"shape": name, "longest": float(best.max())}
    row |= {title: differ(*pair) for title, pair in zip(TITLES, pairs, strict=False)}
    whole = None if ours is None else float(ours.sum(dtype="float64") / best.sum() - 1)
    return row | {"total": whole}


def compare_water(where: view.View, gvxr) -> dict:
    """Compare the line integral of a sphere of water at 40 keV.

    gVirtualXray takes the attenuation of water from its own table.
    """
    sphere = shapes.SHAPES[0]
    place(gvxr, sphere.mesh(), where)
    gvxr.setCompound("solid", "H2O")
    gvxr.setDensity("solid", 1.0, "g/cm3")
    image = np.array(gvxr.computeXRayImage(), "float64")[::-1]
    factor = materials.attenuation("water", 40)
    return make_row(
        "line integral of the sphere in water",
        traced=-np.log(image / image.max()),
        ours=factor * sphere.ours(where),
        chord=factor * sphere.chord(*shapes.make_rays(where)),
    )


def compare_thorax(where: view.View, gvxr) -> list[dict]:
    """Compare the parts of one newborn's thorax, and its line integral as a whole."""
    import trimesh

    rng = np.random.default_rng(3)
    infant = body.make_body(rng, growth.draw_size(rng, 40.0))
    ribs = skeleton.make_skeleton(rng, infant).bones[0]
    rays = where.make_rays()
    trunks = {name: getattr(infant, name) for name in ("skin", "cavity", "heart")}
    trunks |= {name: getattr(infant, name) for name in ("mediastinum", "thymus")}
    trunks |= dict(zip(("right dome", "left dome"), infant.domes, strict=True))
    stretches = {
        name: solids.cross(trunk, where, rays) for name, trunk in trunks.items()
    }
    meshes = {name: shapes.wrap(trunk) for name, trunk in trunks.items()}
    removed = [name for name in trunks if name not in ("skin", "cavity")]
    stretch = [stretches[name] for name in removed]
    lungs = solids.length(stretches["cavity"], stretch) * rays.stretch
    meshes["lungs"] = trimesh.boolean.difference(
        [meshes["cavity"], *(meshes[name] for name in removed)]
    )
    ours = {name: solids.length(one) * rays.stretch for name, one in stretches.items()}
    ours |= {"lungs": lungs, "ribs": draw_ribs(ribs, where)}
    bent = [
        shapes.sweep(np.array(one), ribs.radius, ribs.hollow) for one in ribs.curves
    ]
    meshes["ribs"] = trimesh.util.concatenate(bent)
    for name in ("cavity", "right dome", "left dome"):
        del ours[name]  # they end in the belly, where they bound nothing
    traced = {
        name: trace(gvxr, meshes[name], where, 4 if name == "ribs" else 1)
        for name in ours
    }
    rows = [
        make_row(f"thorax: {name}", traced=traced[name], ours=ours[name])
        for name in ours
    ]
    whole = {"traced": attenuate(traced), "ours": attenuate(ours)}
    return [*rows, make_row("thorax: whole line integral", **whole)]


def draw_ribs(ribs: skeleton.Bones, where: view.View) -> np.ndarray:
    """Return our path through ribs as round tubes of one density, in mm."""
    return tubes.draw_tubes(ribs.curves, ribs.radius, where, hollow=ribs.hollow)


def attenuate(paths: dict[str, np.ndarray]) -> np.ndarray:
    """Return the line integral of soft tissue, aerated lungs and ribs at 40 keV."""
    soft = materials.attenuation("soft_tissue", 40)
    lung = materials.attenuation("lung", 40, density=LUNG_DENSITY) - soft
    bone = materials.attenuation("cortical_bone_newborn", 40) - soft
    return soft * paths["skin"] + lung * paths["lungs"] + bone * paths["ribs"]


def print_table(name: str, rows: list[dict]) -> None:
    """Print the rows of one view; differences in percent."""
    print(f"\n{name + ' view':<38}{'longest':>9}", *(f"{one:>13}" for one in TITLES))
    for row in rows:
        cells = [
            f"{'':>13}" if row[title] is None else f"{100 * row[title]:11.2f} %"
            for title in TITLES
        ]
        print(f"{row['shape']:<38}{row['longest']:9.2f}", *cells)


if __name__ == "__main__":
    main()
