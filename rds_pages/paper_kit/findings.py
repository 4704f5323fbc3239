"""What a run's artifacts say: facts, with the files in which they stand."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rds_pages.paper_kit import artifacts
from rds_pages.reports import score_tables
from rds_tf import errors

Found = Iterator[tuple[str, dict | list[tuple[str, dict]]]]


@dataclass(frozen=True)
class Fact:
    """Something that a run says.

    Attributes:
        parts: each the name of a text in `words.toml`, and what fills it.
        paths: the files that it was read from.
    """

    parts: list[tuple[str, dict]]
    paths: tuple[Path, ...]

    def write(self, say: Callable[..., str]) -> str:
        """Return the fact as a text; `say` is of `language.speak`."""
        texts = [say(f"fact.{name}", **values) for name, values in self.parts]
        return "; ".join(dict.fromkeys(texts))


def list_facts(run: artifacts.Run) -> dict[str, Fact]:
    """List what a run can answer, by the names that the checklists use.

    Raises:
        ValueError: if an artifact is not what its command writes.
    """
    facts = {}
    readers = {
        "manifest": _read_cases,
        "rejected": _read_rejected,
        "fold_audit": _read_folds,
        "comparison": read_comparison,
        "ensemble": read_ensemble,
        "readers": read_readers,
    }
    for name, read in readers.items():
        if getattr(run, name) is not None:
            _add(facts, read(getattr(run, name)), run.paths[name])
    if run.segmentation:
        found = read_segmentation(run.segmentation, run.name_data(run.segmentation))
        _add(facts, found, run.paths["segmentation"])
    if run.scores:
        name, scores = run.scores
        _add(facts, read_arms(scores, run.name_data(scores)), run.paths[name])
    if run.audits:
        paths = [run.paths[f"audit_{name}"] for name in run.audits]
        _add(facts, read_audits(run.audits), *paths)
    if run.models:
        classifiers = [p for p, m in run.models.items() if m["kind"] == "classifier"]
        first = (classifiers or list(run.models))[0]
        _add(facts, _read_models(list(run.models.values()), run.models[first]), first)
    if run.scores or run.segmentation:
        name = run.scores[0] if run.scores else "segmentation"
        _add(facts, iter([("uncertainty", {})]), run.paths[name])
    return facts


def _add(facts: dict, found: Found, *paths: Path) -> None:
    """Add facts; the first that says a thing stays."""
    try:
        for name, parts in found:
            parts = [(name, parts)] if isinstance(parts, dict) else parts
            facts.setdefault(name, Fact(parts, paths))
    except artifacts.WRONG as error:
        raise errors.InputError(
            f"{paths[0]}: is not what its command writes: "
            f"{type(error).__name__} {error}."
        ) from error


def _read_cases(table) -> Found:
    cases, ones = len(table), int((table["rds"] == 1).sum())
    patients = table["patient_id"].nunique()
    counts = {"cases": cases, "patients": patients, "ones": ones, "zeros": cases - ones}
    yield "cases", counts
    yield "outlined", {"outlined": int((table["mask"] != "").sum()), "cases": cases}
    bits = ", ".join(map(str, sorted(table["bits_stored"].unique())))
    sides = " x ".join(
        f"{table[side].min()}-{table[side].max()}" for side in ("height", "width")
    )
    yield "sizes", {"sides": sides, "bits": bits}


def _read_rejected(table) -> Found:
    yield "excluded", {"rows": len(table)}


def _read_folds(table) -> Found:
    counts, rates = table["num_cases"], table["rds_rate"]
    span = {"fewest": counts.min(), "most": counts.max()}
    span |= {"lowest": f"{rates.min():.3f}", "highest": f"{rates.max():.3f}"}
    yield "folds", {"folds": len(table)} | span
    shared = int(table["shared_patients"].sum())
    across = int(table.get("duplicates_across", counts * 0).sum())
    yield "disjoint", {"patients": shared, "films": across}


def _read_models(models: list[dict], first: dict) -> Found:
    def join(describe) -> str:
        return "; ".join(dict.fromkeys(str(describe(model)) for model in models))

    def describe_network(model: dict) -> str:
        parts = [f"{key} {value}" for key, value in model["architecture"].items()]
        parts += [f"input {model['input']}"] if "input" in model else []
        return f"{model['kind']}: " + ", ".join(parts)

    def describe_training(model: dict) -> str:
        done = model["training"]
        more = [f"{key} {done[key]}" for key in ("steps", "seed") if key in done]
        return ", ".join([str(done["data"]), *more])

    for name, text in (
        ("preprocessing", first.get("preprocessing")),
        ("architecture", join(describe_network)),
        ("start", join(lambda model: model["training"]["start"])),
        ("training", join(describe_training)),
        ("software", join(lambda model: model.get("rds_tf"))),
        ("output", first.get("output")),
        ("threshold", first.get("threshold")),
    ):
        if text:
            yield name, {"text": text}
    digest = first["weights"]["sha256"]
    yield "weights", {"models": len(models), "digest": digest}


def read_arms(scores: dict, data: str) -> Found:
    """What classifiers scored: `diagnosis.json` or `comparison.json`."""
    aurocs, counts, bases = {}, [], {}
    for arm, found in scores["arms"].items():
        (tn, fp), (fn, tp) = found["confusion"]
        counts.append(("confusion", dict(arm=arm, tn=tn, fp=fp, fn=fn, tp=tp)))
        group = bases if arm.startswith("baseline") else aurocs
        group[arm] = found["auroc"]
    measured = {"data": data, "cases": scores["num_cases"]}
    for name, group in (("performance", aurocs), ("baselines", bases)):
        if group:
            yield name, measured | {"scores": _join_scores("AUROC", group)}
    yield "confusion", counts


def _join_scores(measure: str, scores: dict) -> str:
    """`B0 whole: AUROC 0.847 (0.840 to 0.853); ...`."""
    return "; ".join(
        f"{name}: {measure} {score_tables.format_score(score)}"
        for name, score in scores.items()
    )


def read_comparison(result: dict) -> Found:
    """What only a comparison knows."""
    yield "pairs", {"pairs": len(result["pairs"])}
    if matched := result["matched"]:
        aurocs = {arm: found["auroc"] for arm, found in matched["arms"].items()}
        scores = _join_scores("AUROC", aurocs)
        yield "matched", {"cases": matched["num_cases"], "scores": scores}
    name, found = next(iter(result["ensembles"].items()))
    scores = {
        score: score_tables.format_score(found["calibrated"][score])
        for score in ("ece", "brier")
    }
    yield "calibration", {"ensemble": name} | scores
    left = score_tables.format_score(found["abstention"]["abstained"])
    yield "abstention", {"ensemble": name, "abstained": left}


def read_ensemble(joined: dict) -> Found:
    """How models are joined: `ensemble.json`."""
    limits = joined["threshold"], joined["sensitive_threshold"]
    threshold, sensitive = (f"{limit:.3f}" for limit in limits)
    parts = {"threshold": threshold, "sensitive": sensitive}
    yield "threshold", [("decision", parts)]
    fitted = {"intercept": f"{joined['intercept']:+.3f}"}
    fitted |= {"temperature": f"{joined['temperature']:.3f}"}
    yield "ensemble", {"models": len(joined["members"])} | fitted


def read_segmentation(scores: dict, data: str) -> Found:
    """What lung masks scored."""
    steps = scores["angles"].get("0") or next(iter(scores["angles"].values()))
    text = _join_scores("MIoU", {name: step["miou"] for name, step in steps.items()})
    cases = scores["num_cases"]
    yield "segmentation", {"data": data, "cases": cases, "scores": text}
    if scores.get("worst"):
        step, worst = list(scores["worst"].items())[-1]
        iou = score_tables.format_score(worst["lung_iou"])
        yield "angles", {"step": step, "iou": iou, "angle": worst["angle"]}


def read_audits(audits: dict) -> Found:
    """What `audit` found, arms by nuisance."""
    verdicts, heat = [], {}
    for nuisance, arms in audits.items():
        for arm, found in arms.items():
            effect = score_tables.format_score(found["effect"], "+")
            parts = {"nuisance": nuisance, "arm": arm, "effect": effect}
            verdicts.append(("alarm" if found["alarm"] else "no_alarm", parts))
            for place, proportion in (found.get("heat") or {}).items():
                heat[f"{arm}, {place}: {proportion:.0%}"] = None
    yield "audits", verdicts
    if heat:
        yield "heat", {"text": "; ".join(heat)}


def read_readers(found: dict) -> Found:
    """What `study analyse` found."""
    first, second = found["treatments"]
    before, after = (f"{auc:.3f}" for auc in found["auc"])
    low, high = found["ci"]
    p = score_tables.format_p(found["p"])
    arms = {"first": first, "before": before, "second": second, "after": after}
    yield (
        "readers",
        {
            "readers": len(found["readers"]),
            "cases": found["num_cases"],
            "change": f"{found['difference']:+.3f} ({low:+.3f} to {high:+.3f}), p {p}",
            **arms,
        },
    )
