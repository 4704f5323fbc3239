import json

import numpy as np
import pandas as pd

from rds_pages import templates
from rds_pages.reports import audit_report, document
from rds_tf.audit import nuisances


def score(value):
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


RESULT = {
    "effect": score(0.9),
    "logits": score(1.8),
    "flips": score(0.3),
    "alone": 0.5,
    "auroc": 0.9,
    "auroc_present": 0.8,
    "auroc_absent": 0.85,
    "gap": None,
    "heat": {"lungs": 0.4, "tube": 0.1},
    "alarm": True,
}


def test_page_holds_verdict_numbers_pictures_and_the_notice():
    png = templates.encode(np.eye(8, dtype="float32"))
    picture = document.Figure(png, "with")
    page = audit_report.format_page({"B0 <whole>": RESULT}, "tube", [picture])
    for part in (
        "Alarm.",
        "+0.900 <span>(+0.800 to +1.000)</span>",
        "B0 &lt;whole&gt;",
        "40%",
    ):
        assert part in page
    assert "Not for clinical use" in page
    assert "data:image/png" in page and 'src="http' not in page


def test_text_names_each_arm_and_what_is_not_defined_is_a_dash():
    text = audit_report.format_text({"B0 whole": RESULT}, "tube")
    assert text.startswith("B0 whole\nAlarm.")
    (gap,) = [line for line in text.splitlines() if "high minus" in line]
    assert gap.split()[-1] == "-"


def test_the_films_shown_are_those_that_the_nuisance_moved_most():
    cases = [
        nuisances.Case(np.full((40, 40), 0.5, "float32"), None, None, 0, str(i))
        for i in range(6)
    ]
    nuisance = nuisances.Nuisance(
        "x", None, lambda case, seed: ([case.image], [case.image])
    )
    probes = pd.DataFrame({"present": [0, 5, 1, -9, 2, 0.5], "absent": 0.0})
    blocks = audit_report.draw_most_moved(cases, probes, nuisance)
    texts = [block.text for block in blocks if isinstance(block, document.Paragraph)]
    assert "-9.00 with" in texts[0] and "+5.00 with" in texts[1]
    assert len(texts) == audit_report.NUM_SHOWN
    figures = [block for block in blocks if isinstance(block, document.Figure)]
    assert [one.caption for one in figures[:3]] == ["as taken", "with", "without"]


def test_an_audit_is_written_as_page_and_json_and_returned_as_text(tmp_path):
    image = np.full((40, 40), 0.5, "float32")
    cases = [nuisances.Case(image, None, None, 0, str(i)) for i in range(6)]
    probes = pd.DataFrame({"present": [0.0, 5.0], "absent": 0.0})
    arms = {"B0 whole": (RESULT, probes, [2, 4])}
    text = audit_report.write(arms, cases, "brightness", tmp_path)
    assert text == audit_report.format_text(
        {"B0 whole": RESULT}, "brightness of the film"
    )
    written = json.loads((tmp_path / "audit_brightness.json").read_text())
    assert written == {"B0 whole": RESULT}
    assert "+5.00 with" in (tmp_path / "audit_brightness.html").read_text()
