# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     notebook_metadata_filter: -jupytext.text_representation.jupytext_version
#     text_representation: {extension: .py, format_name: percent, format_version: '1.3'}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---
# %% [markdown]
# # 08 · Find out whether the model helps its readers
#
# **Aim.** Plan a reader study, let simulated readers read every film alone and then with
# the model, and analyse their answers by the standard method.
#
# **한국어 요약.** 모델이 판독자에게 정말 도움이 되는지 알아보는 판독 연구를 설계합니다.
# 모의 판독자가 같은 증례를 먼저 혼자, 이어서 모델의 확률과 히트맵을 보고 판독하며, 그
# 결과를 Obuchowski-Rockette 방법으로 분석합니다.
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/rds-tf/rds_tf/blob/main/notebooks/08_reader_study.ipynb)
#
# | | |
# |---|---|
# | Reads | the cohort of notebook 01 where it is there, else a phantom cohort; the shipped models |
# | Writes | a pack of films and answers in a temporary folder |
# | Time | quick: about 2 minutes on 2 CPU cores; full: some minutes |
#
# *Research and teaching only. Not for clinical use.* The readers here are **simulated**:
# this lesson shows how a study is run, not that the model helps anybody.
#
# On Colab, run this in a cell of its own first:
#
# ```
# !git clone -q https://github.com/rds-tf/rds_tf
# %cd rds_tf
# %pip install -q -r requirements.txt
# ```

# %% tags=["parameters"]
PROFILE = "quick"  # @param ["quick", "full"]
COHORT = "phantom"

# %%
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit, logit

import rds_readers
from rds_pages import reports
from rds_tf import config, data, plotting, storage

run = config.load_run(PROFILE, COHORT)
table = data.prepare.prepare_run(run)

# %% [markdown]
# ## How many readers, how many films?
#
# A good classifier is not yet a useful one. What counts is whether people decide better
# with it. In a **multi-reader multi-case** study several readers judge the same films in
# two ways, here alone and with the model's probability and heat map.
#
# Two things vary by chance: the films that happened to be chosen, and the readers. A study
# of one brilliant reader says little about others, however many films it has. Before
# anything is shown to anybody, the formula of Hillis, Obuchowski and Berbaum gives the
# **power**: the chance to find an effect that is really there. Suppose that readers alone
# reach an AUROC of 0.75, and 0.87 with the model.

# %%
variances, aurocs = rds_readers.roe_metz.STRUCTURES["HL"], (0.75, 0.87)


def find_power(num_readers, half):
    parameters = rds_readers.power.convert(variances, aurocs, (half, half))
    return rds_readers.power.power(parameters, num_readers, aurocs[1] - aurocs[0])


for num_readers in (2, 4, 8):
    chances = [find_power(num_readers, half) for half in (10, 20, 40)]
    print(num_readers, "readers; 20, 40, 80 films:", np.round(chances, 2))

# %% [markdown]
# Doubling the readers and doubling the films are not the same thing. How the ratings
# vary was taken from a published set of simulations, where it is called HL; a pilot study
# of your own is better (`rds-tf study plan --pilot readings.csv`).
#
# A formula must be checked. The model of Roe and Metz draws whole studies, with the
# readers' skill, the films' difficulty and so on as normal effects. Each is analysed as a
# real one would be, and we count how often the test reports a difference: when there is
# none (5 % should be) and when there is one.

# %% tags=["nbval-check-output"]
size = {"num_readers": 4, "num_cases": (20, 20), "num_studies": 1000}
nothing = rds_readers.roe_metz.simulate_rejections(variances, (0.8, 0.8), **size)
something = rds_readers.roe_metz.simulate_rejections(variances, aurocs, **size)
formula = find_power(4, 20)
print("error of the first kind near 5 %:", 0.02 <= nothing <= 0.08)
print("formula and simulation agree within 0.05:", abs(formula - something) <= 0.05)

# %% [markdown]
# ## A blinded pack
#
# Forty films, half of them with RDS, one of each patient, under new names whose order gives
# nothing away. Each reader gets an order of their own. Films, heat maps and the plan lie in
# the pack; the truth lies beside it, and so do the readers' sign-in codes. In a hospital
# the same is done by
#
# ```
# rds-tf study plan PREPARED PACK --readers 4 --cases 40
# rds-tf serve study PACK
# ```
#
# The second command opens the reading room in a browser, in English and Korean.

