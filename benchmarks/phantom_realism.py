"""How far do drawn children lie from real ones: one distance, and a table of measures.

    python benchmarks/phantom_realism.py PREPARED [--weights FILE] [--num 300]
        [--rounds 5] [--json FILE] [--no-distance]

PREPARED is what `rds-tf prepare` wrote of real children. Beside it stand phantoms of 1
to 5 years, at the sizes of the real films.

Distance: Frechet distance (Heusel, NeurIPS 2017) in the pooled ImageNet features of
EfficientNet-Lite0 (see `lite0.py`), films stretched from percentile 1 to 99 and
squeezed to 224 px, in the 48 principal components of one half of the real children, to
which the other half and the phantoms are compared; halves by patient, drawn anew in
each round. All sets are cut to one size, on which the distance depends.

Table: median and 5 to 95 % of the measures of `film_measures`, real and drawn, and how
well each alone tells drawn from real (AUROC, 0.5 not at all). The shape of a drawn
child's film is a real one's. The cardiothoracic ratio of the real is left out: their
outlines hold the lung behind the heart, and nobody outlined the heart. Newborns are
those of a cohort as `write_cohort` draws it, with nothing real beside them but the
published figures of film shape and tilt.
"""

import argparse
from pathlib import Path

import drawn_films
import film_measures
import lite0
import numpy as np
from scipy import linalg
from sklearn import metrics

from rds_phantoms import dataset, workers
from rds_tf.data import prepare
from rds_tf.dicom import radiograph
from rds_tf.lungs import evaluation
from rds_tf.storage import disk

NUM_COMPONENTS = 48
RATIO = "cardiothoracic ratio"
LEVELS = (5, 50, 95)
# 3,165 films of neonatal intensive care, 32 hospitals (MAIDA-NICU, December 2025); the
# tilt is that of the spine.
NEONATAL = {
    "film, height / width": (0.58, 0.98, 1.47),
    "tilt of the lungs, degrees": (0.4, 4.3, 15.1),
}


