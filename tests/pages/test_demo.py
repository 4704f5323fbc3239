import nbformat
import pandas as pd
import pytest

from rds_pages import demo

COHORT = pd.DataFrame(
    {"fold": [*range(5)] * 4, "mask": "masks/x.png", "rds": [0] * 10 + [1] * 10}
)
HEADER = """# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     text_representation: {extension: .py, format_name: percent}
# ---
"""
SCORE = '{"value": 0.9, "low": 0.8, "high": 1.0}'
LESSON = f"""{HEADER}
# %% [markdown]
# # A lesson

# %% tags=["parameters"]
PROFILE = "full"
COHORT = "other"

# %%
import json
from rds_tf import config
run = config.load_run(PROFILE, COHORT)
score = json.loads('{SCORE}')
steps = {{"none": {{"miou": score, "lung_iou": score, "dice": score}}}}
result = {{"num_cases": 3, "angles": {{"0": steps}}}}
(run.folder / "segmentation.json").write_text(json.dumps(result))

# %%
from IPython.display import Image, display
display(Image(b"\\x89PNG not really", format="png"))
"""


@pytest.fixture
def lessons(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "SOURCES", tmp_path / "lessons")
    monkeypatch.setattr(demo, "MAIN_JOB", ("01",))
    monkeypatch.setattr(demo.prepare, "prepare_run", lambda run: COHORT)
    monkeypatch.setenv("RDS_TF_ARTIFACTS", str(tmp_path / "artifacts"))
    (tmp_path / "lessons").mkdir()
    return tmp_path / "lessons" / "01_lesson.py"


def test_the_demo_leaves_notebooks_figures_and_one_table(lessons, capsys):
    lessons.write_text(LESSON)
    folder = demo.run("quick")
    notebook = nbformat.read(folder / "notebooks" / "01_lesson.ipynb", 4)
    assert notebook.cells[1].source == "PROFILE = 'quick'\nCOHORT = 'phantom'"
    figure = folder / "figures" / "01_lesson_1.png"
    assert figure.read_bytes() == b"\x89PNG not really"
    assert "0.900 (0.800 to 1.000)" in capsys.readouterr().out
    assert (folder / "results.csv").is_file() and (folder / "results.html").is_file()


def test_a_failing_cell_is_named_and_its_notebook_kept(lessons):
    lessons.write_text(f"{HEADER}\n# %%\n1 / 0\n")
    with pytest.raises(RuntimeError, match=r"01_lesson.ipynb: .*ZeroDivisionError"):
        demo.run("quick")
    kept = demo.config.load_run("quick").folder / "notebooks" / "01_lesson.ipynb"
    assert kept.is_file()


def test_a_cohort_too_small_for_the_lessons_is_refused_before_they_run():
    demo.check_cohort(COHORT)
    with pytest.raises(ValueError, match="fold 0 has 3 outlined films and 2 classes"):
        demo.check_cohort(COHORT.iloc[5:])
    with pytest.raises(ValueError, match="fold 0 has 4 outlined films and 1 classes"):
        demo.check_cohort(COHORT.assign(rds=1))


def test_an_install_without_notebooks_says_so(lessons):
    with pytest.raises(FileNotFoundError, match="lessons: the sources .* are missing"):
        demo.run("quick")


def test_cells_keep_their_ids_from_build_to_build(lessons):
    lessons.write_text(LESSON)
    ids = [cell["id"] for cell in demo.read_source(lessons).cells]
    assert ids == ["01-00", "01-01", "01-02", "01-03"]
