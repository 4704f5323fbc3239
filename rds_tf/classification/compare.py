"""The table: every arm beside the baselines, in pairs, matched, and all together."""

from dataclasses import asdict, replace

import numpy as np
from scipy import special

from rds_tf import config
from rds_tf.classification import classifier, cross_validation, ensemble
from rds_tf.data import prepare
from rds_tf.stats import metrics, paired_tests
from rds_tf.storage import model_store

RATIO_CALIPER = 0.02  # films are matched whose height-to-width ratios differ by less


def compare(jobs, regions=None, finding: str = config.FINDING) -> dict:
    """Compare the arms of a finished comparison out of fold.

    Args:
        jobs: from `cross_validation.list_jobs`, all done.
        regions: folder of drawn tubes as of `annotation.read_region`, or None.
        finding: what label 1 stands for.

    Returns:
        `"num_cases"`; `"arms"`, scores of every arm, of the baselines and of the
        ensemble of all arms, as `metrics.diagnosis_scores`; `"pairs"`, as
        `paired_tests.compare_arms`; `"matched"`, the arms against the height-to-width
        baseline on cases matched in that ratio; `"ensembles"`, as
        `ensemble.evaluate`, of every arm and of all; `"ensemble"`, the temperature
        and thresholds of all, for new films.
    """
    cases = cross_validation.load_predictions(jobs)
    logits = cases.drop(columns=["case_id", "patient_id", "rds", "fold"])
    table = prepare.load_manifest(jobs[0].prepared).set_index("case_id")
    table = table.loc[cases["case_id"]].reset_index()
    labels, patients = cases["rds"].to_numpy(), cases["patient_id"].to_numpy()
    quality = cross_validation.load_quality(jobs[0].out, cases)
    members = {"all": logits.to_numpy()} if logits.shape[1] > 1 else {}
    members |= {name: logits[[name]].to_numpy() for name in logits}
    looks = {name: " whole" not in name for name in logits}
    looks["all"] = any(looks.values())  # as `diagnose`, a whole film needs no mask
    ensembles = {
        name: ensemble.evaluate(cases, values, quality if looks[name] else None)
        for name, values in members.items()
    }
    arms = classifier.predict_baselines(jobs[0].prepared, table, regions)
    arms |= {name: special.expit(logits[name].to_numpy()) for name in logits}
    if "all" in members:
        arms["ensemble of all"] = np.array(ensembles["all"]["probabilities"])
    scores = {
        name: metrics.diagnosis_scores(labels, probabilities, groups=patients)
        for name, probabilities in arms.items()
    }
    manifests = [model_store.read_manifest(job.folder) for job in jobs]
    for name, found in scores.items():
        begun = {
            manifest["training"]["start"]
            for job, manifest in zip(jobs, manifests, strict=True)
            if name in (job.arm.name, f"{job.arm.name}, seed {job.arm.seed}")
        }
        if begun:  # an older comparison may have begun its folds from several
            found["start"] = " and ".join(sorted(begun))
    joined = replace(
        ensemble.fit(labels, next(iter(members.values()))),
        members=tuple(job.name for job in jobs),
        finding=finding,
        segmenters=tuple(classifier.list_recorded(manifests)),
    )
    return {
        "num_cases": len(cases),
        "arms": scores,
        "pairs": paired_tests.compare_arms(labels, arms, groups=patients),
        "matched": match_ratio(table, labels, arms, patients),
        "ensembles": ensembles,
        "ensemble": asdict(joined),
    }


def match_ratio(table, labels, arms: dict, patients) -> dict:
    """Score the arms on cases matched in the film's height-to-width ratio.

    What an arm knows beyond the ratio is what it still knows where positives and
    negatives do not differ in it.

    Returns:
        `"num_cases"`; for every arm its `"auroc"` there and its `"gain"` over the
        baseline, with intervals over patients. Empty where nothing can be matched.
    """
    ratio = (table["height"] / table["width"]).to_numpy()
    chosen = paired_tests.match_on(labels, ratio, RATIO_CALIPER)
    if len(chosen) < 10:
        return {}
    labels, patients = labels[chosen], patients[chosen]
    baseline = ratio[chosen]  # the ratio itself, in the direction that helps it most
    if np.corrcoef(ratio, table["rds"])[0, 1] < 0:
        baseline = -baseline
    found = {}
    for name, values in arms.items():
        scores = metrics.diagnosis_scores(labels, values[chosen], groups=patients)
        gain = paired_tests.paired_bootstrap(labels, values[chosen], baseline, patients)
        found[name] = {"auroc": scores["auroc"], "gain": gain}
    return {"num_cases": len(chosen), "caliper": RATIO_CALIPER, "arms": found}