# %% tags=["nbval-check-output"]
plan = rds_readers.design.Design("sequential", num_readers=4, num_cases=40, seed=7)
folder = Path(tempfile.mkdtemp()) / "pack"
written = rds_readers.pack.write_pack(run.prepared, folder, config.SAVED_MODELS, plan)
print(*sorted(path.name for path in folder.glob("[!.]*")))
print(*sorted(path.name for path in folder.parent.glob("pack_*")))
print(len(list((folder / "films").iterdir())), "films")

# %% [markdown]
# Is the pack blind? The plan names films and readers and nothing else; without the key
# nobody can tell a sick child's film from its name. And is it reproducible? The same seed
# must give the same orders, or nobody could check how they came about.

# %% tags=["nbval-check-output"]
text = (folder / "plan.json").read_text()
print("truth in the plan:", "truth" in text or '"rds"' in text)
readers = storage.disk.read_json(folder / "plan.json")["readers"]
cases = sorted(entry["case"] for entry in readers[0]["sessions"][0])
key = pd.read_csv(folder.parent / "pack_key.csv", index_col="case")
truth = key["truth"]
again = rds_readers.design.plan_sessions(cases, truth[cases].to_numpy(), plan)
print("same seed, same orders:", again == readers)
print("half with RDS:", truth.mean() == 0.5)

# %% [markdown]
# ## Simulated readers
#
# A reader without the model sees something of the disease and much noise. In logits: a
# step of 0.5 up or down by the truth, a bias of the reader's own, and noise that differs
# from film to film.
#
# When the model's view appears, our readers move half of the way towards it. That is an
# assumption, and it decides the outcome: real readers may ignore the model, follow it
# blindly, or learn when to do which.

# %%
rng = np.random.default_rng(0)
model = {}
for case in cases:
    view = storage.disk.read_json(folder / "model" / f"{case}.json")
    said = 0.5 if view["probability"] is None else view["probability"]  # not decided
    model[case] = np.clip(said, 0.01, 0.99)


def read(truth, bias):
    return 0.5 * (2 * truth - 1) + bias + rng.normal(0, 1)


def consult(first, probability):
    return 0.5 * first + 0.5 * logit(probability)


# %% [markdown]
# They answer through the same store as the reading room's page. It says what is due next,
# takes one answer a step, and puts it on disk before the next film shows. A reader who
# closes the browser goes on where they were.

# %%
store = rds_readers.answers.Answers(folder)
for entry in readers:
    reader, bias = entry["reader"], rng.normal(0, 0.3)
    while due := store.find_due(reader):
        if due.step == rds_readers.design.ALONE:
            latent = read(truth[due.case], bias)
        else:
            latent = consult(latent, model[due.case])
        store.add(
            reader,
            due.key,
            rating=round(100 * expit(latent)),
            decision=int(latent >= 0),
            seconds=rng.uniform(10, 60),
        )

# %% [markdown]
# The first answer must stay locked, or the comparison is worth nothing: a reader who may go
# back after having seen the model's answer no longer reads alone. A second answer to the
# same question is refused.

# %% tags=["nbval-check-output"]
case = readers[0]["sessions"][0][0]["case"]
place = rds_readers.design.Place(session=1, case=case, step="alone")
first = store.find_answer("R1", place)
print("second answer stored:", store.add("R1", place, rating=99, decision=1))
print("first one unchanged:", store.find_answer("R1", place) == first)

# %% [markdown]
# ## Did it help?
#
# Answers and key together make the table of readings: who, how, which film, the truth,
# the rating. It is checked for gaps first, since the method needs every reader to have
# read every film both ways. `rds-tf study analyse` does the rest of this notebook
# in one command.

# %% tags=["nbval-check-output"]
table = rds_readers.readings.check_readings(rds_readers.answers.load_answers(folder))
study = rds_readers.readings.to_arrays(table)
found = rds_readers.decisions.describe(study)
print(len(table), "readings:", study.ratings.shape, study.treatments)
auroc = found["auroc"]
print("with the model higher on average:", auroc["difference"] < 0)
print("half of them gain or more:", sum(np.diff(auroc["each"], axis=0)[0] > 0) >= 2)

# %%
means = auroc["means"]
print(f"AUROC alone {means['mean'][0]:.2f}, with the model {means['mean'][1]:.2f}")
print(f"difference {-auroc['difference']:.2f}, p {auroc['p']:.3f}")
figure = reports.reader_plots.plot_readers(
    auroc["each"],
    means=means["mean"],
    intervals=np.clip(means["ci"], 0, 1),
    treatments=study.treatments,
    readers=study.readers,
)
plotting.plots.show(
    figure, alt="One line a reader, from AUROC alone to AUROC with the model."
)

