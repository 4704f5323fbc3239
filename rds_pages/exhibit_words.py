"""The words of the exhibition page, in English and in Korean."""

import re

from rds_tf import config

LANGUAGES = {"English": "en", "한국어": "ko"}
WORDS = {
    "en": {
        "title": "Neonatal RDS on the chest X-ray",
        "subtitle": "What do networks see, and what should they not look at?",
        "notice": config.NOT_FOR_CLINICAL_USE,
        "choose": "Make a phantom",
        "choose_why": "a drawn newborn, nobody's film",
        "severity": "Severity of RDS",
        "angle": "Turn in degrees",
        "seed": "Infant no.",
        "tube": "Breathing tube",
        "upload": "Or bring a film: drop a DICOM or PNG",
        "upload_why": "It is read on this computer, deleted at once and never stored.",
        "language": "Language",
        "film": "Film and lungs",
        "film_note": "Cyan: the lungs that the network found.",
        "film_alt": "Chest film; the lungs, outlined in cyan, cover {share} of it.",
        "map": "Where the models look",
        "map_note": "One map of all models (here: {count}). Bright: evidence for RDS.",
        "map_crop": "They see only this frame.",
        "map_none": "Below the threshold: there is no evidence to show.",
        "map_alt": "The same film under a heat map of the evidence for RDS.",
        "map_alt_none": "The same film, without a heat map.",
        "answer": "The models say",
        "RDS": "RDS",
        "no RDS": "no RDS",
        "not decided": "not decided",
        "probability": "Probability",
        "threshold": "RDS from {threshold} on",
        "truth": "Drawn with severity {severity}: {label} (RDS from {limit} on).",
        "right": "The models are right.",
        "wrong": "The models are wrong.",
        "trained": "They learnt from: {data}. Right on phantoms does not mean right "
        "on infants.",
        "warnings": "Warnings",
        "no_warnings": "None.",
        "ladder": "Post-processing, step by step",
        "ladder_note": "Cyan: found. Orange: missed. Magenta: too much. Dice 1 is "
        "perfect.",
        "ladder_note_film": "Cyan: the lungs found. Their truth is unknown here.",
        "none": "bare network",
        "median": "median filter",
        "median+turns": "+ quarter turns",
        "median+upright": "+ upright",
        "median+rotate": "+ both",
        "rung_alt": "Lung mask after the step: {step}{dice}.",
        "tube_title": "Tube off and on",
        "tube_note": "The same infant twice: only the tube differs.",
        "tube_note_film": "A synthetic tube was drawn into your film.",
        "without": "without",
        "with": "with tube",
        "change": "change by the tube",
        "tube_alt": "The film {which}, probability {probability}.",
        "refused": "This film was not used",
        "refused_note": "Its file has been deleted. Move a dial or drop another film.",
        "failed": "Something went wrong with this film; the log says what.",
    },
    "ko": {
        "title": "흉부 X선으로 본 신생아 호흡곤란증후군(RDS)",
        "subtitle": "신경망은 무엇을 보고, 무엇을 보지 말아야 할까요?",
        "notice": "연구·교육 전용입니다. 임상에 사용할 수 없습니다. "
        "Not for clinical use.",
        "choose": "팬텀 만들기",
        "choose_why": "그려 낸 신생아이며 실제 환자가 아닙니다",
        "severity": "RDS 중증도",
        "angle": "아기의 회전 각도(도)",
        "seed": "아기 번호",
        "tube": "기관 내 튜브",
        "upload": "또는 DICOM·PNG 파일을 여기에 놓으세요",
        "upload_why": "이 컴퓨터에서만 읽고 바로 지우며 저장하지 않습니다.",
        "language": "언어",
        "film": "사진과 폐",
        "film_note": "하늘색: 신경망이 찾은 폐.",
        "film_alt": "흉부 사진. 하늘색 윤곽의 폐가 사진의 {share}를 차지합니다.",
        "map": "모델이 보는 곳",
        "map_note": "모든 모델(현재 {count}개)의 지도 하나. 밝을수록 RDS의 근거.",
        "map_crop": "모델은 이 틀 안만 봅니다.",
        "map_none": "확률이 기준보다 낮아 보여 줄 근거가 없습니다.",
        "map_alt": "같은 사진 위에 RDS의 근거를 열지도로 겹친 그림.",
        "map_alt_none": "열지도가 없는 같은 사진.",
        "answer": "모델의 판정",
        "RDS": "RDS",
        "no RDS": "RDS 아님",
        "not decided": "판정 보류",
        "probability": "확률",
        "threshold": "{threshold} 이상이면 RDS",
        "truth": "중증도 {severity}로 그린 팬텀: {label} ({limit} 이상이면 RDS).",
        "right": "모델이 맞혔습니다.",
        "wrong": "모델이 틀렸습니다.",
        "trained": "배운 자료: {data}. 팬텀에서 맞힌다고 아기에게서도 맞히는 것은 "
        "아닙니다.",
        "warnings": "주의",
        "no_warnings": "없음.",
        "ladder": "후처리 단계별 결과",
        "ladder_note": "하늘색: 맞게 찾음. 주황색: 놓침. 자홍색: 잘못 찾음. "
        "Dice 1이 완벽.",
        "ladder_note_film": "하늘색: 찾은 폐. 이 사진의 정답은 알 수 없습니다.",
        "none": "신경망 그대로",
        "median": "중앙값 필터",
        "median+turns": "+ 90도씩 회전",
        "median+upright": "+ 바로 세우기",
        "median+rotate": "+ 둘 다",
        "rung_alt": "후처리 후의 폐 마스크: {step}{dice}.",
        "tube_title": "튜브 빼고 넣기",
        "tube_note": "같은 아기, 튜브만 다릅니다.",
        "tube_note_film": "올린 사진에 가상의 튜브를 그려 넣었습니다.",
        "without": "튜브 없음",
        "with": "튜브 있음",
        "change": "튜브에 의한 변화",
        "tube_alt": "{which} 사진, 확률 {probability}.",
        "refused": "이 파일은 사용하지 않았습니다",
        "refused_note": "파일은 지웠습니다. 다이얼을 움직이거나 다른 사진을 "
        "놓아 주세요.",
        "failed": "이 사진을 처리하지 못했습니다. 자세한 내용은 로그에 있습니다.",
    },
}
SENTENCES = {  # warnings of the modules; numbers are carried over
    r"No lung was found\.": "폐를 찾지 못했습니다.",
    r"The lungs cover (\S+) of the film, expected 3 to 60 %\.": "폐가 사진의 {}를 "
    "차지합니다(정상 범위 3~60 %).",
    r"Only one lung was found, or both run together\.": "폐가 하나만 보이거나 "
    "양쪽이 붙어 있습니다.",
    r"One lung is more than twice as large as the other\.": "한쪽 폐가 다른 쪽의 "
    "두 배보다 큽니다.",
    r"The lung mask may be wrong: its quality is (\S+), expected at least (\S+)\.": (
        "폐 마스크가 틀릴 수 있습니다: 품질 {}, 기준 {}."
    ),
    r"The lung mask may be wrong, and the models look through it\.": "폐 마스크가 "
    "틀릴 수 있고, 모델은 그 마스크를 통해 봅니다.",
    r"The models disagree: (\S+) of them share this view\.": "모델의 의견이 "
    "갈립니다: {}만 이 판정에 동의합니다.",
    r"This may not be a frontal chest film: (.*)\.": "정면 흉부 사진이 "
    "아닐 수 있습니다: {}.",
    r"turned, it shows lungs in other places or none": "돌려 보면 폐가 다른 곳에 "
    "보이거나 보이지 않습니다",
    r"the header says (\d+) years(?: or more)?, no infant": "파일에 나이 {}세로 "
    "적혀 있습니다",
    r"Text may be burned in near the border: check it for names\.": "가장자리에 "
    "글자가 찍혀 있을 수 있습니다: 이름이 있는지 확인하세요.",
    r"The header says that text is burned in: check it for names\.": "파일에 글자가 "
    "찍혀 있다고 적혀 있습니다: 이름이 있는지 확인하세요.",
    r"The file departs from its standard; compare .*": "파일이 표준과 다릅니다. "
    "원본과 비교해 보세요.",
    r"(\d+) phantoms, no real film": "팬텀 {}장, 실제 사진 없음",
    r"(\d+) films of a cohort in five folds": "코호트 사진 {}장",
    r"Cannot (?:use|read) this film: (.*)\.": "이 사진을 읽을 수 없습니다: {}.",
    r"it is neither DICOM nor PNG nor JPEG": "DICOM, PNG, JPEG이 아닙니다",
    r"it is damaged, or of no kind that this page reads": "파일이 손상되었거나 "
    "이 화면이 읽지 못하는 형식입니다",
    r"it is in colour": "컬러 사진입니다",
    r"it has no pixel data or ends before them": "영상 데이터가 없거나 잘렸습니다",
    r"its Modality (.+) is no projection radiograph": "{}은(는) X선 사진이 아닙니다",
    r"it has (\d+) frames, not one": "한 장이 아니라 {}장이 들어 있습니다",
    r"it is (\d+ x \d+) pixels, .*": "크기 {} 픽셀은 이 화면의 범위를 벗어납니다",
    r"it would take more than (\d+) bytes decoded": "풀면 {}바이트를 넘습니다",
    r"reading it takes over (\S+) seconds": "읽는 데 {}초가 넘게 걸립니다",
    r"it breaks the program that decodes it": "해독 프로그램이 멈췄습니다",
}


def choose_language(text: str | None) -> str:
    """Return `"ko"` or `"en"` for a name or a code, English for any other."""
    return LANGUAGES.get(text, text if text in WORDS else "en")


def translate(sentence: str, language: str) -> str:
    """Say a sentence of a module; one without a translation stays English."""
    if language == "en":
        return sentence
    for pattern, korean in SENTENCES.items():
        if found := re.fullmatch(pattern, sentence):
            parts = (translate(part, language) for part in found.groups())
            return korean.format(*parts)
    return sentence
