import numpy as np
import pandas as pd

from rds_pages.reports import audit_page
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
    films = [{"caption": "label 1", "images": {"with": np.eye(8, dtype="float32")}}]
    page = audit_page.format_page({"B0 <whole>": RESULT}, "tube", films)
    for part in ("Alarm.", "+0.900 (+0.800 to +1.000)", "B0 &lt;whole&gt;", "40%"):
        assert part in page
    assert "Not for clinical use" in page
    assert "data:image/png" in page and 'src="http' not in page


def test_text_names_each_arm_and_what_is_not_defined_is_a_dash():
    text = audit_page.format_text({"B0 whole": RESULT}, "tube")
    assert text.startswith("B0 whole: Alarm.")
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
    films = audit_page.choose_films(cases, probes, nuisance)
    assert ["-9.00" in films[0]["caption"], "+5.00" in films[1]["caption"]] == [
        True
    ] * 2
    assert len(films) == audit_page.NUM_FILMS
