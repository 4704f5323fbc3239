# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     notebook_metadata_filter: -jupytext.text_representation.jupytext_version
#     text_representation: {extension: .py, format_name: percent, format_version: '1.3'}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---
# %% [markdown]
# # 07 · Join five folds into one answer and one map
#
# **Aim.** Train one classifier a fold, join them into one calibrated probability that may
# abstain, and draw a single map from all of them.
#
# **한국어 요약.** 교차 검증으로 만든 다섯 모델을 하나의 보정된 확률로 합치고, 모델들의
# 의견이 갈리거나 폐 마스크가 의심스러우면 판단을 보류합니다. 여러 모델의 Grad-CAM은 0~1로
# 정규화하기 전에 로짓 단위로 평균하여 하나의 히트맵으로 그립니다.
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/rds-tf/rds_tf/blob/main/notebooks/07_fold_ensemble.ipynb)
#
# | | |
# |---|---|
# | Reads | the cohort of notebook 01 where it is there, else a phantom cohort; the shipped models |
# | Writes | nothing but the figures below |
# | Time | quick: about 1 minute on 2 CPU cores; full: some minutes |
#
# *Research and teaching only. Not for clinical use.* Figures on phantoms prove that the
# code works; they prove nothing about medicine.
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
import keras
import numpy as np

from rds_tf import classification, config, data, explanation, plotting, stats

run = config.load_run(PROFILE, COHORT)
config.set_seed(0)

# %% [markdown]
# ## Five models, and then what?
#
# Cross-validation leaves five models behind, each ignorant of another fifth of the cases.
# The study planned to average them and then asked the question of this notebook: a
# reader wants **one** probability and **one** heat map. Which of the five maps do you show?
#
# To keep this lesson short, the five models here share one body: the shipped EfficientNet
# up to its pooled features, frozen. What each fold trains is a head, one linear unit.
# Everything below works in the same way for five whole networks; they are trained by
#
# ```
# rds-tf compare PREPARED OUT --backbones B0 --inputs whole combined masked
# ```
#
# which runs every fold in a process of its own, goes on where it was interrupted, and
# prints the comparison of all arms.

# %% tags=["nbval-check-output"]
(shipped,) = classification.classifier.load_classifiers()
body = keras.Model(shipped.model.input, shipped.model.get_layer("pool").output)
print(shipped.arm, "body:", body.input_shape, "->", body.output_shape)

# %% tags=["nbval-check-output"]
table = data.prepare.prepare_run(run)
lungs = classification.classifier.find_lungs(run.prepared, table)
masks = [one.mask for one in lungs]
quality = np.array([one.quality for one in lungs])
size = body.input_shape[1]
windows = classification.classifier.load_crops(
    run.prepared, table, "combined", size, masks
)
print(windows.shape, "windows of", table["patient_id"].nunique(), "patients")

# %% [markdown]
# ## Train a head a fold
#
# The features are computed once. They are standardised by numbers of the *training* folds
# alone, inside the head, so that no test film has a say in them: `Normalization.adapt`
# sees the training rows only. Weight decay keeps 1,280 weights in check that learn from
# not quite a hundred films.

# %%
features = body.predict(windows / np.float32(255), verbose=0)
labels, fold = table["rds"].to_numpy(), table["fold"].to_numpy()


def train_head(train):
    scale = keras.layers.Normalization(name="scale")
    scale.adapt(features[train])
    logit = keras.layers.Dense(1, kernel_initializer="zeros", name="logit")
    head = keras.Sequential([keras.Input((features.shape[1],)), scale, logit])
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    head.compile(keras.optimizers.AdamW(3e-4, weight_decay=0.1), loss)
    head.fit(features[train], labels[train], epochs=40, verbose=0)
    return head


# %% [markdown]
# Put back onto the body, a head makes a whole classifier, from film to probability. The
# layer before the logit is a scaled global average of the last feature maps, so each
# model's map adds up to its logit, as notebook 05 showed by hand.

# %% tags=["nbval-check-output"]
heads = [train_head(fold != held_out) for held_out in range(config.NUM_FOLDS)]
models = []
for head in heads:
    logit = head(body.output)
    probability = keras.layers.Activation("sigmoid", name="probability")(logit)
    models.append(keras.Model(body.input, probability))
print(len(models), "models", models[0].input_shape, "->", models[0].output_shape)

