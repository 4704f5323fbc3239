# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     notebook_metadata_filter: -jupytext.text_representation.jupytext_version
#     text_representation: {extension: .py, format_name: percent, format_version: '1.3'}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---
# %% [markdown]
# # 06 · Audit the tube: cut it out, draw it in, ask again
#
# **Aim.** Plant a tube shortcut in a small network, let the audit find it without knowing
# of it, audit the shipped classifier, and cure the planted one.
#
# **한국어 요약.** 작은 신경망에 튜브(기관내관) 지름길을 일부러 심은 뒤, 튜브만 지우거나 그려
# 넣고 같은 모양의 대조 영역과 비교하는 점검으로 이를 찾아냅니다. 배포된 분류기도 같은
# 방법으로 점검하고, 튜브를 무작위로 넣고 지우는 학습으로 지름길을 없애 봅니다.
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/rds-tf/rds_tf/blob/main/notebooks/06_tube_audit.ipynb)
#
# | | |
# |---|---|
# | Reads | the shipped models; it makes phantoms of its own, whatever the cohort |
# | Writes | nothing but the figures below |
# | Time | quick and full: about 2 minutes on 2 CPU cores |
#
# *Research and teaching only. Not for clinical use.* A verdict on phantoms proves that
# the audit works; it proves nothing about medicine.
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
import functools

import keras
import numpy as np

import rds_phantoms
import rds_tf
from rds_tf import audit, classification, lungs, plotting

run = rds_tf.config.load_run(PROFILE, COHORT)
rds_tf.config.set_seed(0)

# %% [markdown]
# ## From a suspicion to an experiment
#
# The study's Grad-CAM maps were hot near the **endotracheal tube**. Notebook 05 named three
# explanations: the network reads the tube, or the anatomy around it, or the map is
# coarse. A map cannot tell them apart. An experiment can: change the tube **and nothing
# else**, and watch the logit of the same film.
#
# On a phantom we can render the same infant with and without the tube. On a real film we
# have to cut it out, or draw one in. Both leave traces, and a network might react to a
# trace instead of the tube. So every change has a **control** of the same kind: the same
# shape cut out elsewhere, the same tube drawn where no airway is.

# %% tags=["nbval-check-output"]
film = rds_phantoms.make_phantom(11, (300, 280), 0.5, 8.0, ("ett", "leads"))
region = film.device_masks["ett"]
controls = audit.tubes.move_aside(region, film.mask)
print("tube:", region.any(), " controls:", len(controls))
print("controls touch the tube:", any((region * c).any() for c in controls))

# %%
bare = rds_phantoms.make_phantom(11, (300, 280), 0.5, 8.0, ("leads",))
drawn, _ = audit.tubes.insert(bare.image, bare.mask, seed=1)
aside, _ = audit.tubes.insert(bare.image, bare.mask, seed=1, aside=True)
images = {
    "rendered with": film.image,
    "rendered without": bare.image,
    "cut out": audit.tubes.remove(film.image, region),
    "control cut out": audit.tubes.remove(film.image, controls[0]),
    "drawn in": drawn,
    "drawn aside": aside,
}
plotting.plots.show(
    plotting.plots.plot_sheet(list(images.values()), titles=list(images), columns=3),
    alt="One phantom six times: rendered with a tube and without it; the tube cut out; a "
    "control region cut out; a tube drawn in; a tube drawn over a lung.",
)

# %% [markdown]
# Is cutting out any good? On phantoms we can check it against the truth, the film that
# was rendered without the tube. Within the region, the film with its tube cut out must
# lie nearer to that than the film with the tube.

# %% tags=["nbval-check-output"]
inside = region > 0
before = np.abs(film.image - bare.image)[inside].mean()
after = np.abs(images["cut out"] - bare.image)[inside].mean()
print("nearer to the film without a tube:", after < 0.8 * before)

# %% [markdown]
# ## A cohort in which the tube gives everything away
#
# We make infants whose disease is subtle and give every one two films, without a tube and
# with a drawn one. Then we choose the training films in two ways. In the **planted** cohort
# exactly the RDS cases carry a tube, as on a ward where the sick are intubated at once. In
# the **clean** cohort every second film does, sick or not.