# %% [markdown]
# Each line is a reader. Whether the result holds for *other* readers and *other* films is
# what the test decides. By hand: the difference of the two means, over a standard error
# that holds both how the readers differ in their gain (the mean square of treatment by
# reader) and how much of their errors is common because they saw the same films (Cov2 less
# Cov3). Obuchowski and Rockette's F is the square of that ratio.

# %% tags=["nbval-check-output"]
each = np.array(auroc["each"])
gains = each[0] - each[1]
shared = max(auroc["cov2"] - auroc["cov3"], 0)
square = gains.var(ddof=1) / 2 + len(gains) * shared
f = gains.mean() ** 2 / (2 * square / len(gains))
print("F by hand is F of the module:", np.isclose(f, auroc["f"]))

# %% [markdown]
# A naive test would compare all ratings of the one arm with all of the other as if each
# reading were a case of its own. That takes 160 readings for 160 films, and its interval
# is too narrow.

# %%
flat = rds_readers.mrmc.score_auroc(
    np.tile(study.truth, len(study.readers)), study.ratings.reshape(2, 1, -1)
)
naive = np.sqrt(np.trace(flat[1]) - 2 * flat[1][0, 1])
print(f"standard error: naive {naive:.3f}, readers and cases {auroc['se']:.3f}")

# %% [markdown]
# ## Which decisions changed
#
# An average can hide harm. Which decisions did the model correct, and which did it spoil? A
# wrong answer with a high probability is the most dangerous one.

# %%
better, worse = (
    [one[name] for one in found["changes"]] for name in ("better", "worse")
)
figure = reports.reader_plots.plot_changes(better, worse, readers=study.readers)
plotting.plots.show(
    figure, alt="For each reader, decisions corrected, and decisions spoilt."
)

# %% [markdown]
# Readers who follow the same model also agree more with each other. Agreement beyond
# chance (kappa) rises, and that is not the same as being right: all may be wrong together.

# %% tags=["nbval-check-output"]
kappas = [arm["fleiss"]["value"] for arm in found["agreement"]]
print("kappa rises with the model:", kappas[1] > kappas[0])

# %% [markdown]
# ## Exercise
#
# What if the model is broken? Give each film the probability of another film, let the same
# readers consult it, and look at the AUROC. Would the study have noticed?

# %% tags=["solution"]
broken = rng.permutation([model[case] for case in study.cases])
latent = logit(np.clip(study.ratings[0] / 100, 0.01, 0.99))
ratings = np.stack([study.ratings[0], 100 * expit(consult(latent, broken))])
harm = rds_readers.mrmc.analyse(*rds_readers.mrmc.score_auroc(study.truth, ratings))
print(f"difference {-harm['difference']:+.2f}, p {harm['p']:.3f}")

# %% [markdown]
# ## Questions
#
# 1. Sequential or crossover: which one, and why is there a wash-out?
# <details><summary>Answer</summary>
#
# In the sequential order every film is read alone and at once again with the model, as it
# would be used; it is quick, but readers know that a second look comes. In the crossover
# each film is read twice, weeks apart, so that memory fades: the wash-out.
#
# </details>
#
# 2. Why does the analysis treat readers as drawn by chance?
# <details><summary>Answer</summary>
#
# Because the question is whether *readers* are helped, not these four persons. With the
# readers fixed the interval gets narrower, and holds for these four only.
#
# </details>
#
# 3. The AUROC rises but sensitivity does not. How can that be?
# <details><summary>Answer</summary>
#
# The AUROC uses the order of all ratings, sensitivity only which side of the reader's own
# threshold they fall on. Readers may rank films better and still say "RDS" as rarely.
#
# </details>

# %% [markdown]
# ## Pitfalls
#
# - **Cases that the model was trained on.** Each film must be judged by a model that saw no
#   film of that patient; `rds-tf study plan` refuses others.
# - **Half RDS in the pack, few in the ward.** Sensitivity and specificity may carry over,
#   predictive values do not.
# - **Treating readings as independent.** Four readers of forty films are not 160 films.
# - **Stopping when p is small.** Fix readers and cases before the first reading.
#
# ## Next
#
# `rds-tf report RUN OUT` writes the tables and checklists for a paper.
#
# ## References
#
# - Obuchowski NA, Rockette HE. Communications in Statistics 1995;24:285-308.
# - Hillis SL, Berbaum KS, Metz CE. Academic Radiology 2008;15:647-661.
# - Hillis SL, Obuchowski NA, Berbaum KS. Academic Radiology 2011;18:129-142.
# - Roe CA, Metz CE. Academic Radiology 1997;4:298-303.
