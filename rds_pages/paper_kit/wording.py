"""The words of the paper kit that stand in its pages whatever the run holds."""

from rds_pages.reports import page_template
from rds_tf import config

Said = page_template.Said

NOTICE = Said(
    config.NOT_FOR_CLINICAL_USE, "연구와 교육 전용입니다. 진료에 사용할 수 없습니다."
)
TITLE = Said("Paper kit: {}", "논문 자료: {}")
INTRO = Said(
    "Written by rds_tf report from the files listed below; every number links to "
    "the file in which it stands. Nothing here says what label 1 means in the data "
    "{}: that, and all that is marked so, is for a person.",
    "rds_tf report가 아래 파일로부터 작성하였습니다. 모든 수치는 그 수치가 있는 "
    "파일로 연결됩니다. 자료 {}에서 라벨 1이 무엇을 뜻하는지는 여기에 없으며, 그것과 "
    "'사람이 작성'으로 표시된 항목은 사람이 채워야 합니다.",
)
FOUND = Said("What the run holds", "실행 결과 파일")
RESULTS = Said("Results", "결과")
CARD = Said("Model card", "모델 카드")
CHECKLISTS = Said("Checklists", "보고 점검표")
FILE, WHAT = Said("File", "파일"), Said("What it is", "내용")
ARTIFACTS = {
    "manifest": Said("prepared cases", "준비된 사례"),
    "fold_audit": Said("balance of the folds", "묶음의 균형"),
    "rejected": Said("rows left out, with reasons", "제외된 행과 사유"),
    "comparison": Said("comparison of classifiers", "분류 모델 비교"),
    "diagnosis": Said("scores of classifiers", "분류 모델 점수"),
    "segmentation": Said("scores of lung masks", "폐 분할 점수"),
    "ensemble": Said("how the models are joined", "모델을 합친 방법"),
    "readers": Said("reader study", "판독 연구"),
    "audit": Said("audit of a shortcut", "지름길 학습 점검"),
    "model": Said(
        "manifest of a model; the model card holds all", "모델 명세(전체는 모델 카드에)"
    ),
}
TASKS = {
    "segmentation": Said("Lung segmentation", "폐 분할"),
    "diagnosis": Said("Classification of the label", "라벨 분류"),
}
ARM = Said("Arm", "모델")
COUNTS = Said("TN/FP/FN/TP", "TN/FP/FN/TP")
METRICS = {
    "accuracy": Said("Accuracy", "정확도"),
    "precision": Said("Precision", "정밀도"),
    "recall": Said("Recall", "재현율"),
    "specificity": Said("Specificity", "특이도"),
    "f1": Said("F1", "F1"),
    "auroc": Said("AUROC", "AUROC"),
    "miou": Said("MIoU", "MIoU"),
    "miou_gain": Said("MIoU gain", "MIoU 향상"),
    "lung_iou": Said("Lung IoU", "폐 IoU"),
    "dice": Said("Dice", "Dice"),
    "loss": Said("Lung IoU lost", "폐 IoU 감소"),
}
NOTE = Said(
    "Data: {}, {} cases. Value with its 95 % bootstrap interval over patients.",
    "자료: {}, {}례. 값과 환자 단위 붓스트랩 95% 신뢰구간.",
)
FACTS = Said("Facts", "요약")
FACT, SOURCE = Said("From the run", "실행 결과에서"), Said("Source", "출처")
MODEL_ROWS = {
    "architecture": Said("Network", "네트워크"),
    "input": Said("Input", "입력"),
    "preprocessing": Said("Preprocessing", "전처리"),
    "output": Said("Output", "출력"),
    "data": Said("Trained on", "학습 자료"),
    "start": Said("Start", "초기값"),
    "steps": Said("Steps", "학습 단계"),
    "seed": Said("Seed", "난수 씨앗"),
    "num_parameters": Said("Parameters", "매개변수 수"),
    "copies": Said("Models of this kind", "같은 종류의 모델"),
}
FIELD, VALUE = Said("Field", "항목"), Said("Value", "값")
USE = Said(
    "Intended use: research and teaching. Not for: any decision about a patient. Who "
    "may be harmed, on whom it was not tried, and its limits: for a person.",
    "용도: 연구와 교육. 금지: 환자에 관한 모든 결정. 누가 해를 입을 수 있는지, 어떤 "
    "대상에서 시험되지 않았는지, 한계는 무엇인지는 사람이 작성해야 합니다.",
)
NUMBER, ITEM = Said("No.", "번호"), Said("Item", "항목")
STATUS, ANSWER = Said("Status", "상태"), Said("Answer from the run", "실행 결과의 답")
ANSWERED = Said("answered", "작성됨")
PARTLY = Said("partly: a person completes it", "일부 작성: 사람이 보완")
PERSON = Said("for a person", "사람이 작성")
COUNTED = Said(
    "{} rows: {} answered, {} partly, {} for a person. Items are paraphrased; the "
    "wording of the paper counts.",
    "{}행: 작성됨 {}, 일부 작성 {}, 사람이 작성 {}. 항목은 요약한 것이며 원문이 "
    "기준입니다.",
)


def fill(text: Said, *values) -> Said:
    """Fill the gaps of a text in both languages."""
    return Said(text.en.format(*values), text.ko.format(*values))