# %%
SIZE = 64


def crop(image, mask):
    box = lungs.cropping.choose_crop(image, mask, "combined", margin=0.2)
    return box.cut(image, SIZE)


def make_infant(seed):
    rng = np.random.default_rng(seed)
    label = int(rng.random() < 0.5)
    severity = rng.uniform(0.1, 0.5) if label else rng.uniform(0.0, 0.4)
    made = rds_phantoms.make_phantom(
        seed, (160, 150), severity, rng.normal(0, 8), ("leads",)
    )
    tubed, tube = audit.tubes.insert(made.image, made.mask, seed)
    return made.image, tubed, made.mask, tube, label


# %% tags=["nbval-check-output"]
infants = [make_infant(seed) for seed in range(500, 940)]
labels = np.array([infant[4] for infant in infants])
windows = np.array([[crop(i[k], i[2]) for k in (0, 1)] for i in infants])[..., None]
coin = np.random.default_rng(0).integers(0, 2, len(infants))
is_train = np.arange(len(infants)) < 360
print("windows", windows.shape, "infants x (without, with) x film")

# %% [markdown]
# ## Two small networks
#
# Three convolutions, one dense layer, the same for both. Only the tubes in their training
# films differ.


# %%
def train_network(has_tube, seed=0):
    rds_tf.config.set_seed(seed)
    layers = [keras.Input((SIZE, SIZE, 1))]
    for filters in (8, 16, 32):
        layers.append(keras.layers.Conv2D(filters, 3, padding="same", use_bias=False))
        layers += [keras.layers.BatchNormalization(momentum=0.9), keras.layers.ReLU()]
        layers.append(keras.layers.MaxPooling2D())
    layers += [keras.layers.Flatten(), keras.layers.Dropout(0.3), keras.layers.Dense(1)]
    network = keras.Sequential(layers)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(1e-3), loss)
    rows = np.arange(len(infants))
    for _ in range(25):
        batch = windows[rows, has_tube()][is_train]
        network.fit(batch, labels[is_train], batch_size=32, verbose=0)
    rds_tf.training.refresh_batch_norm(network, batch)
    network.predict = functools.partial(network.predict, verbose=0)
    return network


# %%
planted = train_network(lambda: labels)
clean = train_network(lambda: coin)

# %% [markdown]
# ## The audit
#
# The auditor gets films with their lungs and their tubes marked, and a function from films
# to logits. It does not know how the network was trained. Here the test infants carry a
# tube at random.

# %% tags=["nbval-check-output"]
cases = [
    audit.nuisances.Case(i[c], i[2], i[3] * np.uint8(c), i[4], str(number))
    for number, (i, c, t) in enumerate(zip(infants, coin, is_train, strict=True))
    if not t
]
nuisance = audit.nuisances.list_nuisances(cases)["tube"]
print(len(cases), "cases,", sum(case.tube.any() for case in cases), "with a tube")


# %%
verdicts = {}
for name, network in {"planted": planted, "clean": clean}.items():
    predict = audit.audit.build_predict(cases, crop, network.predict)
    verdicts[name] = audit.audit.judge(audit.audit.probe(predict, cases, nuisance))
    print(f"{name}: {audit.audit.state_verdict(verdicts[name], nuisance.name)}\n")

# %% tags=["nbval-check-output"]
for name, verdict in verdicts.items():
    print(f"{name}: alarm {verdict['alarm']}")

# %% [markdown]
# Read the numbers behind the verdict. The **effect** is the change of the logit by the tube
# alone, in standard deviations of the logit over the films, so that networks can be
# compared. The alarm needs the whole interval beyond 0.2, a small effect by convention.
# **Flips** are decisions that the tube turns. One network of either kind proves little:
# `python benchmarks/tube_audit.py` repeats this with forty of each.
#
# Compare the AUROC as well. It hardly tells the two networks apart: the disease is drawn
# plainly enough here to be seen without the tube. The flips tell. Where the disease is
# subtle, as in that benchmark, the planted networks lose AUROC too as soon as the tube is
# there at random, and nobody would notice in a test set with the same link.