# %% [markdown]
# ## Out of fold
#
# Every film is judged by the one model that did not see it, nor another film of the same
# patient. Pooled over the folds these logits cover the whole cohort, and no training
# film among them. From here on nothing else is used to choose or to measure.

# %% tags=["nbval-check-output"]
logits = np.zeros(len(table))
for held_out, head in enumerate(heads):
    test = fold == held_out
    logits[test] = head.predict(features[test], verbose=0)[:, 0]
pooled = stats.metrics.diagnosis_scores(
    labels, 1 / (1 + np.exp(-logits)), groups=table["patient_id"]
)
print("films judged:", pooled["num_cases"])
print("AUROC >= 0.70:", pooled["auroc"]["value"] >= 0.70)

# %% [markdown]
# ## Calibrate
#
# When a model says 0.9, is it right in nine of ten? Networks are mostly too sure of
# themselves, and a short training leaves them leaning to one side. So one intercept is
# taken off all logits, and one temperature T divides them; their order stays. Both are
# fitted on the out-of-fold logits; to *measure* the result, each fold gets those of the
# other four.
#
# The **expected calibration error** sorts the films into 15 groups of equal size and
# averages the gap between what was promised and what came true. With few films a group it
# is above zero by luck alone. The **Brier score** is the mean squared error of the
# probability. On 120 films, eight a group, both may even rise: then the scaling has nothing
# to mend, and two numbers fitted on so few films cost more than they bring.

# %%
found = classification.ensemble.evaluate(table, logits[:, None], quality)
print(f"intercept {found['intercept']:+.2f}, temperature {found['temperature']:.2f}")
for name in ("raw", "calibrated"):
    ece, brier = found[name]["ece"]["value"], found[name]["brier"]["value"]
    print(f"{name:10} ECE {ece:.3f}  Brier {brier:.3f}")

# %%
calibrated = np.array(found["probabilities"])
curves = {"raw": 1 / (1 + np.exp(-logits)), "calibrated": calibrated}
plotting.plots.show(
    plotting.plots.plot_reliability({n: (labels, p) for n, p in curves.items()}, 5),
    alt="Reliability of the raw and of the calibrated probabilities: proportion with RDS over "
    "mean probability, with intervals and the number of films in each bin.",
)

# %% [markdown]
# ## Choose an operating point inside the training folds
#
# A ward that must not miss RDS wants sensitivity and pays with false alarms. The threshold
# for 95 % sensitivity is chosen on four folds and used on the fifth. It will not give
# exactly 95 % there: that is the honest price of not peeking.

# %% tags=["nbval-check-output"]
for name in ("accuracy", "sensitivity"):
    point = found["scores"][name]
    (tn, fp), (fn, tp) = point["confusion"]
    print(f"{name}: {tn + fp + fn + tp} films, recall at least 0.80:", end=" ")
    print(name == "accuracy" or point["recall"]["value"] >= 0.80)

# %% [markdown]
# ## Abstain
#
# Some films should go to a person. The risk-coverage curve sorts the films by how sure
# the ensemble is and shows how many errors remain if only the surest are answered. On a
# new film all five models vote. The ensemble abstains if fewer than four of five
# share its view, or if the mask quality control of notebook 03 distrusts the lung mask.

# %%
right = (calibrated >= 0.5) == (labels == 1)
plotting.plots.show(
    plotting.plots.plot_risk_coverage({"ensemble": (right, abs(calibrated - 0.5))}),
    alt="Proportion of wrong answers over the proportion of films answered, the surest first.",
)

# %% tags=["nbval-check-output"]
joined = classification.ensemble.fit(labels, logits[:, None])
same = np.full(5, 2.0)
print("five of one mind:", joined.explain_abstention(same))
print("two dissent:", joined.explain_abstention(np.array([2.0, 2, 2, -9, -9])))
print("a bad mask:", joined.explain_abstention(same, quality=0.3))

# %% [markdown]
# ## One map from many models
#
# Average the five heat maps? Each was scaled to its own maximum, so a model without an
# opinion would count as much as a sure one. Instead, remember what the ensemble
# computes: the **mean logit**. Its gradient is the mean of the gradients, so the Grad-CAM
# *of the ensemble itself* is the mean of the members' signed maps in logit units. It is
# rectified once, after averaging, and scaled to 0 to 1 last of all.

