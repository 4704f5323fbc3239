"""Does a classifier see opaque lungs better than the plainest measures of their grey?

    python benchmarks/opacity.py PREPARED [--classifier FOLDER] [--films FILE ...]
        [--json FILE] [--num N]

PREPARED is what `rds-tf prepare` wrote, of films whose label 1 is pneumonia, a
stand-in for opaque against aerated lung; those with an outline of the lungs count.
Printed: AUROC with 95 % intervals by patient of (i) the median grey inside the eroded
lungs on the scale of percentile 1 to 99 of both lungs' hull, (ii) its 10 to 90 %
spread, both with the given outlines, and (iii) the probability of the classifier
(default: the shipped one), which finds the lungs itself, as `diagnose` does. What
passes neither (i) nor (ii) has not learnt opacity. `--films`: the same of single films,
with the segmenter's lungs.
"""

import argparse
from pathlib import Path

import film_measures
import numpy as np
from tqdm import tqdm

from rds_tf import config
from rds_tf.data import prepare
from rds_tf.diagnosis import diagnose
from rds_tf.lungs import evaluation
from rds_tf.stats import metrics
from rds_tf.storage import disk

CLASSIFIER = "probability of the classifier"


def main():
    """Print the table and what is said of single films."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prepared", type=Path)
    parser.add_argument("--classifier", type=Path, default=config.SAVED_MODELS)
    parser.add_argument("--films", type=Path, nargs="*", default=[])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--num", type=int, help="only so many films, for a quick look")
    options = parser.parse_args()
    table = prepare.load_manifest(options.prepared)
    table = table[table["mask"] != ""][: options.num]
    if table["rds"].nunique() < 2:
        parser.error("the films with an outline are all of one label.")
    models = diagnose.load_models(options.classifier)
    values = measure_films(options.prepared, table, models)
    scores = {name: score(table, column) for name, column in values.items()}
    found = {"num_films": len(table), "classifier": options.classifier.name}
    found |= {"auroc": scores, "films": [ask(path, models) for path in options.films]}
    print(describe(found, table, values))
    if options.json:
        disk.write_json(options.json, found)


def measure_films(prepared: Path, table, models) -> dict[str, np.ndarray]:
    """Return one value a film of every measure, and of the classifier."""
    rows = []
    for row in tqdm(table.itertuples(), total=len(table), unit="film", disable=None):
        measured = film_measures.measure_opacity(*evaluation.read_case(prepared, row))
        answer = diagnose.diagnose(prepared / row.image, models)
        rows.append({**measured, CLASSIFIER: answer.score})
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def score(table, values: np.ndarray) -> dict[str, float]:
    """Return AUROC of label 1 against 0 with its interval by patient."""
    labels, patients = table["rds"].to_numpy() == 1, table["patient_id"].to_numpy()
    statistic = {"auroc": metrics.auroc_statistic(labels, values)}
    return metrics.intervals(statistic, metrics.check_groups(patients, len(table)))[
        "auroc"
    ]


def ask(path: Path, models) -> dict:
    """Return what classifier and measures say of one film."""
    found = diagnose.diagnose(path, models)
    measured = {}
    if found.mask.any():
        measured = film_measures.measure_opacity(found.image, found.mask)
    described = diagnose.describe(found, path, models)
    kept = ("file", "statement", "probability", "decision", "mask_quality", "warnings")
    return {**{name: described[name] for name in kept}, **measured}


def describe(found: dict, table, values: dict[str, np.ndarray]) -> str:
    """Lay the figures out as text, with the median of both labels."""
    sick = table["rds"].to_numpy() == 1
    lines = [f"{len(table)} films, {sick.sum()} of label 1, AUROC (95 % by patient)"]
    for name, auroc in found["auroc"].items():
        medians = [np.median(values[name][part]) for part in (~sick, sick)]
        interval = "{value:.3f} ({low:.3f} to {high:.3f})".format(**auroc)
        beside = "median {:.2f} against {:.2f}".format(*medians)
        lines.append(f"  {name:<30} {interval}  {beside}")
    for film in found["films"]:
        measures = (f"{k} {film[k]:.2f}" for k in values if k in film)
        lines.append(f"{film['file']}: {film['statement']}; {', '.join(measures)}")
        lines += [f"    {warning}" for warning in film["warnings"]]
    return "\n".join([*lines, config.NOT_FOR_CLINICAL_USE])


if __name__ == "__main__":
    main()