def main():
    """Measure, print and write both judges."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prepared", type=Path)
    parser.add_argument("--num", type=int, default=300, help="drawn films of each kind")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--no-distance", action="store_true", help="only the table")
    lite0.add_argument(parser)
    options = parser.parse_args()
    weights = None if options.no_distance else lite0.read_weights(options.weights)
    table = prepare.load_manifest(options.prepared)
    images = [radiograph.read_image(options.prepared / name) for name in table["image"]]
    children = draw_children([image.shape for image in images], options.num)
    found = {"num_real": len(images), "num_drawn": options.num}
    if weights:
        model = lite0.build_lite0(weights)
        real = lite0.embed(model, images)
        drawn = lite0.embed(model, [child.image for child in children])
        patients = table["patient_id"].to_numpy()
        found["distance"] = compare_sets(real, patients, drawn, options.rounds)
        print(describe_distance(found["distance"]))
    newborns = draw_newborns(options.num)
    columns = {
        "real children": measure_real(options.prepared, table),
        "drawn children": measure_drawn(children),
        "drawn newborns": measure_drawn(newborns),
    }
    found["measures"] = summarise(columns)
    print(describe_measures(found["measures"]))
    if options.json:
        disk.write_json(options.json, found)


def draw_children(shapes: list[tuple[int, int]], count: int) -> list:
    """Draw children, each at the shape of a real film drawn at random."""
    places = np.random.default_rng(drawn_films.FIRST_SEED).integers(
        len(shapes), size=count
    )
    orders = [drawn_films.Order(index, shapes[at]) for index, at in enumerate(places)]
    return workers.map_on_cores(drawn_films.draw_child, orders)


def draw_newborns(count: int) -> list:
    """Draw a cohort, without its files."""
    cases = dataset.draw_cases(count, drawn_films.FIRST_SEED, 0.0, 512)
    return workers.map_on_cores(dataset.render_case, cases)


# ---------------------------------------------------------------- the distance


def compare_sets(real, patients, drawn, rounds: int) -> dict[str, list[dict]]:
    """Compare one half of the real films with the other and with the drawn ones.

    Args:
        real: `(N, 1280)` features.
        patients: `(N,)`, the patient of each.
        drawn: `(M, 1280)`.
        rounds: int, halves drawn anew.

    Returns:
        For `"real"` and `"drawn"` one dict a round: `"distance"`, and of it what comes
        of the `"means"` and of the `"spread"`.
    """
    found = {"real": [], "drawn": []}
    names = np.unique(patients)
    for seed in range(rounds):
        rng = np.random.default_rng(seed)
        half = np.isin(patients, rng.permutation(names)[: len(names) // 2])
        size = min(half.sum(), (~half).sum(), len(drawn))
        sets = (real[half], real[~half], drawn)
        base, other, ours = (rng.permutation(one)[:size] for one in sets)
        project = fit_components(base)
        for name, one in (("real", other), ("drawn", ours)):
            found[name].append(frechet_distance(project(base), project(one)))
    return found


def fit_components(features: np.ndarray):
    """Return a function that projects features on the principal components of these."""
    middle = features.mean(0)
    _, _, axes = np.linalg.svd(features - middle, full_matrices=False)
    return lambda some: (some - middle) @ axes[:NUM_COMPONENTS].T


def frechet_distance(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """Return the squared Frechet distance of two sets, taken as normal distributions.

    `|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))` (Dowson and Landau, 1982).
    """
    means = float(((first.mean(0) - second.mean(0)) ** 2).sum())
    one, two = np.cov(first.T), np.cov(second.T)
    root = linalg.sqrtm(one @ two).real
    spread = float(np.trace(one + two - 2 * root))
    return {"distance": means + spread, "means": means, "spread": spread}


def describe_distance(found: dict[str, list[dict]]) -> str:
    """Lay the distances out as text."""
    lines = ["Frechet distance to one half of the real children, mean (least to most)"]
    for name, rounds in found.items():
        for part in ("distance", "means", "spread"):
            values = [one[part] for one in rounds]
            text = f"{np.mean(values):.1f} ({min(values):.1f} to {max(values):.1f})"
            lines.append(f"  {name if part == 'distance' else '':<6} {part:<9} {text}")
    return "\n".join(lines)


# ---------------------------------------------------------------- the table


def measure_real(prepared: Path, table) -> list[dict]:
    """Measure the films that have an outline."""
    rows = table[table["mask"] != ""].itertuples()
    films = (evaluation.read_case(prepared, row) for row in rows)
    return [film_measures.measure_film(*film) for film in films]


def measure_drawn(drawn: list) -> list[dict]:
    """Measure phantoms as files would hold them, in 8 bits; truth for the heart."""
    rows = []
    for one in drawn:
        if not one.mask.any():
            continue  # the frame missed the lungs: there is nothing to measure
        image = np.round(255 * one.image).astype("float32") / 255
        row = film_measures.measure_film(image, one.mask)
        if one.heart.any():
            row[RATIO] = film_measures.measure_cardiothoracic(one.mask, one.heart)
        rows.append(row)
    return rows


def summarise(columns: dict[str, list[dict]]) -> dict[str, dict]:
    """Return `{measure: {column: [5 %, median, 95 %], "told apart": AUROC}}`."""
    names = dict.fromkeys(
        name for rows in columns.values() for row in rows for name in row
    )
    table = {}
    for name in names:
        values = {
            column: np.array([row[name] for row in rows if name in row])
            for column, rows in columns.items()
        }
        table[name] = {
            column: np.nanpercentile(some, LEVELS).round(4).tolist()
            if some.size
            else None
            for column, some in values.items()
        }
        real, drawn = values["real children"], values["drawn children"]
        if real.size and drawn.size:
            labels = np.repeat((0, 1), (real.size, drawn.size))
            both = np.nan_to_num(np.concatenate([real, drawn]))
            area = metrics.roc_auc_score(labels, both)
            table[name]["told apart"] = round(max(area, 1 - area), 3)
        if name in NEONATAL:
            table[name]["published newborns"] = list(NEONATAL[name])
    return table


def describe_measures(table: dict[str, dict]) -> str:
    """Lay the table out in Markdown: median (5 to 95 %)."""
    columns = ("real children", "drawn children", "told apart", "drawn newborns")
    columns = (*columns, "published newborns")
    lines = [("measure", *columns), ("---",) * (1 + len(columns))]
    for name, row in table.items():
        lines.append((name, *(_tell(row.get(column)) for column in columns)))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _tell(cell: list[float] | float | None) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:.2f}"
    low, middle, high = cell
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
