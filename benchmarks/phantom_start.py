"""What a start from phantoms is worth to a classifier, over the number of real cases.

    python benchmarks/phantom_start.py PREPARED OUT [--cases 50 150 all] [--steps 200]

PREPARED is what `rds-tf prepare` wrote. For each number of training cases,
B0 is trained on five folds from the shipped classifier and from random weights: the
same patients (the smaller draw lies in the larger), the same steps, the same seed.
Each case is judged by the one fold model that did not see it; the two starts are
compared in pairs, with a bootstrap over patients, DeLong's and McNemar's tests.
OUT receives the models and `phantom_start.json`; a killed run goes on where it was.
"""

import argparse
import functools
from dataclasses import replace
from pathlib import Path

import fewer_cases

from rds_tf import config
from rds_tf.classification import classifier_training, cross_validation, ensemble
from rds_tf.stats import metrics, paired_tests
from rds_tf.storage import disk

STARTS = ("phantom", "scratch")


def main():
    """Train what is missing, compare the starts, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prepared", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cases", nargs="+", default=["50", "150", "all"])
    parser.add_argument("--input", default="combined", choices=("whole", "combined"))
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    found = {}
    for count in options.cases:
        cases = {start: judge(options, count, start) for start in STARTS}
        found[count] = compare(cases)
        disk.write_json(options.out / "phantom_start.json", found)
        print(describe(count, found[count]), flush=True)
    print(config.NOT_FOR_CLINICAL_USE)


def judge(options, count: str, start: str):
    """Train five folds on `count` cases each; return the out-of-fold logits."""
    arm = classifier_training.Arm("B0", options.input, start)
    profile = config.load_profile("quick", options.steps)
    places = options.prepared.resolve(), (options.out / f"{start}_{count}").resolve()
    jobs = cross_validation.list_jobs(*places, [arm], profile)
    if count != "all":
        train = functools.partial(fewer_cases.train, num_cases=int(count))
        record = {"num_cases": int(count)}
        jobs = [replace(job, train=train, record=job.record | record) for job in jobs]
    cross_validation.run(jobs)
    cases = cross_validation.load_predictions(jobs)
    return cases.rename(columns={arm.name: "logit"})


def compare(cases: dict) -> dict:
    """Score both starts on the same cases, and their difference."""
    first, second = (cases[start] for start in STARTS)
    labels, patients = first["rds"].to_numpy(), first["patient_id"].to_numpy()
    # Short trainings lean to one side: each fold gets the scaling the others gave.
    arms = {}
    for start, table in (("phantom", first), ("scratch", second)):
        judged = ensemble.judge_on_others(table, table[["logit"]].to_numpy())
        arms[start] = judged["probability"].to_numpy()
    scores = {
        start: metrics.diagnosis_scores(labels, values, groups=patients)
        for start, values in arms.items()
    }
    (pair,) = paired_tests.compare_arms(labels, arms, groups=patients)
    return {"num_cases": len(labels), "arms": scores, "pair": pair}


def describe(count: str, found: dict) -> str:
    """Lay one comparison out as text."""
    lines = [f"{count} training cases a fold, {found['num_cases']} judged"]
    for start in STARTS:
        scores = found["arms"][start]
        parts = [
            f"{name} {scores[name]['value']:.3f} "
            f"({scores[name]['low']:.3f} to {scores[name]['high']:.3f})"
            for name in ("auroc", "accuracy")
        ]
        lines.append(f"  {start}: {', '.join(parts)}")
    gain, test = found["pair"]["auroc"], found["pair"]["mcnemar"]
    lines.append(
        f"  phantom - scratch: AUROC {gain['value']:+.3f} "
        f"({gain['low']:+.3f} to {gain['high']:+.3f}), "
        f"DeLong p {found['pair']['delong']['p']:.4f}; only one right: "
        f"{test['first_only']} / {test['second_only']}, McNemar p {test['p']:.4f}"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