# %% tags=["nbval-check-output"]
index = int(np.argmax(np.where(labels == 1, calibrated, 0)))
square = windows[index] / np.float32(255)
seen = explanation.grad_cam.explain(models, square)
signed = [
    explanation.grad_cam.class_activation(model, square[None])[0] for model in models
]
by_hand = np.maximum(np.mean(signed, axis=0), 0)
corners = np.ix_([0, -1], [0, -1])
print("map", seen.mean.shape, "from", len(seen.logits), "models")
print(
    "corners as by hand:", np.allclose(seen.mean[corners], by_hand[corners], atol=1e-5)
)

# %% [markdown]
# Two more maps tell how far to believe it. **Spread** is the standard deviation of the
# members' maps: high where they differ in how much. **Agreement** is the proportion of
# members on the same side as the fused map: low where they differ in the sign. And
# `counter` is the evidence *against* RDS, the map of the other class.

# %%
scale = max(seen.mean.max(), seen.counter.max(), 1e-6)
pictures = [square[..., 0], seen.mean / scale, seen.counter / scale]
pictures += [seen.spread / max(seen.spread.max(), 1e-6), seen.agreement]
titles = ["film", "for RDS (mean)", "against RDS", "spread", "agreement"]
plotting.plots.show(
    plotting.plots.plot_sheet(pictures, titles=titles, columns=5),
    alt="An RDS film; the fused map for RDS; the fused map against it; the spread and the "
    "agreement of five models.",
)

# %% [markdown]
# The order matters where members differ in the sign: rectified before averaging, a place
# that one model counts for RDS and four count against would still glow. On how many cells
# of this film's map do the two orders differ? None, where all five agree.

# %%
rectified_first = np.mean(np.maximum(signed, 0), axis=0)
differs = ~np.isclose(rectified_first, by_hand, atol=1e-6)
print(f"{differs.sum()} of {differs.size} cells differ")

# %% [markdown]
# ## Exercise
#
# Which member moves the fused map most? Leave each model out in turn, draw the map of the
# remaining four, and print the largest change in logit units.

# %% tags=["solution"]
changes = []
for left_out in range(5):
    four = [m for place, m in enumerate(models) if place != left_out]
    changes.append(
        np.abs(explanation.grad_cam.explain(four, square).mean - seen.mean).max()
    )
print("member", int(np.argmax(changes)), "moves it most")

# %% [markdown]
# ## Questions
#
# 1. Why is the temperature fitted on out-of-fold logits and not on training logits?
# <details><summary>Answer</summary>
#
# On films it was trained on, a network is nearly always right and very sure, so T would
# come out near or below 1 and cool nothing. What has to be calibrated is its behaviour on
# new films.
#
# </details>
#
# 2. Does the scaling change the AUROC? The accuracy at 0.5?
# <details><summary>Answer</summary>
#
# Not the AUROC, if one pair is used for all: the order stays. The temperature alone would
# leave the accuracy too, as no logit changes its sign; the intercept moves the point where
# 0.5 lies. Fitted fold by fold, the order between folds can change a little.
#
# </details>
#
# 3. All five models agree on a film. Is the answer right?
# <details><summary>Answer</summary>
#
# Not necessarily. They were trained on four fifths of the same films and here share a
# body: they have its blind spots too. Agreement protects against the accidents of one
# training, not against a shortcut in the cohort. For that, notebook 06 audits.
#
# </details>

# %% [markdown]
# ## Pitfalls
#
# - **Averaging probabilities of scaled maps.** Only logits of one meaning have a common
#   unit. Maps of other methods are scaled first, and their mean is an image, not a sum.
# - **Calibrating on the test fold.** The error then measures the fit, not the future.
# - **A threshold from the whole cohort** reported with the accuracy on that cohort.
# - **Few films, fine bins.** The error of a perfect model is not zero on 100 films.
#
# ## Next
#
# Notebook 08 asks whether all this helps a reader: it designs and analyses a study with
# and without the model.
#
# ## References
#
# - Guo C et al. On calibration of modern neural networks. ICML 2017, arXiv:1706.04599.
# - Nixon J et al. Measuring calibration in deep learning. CVPR workshops 2019.
# - Geifman Y, El-Yaniv R. Selective classification for deep neural networks. 2017,
#   arXiv:1705.08500.
# - Selvaraju R et al. Grad-CAM. ICCV 2017, arXiv:1610.02391.
