"""Every word of the reading room, in English and in Korean.

`{finding}` stands for what readers are asked for; other braces are filled by the page.
"""

from rds_tf import config

ENGLISH = {
    "title": "Reading room",
    "notice": config.NOT_FOR_CLINICAL_USE,
    "leave": "Leave",
    "code": "Your code",
    "code_hint": "Twelve characters, as on the slip you were given",
    "sign_in": "Sign in",
    "wrong_code": "This code is not known. Check it and try again.",
    "slow_down": "Too many wrong tries. Wait {seconds} s, then try again.",
    "signed_out": "You are signed out. Your answers are kept: sign in to go on.",
    "not_stored": "You were signed out: your last answer was NOT stored, all others "
    "are. Sign in, and you will see that film again.",
    "lost": "The server does not answer. Confirmed answers are safe.",
    "film_lost": "The film could not be loaded.",
    "again": "Try again",
    "already": "This film had been answered before; the first answer stays.",
    "welcome": "Reader {reader}",
    "session": "Session {session} of {sessions}",
    "done": "{done} of {total} films done",
    "rule_sequential": "Read each film alone first. Then the model's probability and "
    "map appear, and you may keep or change your reading.",
    "rule_crossover": "Some films come alone, others with the model's probability "
    "and map. You read each of them once in this session.",
    "rule_rating": "Say whether the film shows {finding}, and how likely {finding} "
    "is: 0 certainly not, 100 certainly.",
    "rule_lock": "A confirmed answer is locked. You may leave between two films and "
    "go on later with the same code.",
    "rule_time": "The time for each film is recorded; there is no limit.",
    "begin": "Begin",
    "resume": "Go on",
    "progress": "{place} of {total}",
    "alone": "Film alone",
    "with_model": "With the model",
    "model_says": "The model says",
    "model_rds": "{finding}",
    "model_no": "no {finding}",
    "model_open": "not decided",
    "probability": "probability of {finding}",
    "show_map": "Show the map",
    "map_hint": "Bright: what spoke for {finding}",
    "no_map": "No map: on this film is nothing that the model takes for {finding}.",
    "first_answer": "Your answer alone: {decision}, {rating}",
    "question": "Does this film show {finding}?",
    "rds": "{finding}",
    "no_rds": "no {finding}",
    "how_likely": "How likely is {finding}?",
    "not_rated": "click on the line",
    "certainly_not": "0 certainly not",
    "certainly": "100 certainly",
    "confirm": "Confirm",
    "confirm_final": "Confirm with the model",
    "mismatch": "You chose {decision}, but rate {finding} at {rating} of 100. "
    "Change one of them, or confirm once more.",
    "picture": "Picture",
    "level": "Level",
    "width": "Width",
    "invert": "Invert",
    "reset": "Reset",
    "film": "Chest radiograph {case}",
    "mouse": "Wheel: zoom. Drag: move. Right drag: window. Double click: reset.",
    "keys": "Keys: R {finding}, N no {finding}, ↑ ↓ likelihood, Enter confirm, "
    "I invert, M map, 0 reset",
    "wait_title": "The first session is finished",
    "wait": "Thank you. The second session opens on {when}; use the same code then.",
    "finished_title": "Finished",
    "finished": "You have read all films. Thank you. You may close this page.",
}
KOREAN = {
    "title": "판독실",
    "notice": "연구와 교육용입니다. 진료에 사용할 수 없습니다. (Not for clinical use.)",
    "leave": "나가기",
    "code": "판독자 코드",
    "code_hint": "받으신 쪽지에 적힌 열두 글자입니다",
    "sign_in": "들어가기",
    "wrong_code": "등록되지 않은 코드입니다. 확인하고 다시 입력해 주세요.",
    "slow_down": "여러 번 틀렸습니다. {seconds}초 뒤에 다시 입력해 주세요.",
    "signed_out": "접속이 끝났습니다. 답은 보관되어 있으니 다시 들어와 이어 가세요.",
    "not_stored": "접속이 끝나 마지막 답은 저장되지 않았습니다. 앞의 답은 모두 "
    "보관되어 있습니다. 다시 들어오면 그 사진이 다시 나옵니다.",
    "lost": "서버가 응답하지 않습니다. 확정한 답은 안전하게 보관되어 있습니다.",
    "film_lost": "사진을 불러오지 못했습니다.",
    "again": "다시 시도",
    "already": "이미 답한 사진입니다. 처음 답이 그대로 남습니다.",
    "welcome": "판독자 {reader}",
    "session": "{sessions}회 가운데 {session}회차",
    "done": "{total}장 가운데 {done}장 완료",
    "rule_sequential": "먼저 사진만 보고 판독합니다. 그다음 모델의 확률과 히트맵이 "
    "나타나면 판독을 그대로 두거나 바꿀 수 있습니다.",
    "rule_crossover": "어떤 사진은 그대로, 어떤 사진은 모델의 확률과 히트맵과 함께 "
    "나옵니다. 이번 회차에는 사진마다 한 번씩 판독합니다.",
    "rule_rating": "{finding}인지 아닌지 고르고, {finding}일 가능성을 "
    "0(확실히 아님)부터 100(확실함)까지로 나타냅니다.",
    "rule_lock": "확정한 답은 바꿀 수 없습니다. 사진과 사진 사이에 나갔다가 같은 "
    "코드로 이어서 할 수 있습니다.",
    "rule_time": "사진마다 걸린 시간이 기록됩니다. 시간 제한은 없습니다.",
    "begin": "시작",
    "resume": "이어서 하기",
    "progress": "{total}장 중 {place}번째",
    "alone": "사진만",
    "with_model": "모델과 함께",
    "model_says": "모델의 판단",
    "model_rds": "{finding}",
    "model_no": "{finding} 아님",
    "model_open": "판단 보류",
    "probability": "{finding} 확률",
    "show_map": "히트맵 보기",
    "map_hint": "밝을수록 {finding}의 근거로 본 곳입니다",
    "no_map": "히트맵 없음: 모델이 이 사진에서 {finding}의 근거를 찾지 못했습니다.",
    "first_answer": "사진만 본 답: {decision}, {rating}",
    "question": "이 사진은 {finding}입니까?",
    "rds": "{finding}",
    "no_rds": "{finding} 아님",
    "how_likely": "{finding}일 가능성",
    "not_rated": "선을 눌러 정하세요",
    "certainly_not": "0 확실히 아님",
    "certainly": "100 확실함",
    "confirm": "확정",
    "confirm_final": "모델을 보고 확정",
    "mismatch": "‘{decision}’을 고르셨지만 {finding} 가능성은 100 가운데 "
    "{rating}입니다. 하나를 고치거나 한 번 더 확정해 주세요.",
    "picture": "화면",
    "level": "밝기(레벨)",
    "width": "대비(폭)",
    "invert": "반전",
    "reset": "처음으로",
    "film": "흉부 X선 사진 {case}",
    "mouse": "휠: 확대. 끌기: 이동. 오른쪽 끌기: 밝기와 대비. 두 번 누르기: 처음으로.",
    "keys": "단축키: R {finding}, N {finding} 아님, ↑ ↓ 가능성, Enter 확정, "
    "I 반전, M 히트맵, 0 처음으로",
    "wait_title": "첫 회차가 끝났습니다",
    "wait": "수고하셨습니다. 두 번째 회차는 {when}에 열립니다. 같은 코드로 들어오세요.",
    "finished_title": "모두 마쳤습니다",
    "finished": "모든 사진을 판독하셨습니다. 감사합니다. 이 창을 닫아도 됩니다.",
}
WORDS = {"en": ENGLISH, "ko": KOREAN}


def name_finding(finding: str) -> dict[str, dict[str, str]]:
    """Return all words with what is looked for, such as `"RDS"`, in its place."""
    return {
        language: {key: text.replace("{finding}", finding) for key, text in own.items()}
        for language, own in WORDS.items()
    }
