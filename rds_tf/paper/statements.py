"""What scores, audits and readers say, as sentences in both languages.

Each function yields a fact's name, its English and its Korean.
"""

from collections.abc import Iterator

from rds_tf.study import report


def read_arms(scores: dict, data: str) -> Iterator[tuple[str, str, str]]:
    """What classifiers scored: `diagnosis.json` or `comparison.json`."""
    aurocs, counts, bases = [], [], []
    for arm, found in scores["arms"].items():
        (tn, fp), (fn, tp) = found["confusion"]
        counts.append(f"{arm}: TN {tn}, FP {fp}, FN {fn}, TP {tp}")
        target = bases if arm.startswith("baseline") else aurocs
        target.append(f"{arm}: AUROC {report.format_score(found['auroc'])}")
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
            f"{arm}: AUROC {report.format_score(found['auroc'])}"
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
        report.format_score(found["calibrated"][key]) for key in ("ece", "brier")
    )
    yield (
        "calibration",
        f"{name}, out of fold: expected calibration error {ece}, Brier score {brier}",
        f"{name}, 묶음 밖 예측: 기대 보정 오차 {ece}, Brier 점수 {brier}",
    )
    left = report.format_score(found["abstention"]["left_open"])
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
        f"{s}: MIoU {report.format_score(m['miou'])}" for s, m in steps.items()
    )
    number = scores["num_cases"]
    english = f"{data}, {number} films. {text}"
    yield "segmentation", english, f"{data}, 영상 {number}장. {text}"
    if scores.get("worst"):
        step, worst = list(scores["worst"].items())[-1]
        iou = report.format_score(worst["lung_iou"])
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
            effect = report.format_score(found["effect"], "+")
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
