"""What a run's artifacts say: each fact a sentence, with the files it stands in."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rds_tf.paper import artifacts, layout, statements


@dataclass(frozen=True)
class Fact:
    """A sentence in both languages and the files that it was read from."""

    text: layout.Said
    paths: tuple[Path, ...]


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
        "comparison": statements.read_comparison,
        "ensemble": statements.read_ensemble,
        "readers": statements.read_readers,
    }
    for name, read in readers.items():
        if getattr(run, name) is not None:
            paths = (run.paths[name],)
            _add(facts, read(getattr(run, name)), paths)
    if run.segmentation:
        data = run.name_data(run.segmentation)
        found = statements.read_segmentation(run.segmentation, data)
        _add(facts, found, (run.paths["segmentation"],))
    if run.scores:
        name, scores = run.scores
        _add(
            facts,
            statements.read_arms(scores, run.name_data(scores)),
            (run.paths[name],),
        )
    if run.audits:
        paths = tuple(run.paths[f"audit_{name}"] for name in run.audits)
        _add(facts, statements.read_audits(run.audits), paths)
    if run.models:
        classifiers = [p for p, m in run.models.items() if m["kind"] == "classifier"]
        first = (classifiers or list(run.models))[0]
        _add(
            facts, _read_models(list(run.models.values()), run.models[first]), (first,)
        )
    if run.scores or run.segmentation:
        name = run.scores[0] if run.scores else "segmentation"
        text = (
            "95 % bootstrap intervals over patients",
            "환자 단위 붓스트랩 95% 신뢰구간",
        )
        _add(facts, [("uncertainty", *text)], (run.paths[name],))
    return facts


def _add(facts: dict, found: Iterator[tuple[str, str, str]], paths: tuple) -> None:
    """Add facts; the first that says a thing stays."""
    try:
        for name, en, ko in found:
            facts.setdefault(name, Fact(layout.Said(en, ko), paths))
    except artifacts.WRONG as error:
        raise ValueError(
            f"{paths[0]}: is not what its command writes: "
            f"{type(error).__name__} {error}."
        ) from error


def _read_cases(table) -> Iterator[tuple[str, str, str]]:
    films, patients = len(table), table["patient_id"].nunique()
    ones = int((table["rds"] == 1).sum())
    yield (
        "cases",
        f"{films} films of {patients} patients; label 1: {ones}, "
        f"label 0: {films - ones}",
        f"영상 {films}장, 환자 {patients}명; 라벨 1: {ones}장, "
        f"라벨 0: {films - ones}장",
    )
    drawn = int((table["mask"] != "").sum())
    yield (
        "outlined",
        f"{drawn} of {films} films carry an outline of the lungs",
        f"영상 {films}장 가운데 {drawn}장에 폐 윤곽이 있음",
    )
    bits = ", ".join(map(str, sorted(table["bits_stored"].unique())))
    sides = " x ".join(
        f"{table[side].min()}-{table[side].max()}" for side in ("height", "width")
    )
    yield (
        "sizes",
        f"height x width {sides} px, {bits} bits stored",
        f"세로 x 가로 {sides} px, 저장 비트 {bits}",
    )


def _read_rejected(table) -> Iterator[tuple[str, str, str]]:
    count = len(table)
    yield (
        "excluded",
        f"{count} rows were rejected, each with its reason",
        f"{count}개 행이 제외됨(사유는 파일에 있음)",
    )


def _read_folds(table) -> Iterator[tuple[str, str, str]]:
    count, sizes, rates = len(table), table["num_cases"], table["rds_rate"]
    rate = f"{rates.min():.3f} to {rates.max():.3f}"
    yield (
        "folds",
        f"{count} folds by patient, {sizes.min()} to {sizes.max()} films each, "
        f"share of label 1 {rate}",
        f"환자 단위 {count}개 묶음, 묶음당 {sizes.min()}~{sizes.max()}장, "
        f"라벨 1의 비율 {rate}",
    )
    shared = int(table["shared_patients"].sum())
    across = int(table.get("duplicates_across", table["num_cases"] * 0).sum())
    yield (
        "disjoint",
        f"patient: {shared} patients in more than one fold, {across} films with the "
        "pixels of a film in another fold",
        f"환자 단위: 두 묶음 이상에 든 환자 {shared}명, "
        f"다른 묶음과 화소가 같은 영상 {across}장",
    )


def _read_models(models: list[dict], first: dict) -> Iterator[tuple[str, str, str]]:
    def unique(key) -> str:
        return "; ".join(dict.fromkeys(str(key(model)) for model in models))

    def shape(model: dict) -> str:
        parts = [f"{key} {value}" for key, value in model["architecture"].items()]
        parts += [f"input {model['input']}"] if "input" in model else []
        return f"{model['kind']}: " + ", ".join(parts)

    def train(model: dict) -> str:
        done = model["training"]
        parts = (("steps", "steps"), ("seed", "seed"))
        more = [f"{word} {done[key]}" for key, word in parts if key in done]
        return ", ".join([str(done["data"]), *more])

    for name, en, ko, text in (
        ("preprocessing", "preprocessing", "전처리", first.get("preprocessing")),
        ("architecture", "network", "네트워크", unique(shape)),
        ("start", "start", "초기값", unique(lambda model: model["training"]["start"])),
        ("training", "training", "학습", unique(train)),
        ("software", "rds_tf", "rds_tf", unique(lambda model: model.get("rds_tf"))),
        ("output", "output", "출력", first.get("output")),
        ("threshold", "threshold", "기준값", first.get("threshold")),
    ):
        if text:
            yield name, f"{en}: {text}", f"{ko}: {text}"
    digest = first["weights"]["sha256"]
    yield (
        "weights",
        f"{len(models)} models; SHA-256 of the first's weights: {digest}",
        f"모델 {len(models)}개; 첫 모델 가중치의 SHA-256: {digest}",
    )
