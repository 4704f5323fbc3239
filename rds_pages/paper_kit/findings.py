"""What a run's artifacts say: each fact a sentence, with the files it stands in."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rds_pages.paper_kit import artifacts
from rds_pages.reports import page_template, score_tables
from rds_tf import errors


@dataclass(frozen=True)
class Fact:
    """A sentence in both languages and the files that it was read from."""

    text: page_template.Said
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
        "comparison": read_comparison,
        "ensemble": read_ensemble,
        "readers": read_readers,
    }
    for name, read in readers.items():
        if getattr(run, name) is not None:
            paths = (run.paths[name],)
            _add(facts, read(getattr(run, name)), paths)
    if run.segmentation:
        data = run.name_data(run.segmentation)
        found = read_segmentation(run.segmentation, data)
        _add(facts, found, (run.paths["segmentation"],))
    if run.scores:
        name, scores = run.scores
        _add(
            facts,
            read_arms(scores, run.name_data(scores)),
            (run.paths[name],),
        )
    if run.audits:
        paths = tuple(run.paths[f"audit_{name}"] for name in run.audits)
        _add(facts, read_audits(run.audits), paths)
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
            facts.setdefault(name, Fact(page_template.Said(en, ko), paths))
    except artifacts.WRONG as error:
        raise errors.InputError(
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


def read_arms(scores: dict, data: str) -> Iterator[tuple[str, str, str]]:
    """What classifiers scored: `diagnosis.json` or `comparison.json`."""
    aurocs, counts, bases = [], [], []
    for arm, found in scores["arms"].items():
        (tn, fp), (fn, tp) = found["confusion"]
        counts.append(f"{arm}: TN {tn}, FP {fp}, FN {fn}, TP {tp}")
        target = bases if arm.startswith("baseline") else aurocs
        target.append(f"{arm}: AUROC {score_tables.format_score(found['auroc'])}")
    number = scores["num_cases"]
    for name, parts in (("performance", aurocs), ("baselines", bases)):
        if parts:
            text = "; ".join(parts)
            yield name, f"{data}, {number} cases. {text}", f"{data}, {number}례. {text}"
    yield "confusion", "; ".join(counts), "; ".join(counts)


def read_comparison(result: dict) -> Iterator[tuple[str, str, str]]:
    """What only a comparison knows."""
    count = len(result["pairs"])
    yield (
        "pairs",
        f"{count} pairs of arms, paired by case: bootstrap over patients, "
        "DeLong's test after Holm, McNemar's test",
        f"모델 {count}쌍을 같은 사례로 비교: 환자 단위 붓스트랩, "
        "DeLong 검정(Holm 보정), McNemar 검정",
    )
    matched = result["matched"]
    if matched:
        text = "; ".join(
            f"{arm}: AUROC {score_tables.format_score(found['auroc'])}"
            for arm, found in matched["arms"].items()
        )
        number = matched["num_cases"]
        yield (
            "matched",
            f"{number} cases matched in the film's height-to-width ratio. {text}",
            f"영상의 세로/가로 비를 맞춘 {number}례. {text}",
        )
    name, found = next(iter(result["ensembles"].items()))
    ece, brier = (
        score_tables.format_score(found["calibrated"][key]) for key in ("ece", "brier")
    )
    yield (
        "calibration",
        f"{name}, out of fold: expected calibration error {ece}, Brier score {brier}",
        f"{name}, 묶음 밖 예측: 기대 보정 오차 {ece}, Brier 점수 {brier}",
    )
    left = score_tables.format_score(found["abstention"]["left_open"])
    yield (
        "abstention",
        f"{name}: share of cases left undecided {left}",
        f"{name}: 판정을 보류한 사례의 비율 {left}",
    )


def read_ensemble(joined: dict) -> Iterator[tuple[str, str, str]]:
    """How models are joined: `ensemble.json`."""
    limit, sensitive = joined["threshold"], joined["sensitive_threshold"]
    yield (
        "threshold",
        f"probability {limit:.3f}; for 95 % sensitivity {sensitive:.3f}",
        f"확률 {limit:.3f}; 민감도 95%를 위한 기준 {sensitive:.3f}",
    )
    count = len(joined["members"])
    numbers = joined["offset"], joined["temperature"]
    yield (
        "ensemble",
        "mean logit of {} models, less {:+.3f}, divided by {:.3f}".format(
            count, *numbers
        ),
        "모델 {}개의 평균 로짓에서 {:+.3f}을 빼고 {:.3f}으로 나눔".format(
            count, *numbers
        ),
    )


def read_segmentation(scores: dict, data: str) -> Iterator[tuple[str, str, str]]:
    """What lung masks scored."""
    steps = scores["angles"].get("0") or next(iter(scores["angles"].values()))
    text = "; ".join(
        f"{s}: MIoU {score_tables.format_score(m['miou'])}" for s, m in steps.items()
    )
    number = scores["num_cases"]
    english = f"{data}, {number} films. {text}"
    yield "segmentation", english, f"{data}, 영상 {number}장. {text}"
    if scores.get("worst"):
        step, worst = list(scores["worst"].items())[-1]
        iou = score_tables.format_score(worst["lung_iou"])
        yield (
            "angles",
            f"{step}: lung IoU {iou} at the worst angle, {worst['angle']} degrees",
            f"{step}: 가장 나쁜 각도 {worst['angle']}도에서 폐 IoU {iou}",
        )


def read_audits(audits: dict) -> Iterator[tuple[str, str, str]]:
    """What `audit` found, arms by nuisance."""
    english, korean, heat = [], [], []
    for nuisance, arms in audits.items():
        for arm, found in arms.items():
            effect = score_tables.format_score(found["effect"], "+")
            alarm = found["alarm"]
            said = "alarm" if alarm else "no alarm"
            english.append(f"{nuisance}, {arm}: {said}, {effect} SD of the logit")
            said = "경보" if alarm else "경보 없음"
            korean.append(f"{nuisance}, {arm}: {said}, 로짓 표준편차의 {effect}배")
            for place, share in (found.get("heat") or {}).items():
                heat.append(f"{arm}, {place}: {share:.0%}")
    yield "audits", "; ".join(english), "; ".join(korean)
    if heat:
        text = "; ".join(dict.fromkeys(heat))
        yield "heat", f"share of the heat. {text}", f"열지도의 비율. {text}"


def read_readers(found: dict) -> Iterator[tuple[str, str, str]]:
    """What `study analyse` found."""
    first, second = found["treatments"]
    before, after = found["auc"]
    low, high = found["ci"]
    p = "< 0.001" if found["p"] < 0.001 else f"{found['p']:.3f}"
    change = f"{found['difference']:+.3f} ({low:+.3f} to {high:+.3f}), p {p}"
    readers, cases = len(found["readers"]), found["num_cases"]
    means = f"AUROC {before:.3f} ({first}), {after:.3f} ({second})"
    yield (
        "readers",
        f"{readers} readers, {cases} cases: {means}; first minus second {change}",
        f"판독자 {readers}명, {cases}례: {means}; "
        f"앞의 것에서 뒤의 것을 뺀 차이 {change}",
    )
