import pytest

from rds_tf import config


def test_an_unknown_profile_is_refused():
    with pytest.raises(ValueError, match=r"one of \['full', 'quick'\].*'fast'"):
        config.load_profile("fast")


def test_a_phantom_run_has_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("RDS_TF_ARTIFACTS", str(tmp_path))
    run = config.load_run("quick", "phantom")
    assert run.folder == tmp_path / "phantom_quick" and run.folder.is_dir()
    assert run.cohort is None and run.cohort_name == "phantom"


def test_a_cohort_is_looked_up_beside_its_table(tmp_path, monkeypatch):
    monkeypatch.setenv("RDS_TF_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.delenv("RDS_TF_ROOT", raising=False)
    (tmp_path / "nursery").mkdir()
    (tmp_path / "nursery" / "cases.csv").write_text("filepath\n")
    run = config.load_run("full", tmp_path / "nursery" / "cases.csv")
    assert run.root == tmp_path / "nursery"
    assert run.cohort_name == "nursery"
    assert run.folder.name.startswith("nursery_cases_")


def test_two_tables_never_share_a_folder_of_results(tmp_path, monkeypatch):
    monkeypatch.setenv("RDS_TF_ARTIFACTS", str(tmp_path / "artifacts"))
    folders = set()
    for place in ("a/films", "b/films", "phantom"):
        (tmp_path / place).mkdir(parents=True)
        for name in ("one.csv", "two.csv"):
            (tmp_path / place / name).write_text("filepath\n")
            folders.add(config.load_run("quick", tmp_path / place / name).folder)
    folders.add(config.load_run("quick", "phantom").folder)
    assert len(folders) == 7


def test_a_missing_cohort_table_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.csv: there is no such"):
        config.load_run("quick", tmp_path / "nowhere.csv")


def test_steps_of_a_run_can_be_told_and_must_fill_its_epochs():
    profile = config.load_profile("quick", 300)
    assert profile.segmenter_steps == profile.classifier_steps == 300
    for wrong in (0, -10, 205):
        with pytest.raises(ValueError, match="must be a multiple of 10"):
            config.load_profile("quick", wrong)


def place_clone(monkeypatch, folder):
    folder.mkdir()
    monkeypatch.delenv("RDS_TF_ARTIFACTS", raising=False)
    monkeypatch.setattr(config, "CLONE", folder)


def test_results_of_a_clone_lie_in_the_clone_wherever_one_stands_in_it(
    tmp_path, monkeypatch
):
    place_clone(monkeypatch, tmp_path / "clone")
    (tmp_path / "clone" / "notebooks").mkdir()
    for place in ("clone", "clone/notebooks"):
        monkeypatch.chdir(tmp_path / place)
        assert config.find_artifacts() == tmp_path / "clone" / "artifacts"


def test_results_lie_in_the_working_folder_outside_a_clone(tmp_path, monkeypatch):
    place_clone(monkeypatch, tmp_path / "clone")
    monkeypatch.chdir(tmp_path)
    assert config.find_artifacts() == tmp_path / "artifacts"
    monkeypatch.setattr(config, "CLONE", None)  # as where a wheel is installed
    monkeypatch.chdir(tmp_path / "clone")
    assert config.find_artifacts() == tmp_path / "clone" / "artifacts"


def test_a_named_folder_of_results_wins(tmp_path, monkeypatch):
    place_clone(monkeypatch, tmp_path / "clone")
    monkeypatch.chdir(tmp_path / "clone")
    monkeypatch.setenv("RDS_TF_ARTIFACTS", "../elsewhere")
    assert config.find_artifacts() == tmp_path / "elsewhere"


def test_a_finding_is_one_printable_line():
    assert config.check_finding("  pneumonia ") == "pneumonia"
    assert config.check_finding("a" * 40) == "a" * 40
    for wrong in ("", "  ", "a\nb", "a" * 41, None, 3):
        with pytest.raises(ValueError, match="must be one line of 1 to 40 letters"):
            config.check_finding(wrong)
