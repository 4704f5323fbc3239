"""The sample size of a study in words, and the command that prints it."""

import re

import pytest

from rds_readers import roe_metz, sample_size
from rds_tf import command_line as command
from rds_tf import config, errors

PLAN = ["study", "plan", "--simulations", "200", "--readers", "5"]


def test_plan_prints_table_smallest_designs_and_check(capsys):
    assert command.main([*PLAN, "--cases", "120", "--effect", "0.1"]) == 0
    text = capsys.readouterr().out
    assert "Mean AUROC 0.800 alone and 0.900 with the model" in text
    assert re.search(r"^ 5 readers( +\d+%[* ])+", text, re.M)
    by_formula = re.search(r"5 readers and 120 cases: power ([\d.]+)% by formula", text)
    simulated = re.search(r"200 simulated studies: power ([\d.]+)%", text)
    # Three standard errors of 200 studies are 10 points.
    assert abs(float(by_formula[1]) - float(simulated[1])) < 10
    assert config.NOT_FOR_CLINICAL_USE in text


def test_smallest_number_of_cases_just_reaches_the_power():
    def find_power(num_readers, num_cases):
        return num_cases / 100

    assert sample_size.find_cases(find_power, 5, 0.5) == 50
    assert sample_size.find_cases(find_power, 5, 0.505) == 52
    assert sample_size.find_cases(lambda *_: 0.5, 5, 0.6) is None


def test_options_of_variance_reach_the_model(capsys):
    arguments = ["--correlations", "0.8", "0.45", "0.4", "--reader-sd", "0.04", "0"]
    command.main(["study", "plan", "--simulations", "0", *arguments])
    text = capsys.readouterr().out
    assert "same reader, other arm 0.80; same arm, other reader 0.45" in text
    assert "simulated" not in text


def test_plan_has_defaults_and_names_its_argument_when_it_refuses():
    model = sample_size.choose_model()
    assert model == (roe_metz.STRUCTURES["HL"], 0.8)
    text = sample_size.describe_plan(model, num_simulations=0)
    assert "6 readers and 100 cases: power 2" in text
    with pytest.raises(errors.InputError, match="`effect` must not be 0"):
        sample_size.describe_plan(model, effect=0)


def test_pilot_gives_auroc_and_variances(vandyke, capsys):
    assert command.main([*PLAN, "--pilot", str(vandyke), "--effect", "0.04"]) == 0
    assert "Mean AUROC 0.897 alone and 0.937 with" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--effect", "0"], "`effect` must not be 0"),
        (["--effect", "0.3"], "must lie between 0 and 1. Received: [0.8, 1.1]"),
        (["--power", "1"], "`target_power` must lie between"),
        (["--readers", "1"], "`num_readers` must be 2 or more"),
        (["--correlations", "0.8", "0.8", "0.1"], "correlations must satisfy"),
        (["--pilot", "none.csv"], "Cannot read none.csv"),
    ],
)
def test_impossible_plan_is_refused_in_one_sentence(arguments, sentence, capsys):
    assert command.main(["study", "plan", *arguments]) == 1
    assert sentence in capsys.readouterr().err