# %% [markdown]
# ## The shipped classifier
#
# It was trained on phantoms whose tube has no link to RDS, so there should be no alarm. It
# sees the crop of the lungs.

# %% tags=["nbval-check-output"]
(shipped,) = classification.classifier.load_classifiers()
size = shipped.model.input_shape[1]
ask = functools.partial(classification.classifier.predict_logits, shipped.model)
predict = audit.audit.build_predict(
    cases, lambda *pair: lungs.cropping.cut_input(*pair, "combined", size)[1], ask
)
verdict = audit.audit.judge(audit.audit.probe(predict, cases, nuisance))
print("alarm:", verdict["alarm"])

# %% [markdown]
# ## The cure
#
# If tubes come and go at random during training, they carry no information, and gradient
# descent has no reason to learn them. For the planted cohort that means: in every epoch
# half of the films get their tube cut out, or one drawn in, whatever the label says.

# %%
draws = np.random.default_rng(1)
cured = train_network(
    lambda: np.where(draws.random(len(labels)) < 0.5, labels, 1 - labels)
)
predict = audit.audit.build_predict(cases, crop, cured.predict)
verdicts["cured"] = audit.audit.judge(audit.audit.probe(predict, cases, nuisance))
for name, verdict in verdicts.items():
    print(f"{name:8} effect {verdict['effect']['value']:+.2f}", end="  ")
    print(f"flips {verdict['flips']['value']:.0%}  AUROC {verdict['auroc']:.2f}")

# %% [markdown]
# ## Exercise
#
# The same audit runs for any nuisance that can be varied. Audit the planted network for
# the film's brightness: is it in the list, and does it alarm?

# %% tags=["solution"]
nuisance = audit.nuisances.list_nuisances(cases)["brightness"]
predict = audit.audit.build_predict(cases, crop, planted.predict)
verdict = audit.audit.judge(audit.audit.probe(predict, cases, nuisance))
print(audit.audit.state_verdict(verdict, nuisance.name))

# %% [markdown]
# ## Questions
#
# 1. The logit falls by 2 when the tube is cut out. What must be known before one says that
#    the network reads tubes?
# <details><summary>Answer</summary>
#
# How far it falls when the same shape is cut out next to it. A network may react to any
# smooth patch in the mediastinum.
#
# </details>
#
# 2. In your hospital every infant with RDS is intubated. Can the audit be run?
# <details><summary>Answer</summary>
#
# Yes: it compares each film with itself. What cannot be measured there is how well the
# network would do on infants without a tube, because there are none with RDS.
#
# </details>
#
# 3. There was no alarm. Is the classifier free of shortcuts?
# <details><summary>Answer</summary>
#
# No. It is free of an effect of *this* nuisance, as varied here, larger than the limit.
# Letters, cropping, the ward's own exposure are other nuisances.
#
# </details>

# %% [markdown]
# ## Pitfalls
#
# - **No control.** Inpainting always changes a logit a little.
# - **A tube that is not marked.** Half a tube left in the film is still a tube.
# - **Auditing on training films.** A network knows those by heart, tube or no tube.
# - **AUROC alone.** It can stay high while single decisions depend on the tube.
#
# On your own films: `rds-tf audit PREPARED OUT --models MODELS`, with
# `--tubes` for a folder of drawn tubes, or `--nuisance ratio` for the film's shape.
#
# ## Next
#
# Notebook 07 joins the models of five folds into one probability and one map.
#
# ## References
#
# - DeGrave A, Janizek J, Lee S-I. AI for radiographic COVID-19 detection selects
#   shortcuts over signal. Nat Mach Intell 2021.
# - Seah J et al. Do comprehensive deep learning algorithms suffer from hidden
#   stratification? BMJ Open 2021.
# - Telea A. An image inpainting technique based on the fast marching method. J Graphics
#   Tools 2004.
# - Cohen J. Statistical power analysis for the behavioral sciences. 1988.
