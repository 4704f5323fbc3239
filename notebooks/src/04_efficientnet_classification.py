# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     notebook_metadata_filter: -jupytext.text_representation.jupytext_version
#     text_representation: {extension: .py, format_name: percent, format_version: '1.3'}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---
# %% [markdown]
# # 04 · Train EfficientNet to tell RDS from no RDS
#
# **Aim.** Train one network on the whole film and another on the lungs that the U-Net
# found, and compare them fairly, on infants whom neither has seen.
#
# **한국어 요약.** 흉부 X선 전체를 보는 EfficientNet과, 분할된 폐 영역만 잘라서 보는
# EfficientNet을 각각 학습하여 신생아 호흡곤란증후군(RDS)을 진단합니다. 학습에 쓰지 않은
# 환아에서 정확도와 AUROC를 신뢰구간과 함께 구하고, 두 모델이 엇갈린 영상을 짝지어
# 비교합니다.
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/rds-tf/rds_tf/blob/main/notebooks/04_efficientnet_classification.ipynb)
#
# | | |
# |---|---|
# | Reads | the prepared cohort of notebook 01 (made here if it is missing), the shipped models |
# | Writes | `models/classifier_*_fold_0/` and `diagnosis.json` in the run's folder |
# | Time | quick: about 4 minutes on 2 CPU cores; full: hours, on a GPU |
#
# *Research and teaching only. Not for clinical use.* The phantoms of the quick run prove
# that the code works; they prove nothing about medicine.
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
import json

import numpy as np
from scipy.stats import binomtest, norm

from rds_tf import classification, config, data, plotting, stats, training

run = config.load_run(PROFILE, COHORT)
profile = run.profile

# %% [markdown]
# ## What the study found
#
# The study behind this project compared three sizes of EfficientNet, B0, B3 and B5, on
# two kinds of input. *Whole* is the film as it is. *Combined* is segmentation followed
# by diagnosis: the lungs are found first, and only they are shown to the classifier.
#
# | accuracy | B0 | B3 | B5 |
# |---|---|---|---|
# | whole | 0.843 | 0.836 | 0.843 |
# | combined | 0.773 | 0.797 | **0.852** |
#
# The best figure belongs to the combined B5, and it is tempting to conclude that
# segmentation helps. Before we train anything, let us turn the proportions back into films.
# At 128 test films, one film is worth 0.8 percentage points, and the difference between
# 0.843 and 0.852 is *one film*.
#
# How far would a figure move if another 128 infants had been drawn? Wilson's interval
# for a proportion answers that, and a textbook formula tells how many films would be needed
# to see a difference as small as this one (two independent groups, 5 % error, 80 %
# power).

# %% tags=["nbval-check-output"]
accuracy = {"whole": [0.843, 0.836, 0.843], "combined": [0.773, 0.797, 0.852]}
for name, values in accuracy.items():
    print(f"{name:<9}", [round(128 * value) for value in values], "of 128 right")

# %% tags=["nbval-check-output"]
interval = binomtest(109, 128).proportion_ci(method="wilson")
print(f"109 of 128, 95 % interval: {interval.low:.2f} to {interval.high:.2f}")

first, second = 0.843, 0.852
z = norm.ppf(0.975) + norm.ppf(0.80)
variance = first * (1 - first) + second * (1 - second)
print(f"needed: {round(z**2 * variance / (first - second) ** 2, -3):,.0f} films an arm")

# %% [markdown]
# So the six accuracies do not rank the six networks. Two habits follow, and this
# notebook keeps both: **every score carries an interval**, and two networks are compared
# **film by film**, on the same films, because pairs say far more than two proportions.
#
# ## Hold one fold out
#
# Notebook 01 dealt the infants into five folds, whole patients only. Fold 0 is set
# aside now and looked at once, at the end: no setting below was chosen on it.

# %% tags=["nbval-check-output"]
config.set_seed(0)
table = data.prepare.prepare_run(run)
is_train = (table["fold"] != 0).to_numpy()
train, test = table[is_train], table[~is_train]
for name, part in (("train", train), ("test", test)):
    num_infants, num_rds = part["patient_id"].nunique(), part["rds"].sum()
    print(f"{name:<6}{len(part)} films of {num_infants} infants, {num_rds} with RDS")
print("infants on both sides:", len({*train["patient_id"]} & {*test["patient_id"]}))

# %% [markdown]
# ## Two ways to show a film to a network
#
# For *combined* we need lungs, and they must come from a segmenter that has **not seen
# the case**. A segmenter draws better masks on its own training films than on new ones;
# a classifier trained on such flattering masks would meet worse ones in the test.
# `predict_masks` refuses to segment a case that the segmenter was trained on. The
# shipped segmenter learned from phantoms drawn for it alone: all films here are new to it.
#
# A *crop* is the part of the film that the network sees. For *whole* it is the film itself.
# For *combined* the infant is turned upright, by the angle of the lungs, and the film cut
# to the lungs with a margin of a tenth. Both are then letterboxed into a square: scaled
# with their proportions as they are, the rest black. Below are the infants whose lungs are
# widest and narrowest on the film: the first lies straight, the second nearly across.

# %% tags=["nbval-check-output"]
masks = classification.classifier.predict_masks(run.prepared, table)
print(len(masks), "masks,", sum(mask.any() for mask in masks), "of them with lungs")

# %%
inputs = ("whole", "combined")
ratios = [mask.any(0).sum() / max(mask.any(1).sum(), 1) for mask in masks]
chosen = [int(np.argmax(ratios)), int(np.argmin(ratios))]
squares, titles = [], []
for name in inputs:
    lungs = [masks[index] for index in chosen]
    crops = classification.classifier.load_crops(
        run.prepared, table.iloc[chosen], name, 224, lungs
    )  # (2, 224, 224, 1) uint8
    squares += [crop[..., 0] / 255 for crop in crops]
    titles += [f"{case_id}, {name}" for case_id in table["case_id"].iloc[chosen]]
plotting.plots.show(
    plotting.plots.plot_sheet(squares, titles=titles),
    alt="A straight and a turned infant, as the whole film in a black square and as the "
    "upright crop of the lungs, which fills the square.",
)

# %% [markdown]
# The crop magnifies the lungs and throws away arms, skull, abdomen, letters, and the
# shape of the film. It does *not* throw away what lies between the lungs: the trachea,
# and a tube in it, stay in the picture. Remember this for notebook 05.
#
# Every arm of the comparison is one backbone with one kind of input. All films pass
# through their crop once, into memory, at the size that the backbone wants. From there
# `classification_dataset` streams training batches without end. It draws both classes
# equally often, so that a cohort with few RDS cases does not teach the network to say
# "no" to everyone, and it varies every film anew: turned by at most 12 degrees, shifted,
# scaled, mirrored, exposed differently, blurred, noisy, partly covered.

# %% tags=["nbval-check-output"]
arms = [(backbone, name) for backbone in profile.backbones for name in inputs]
windows = {}
for backbone, name in arms:
    size = profile.classifier_px[backbone]
    crops = classification.classifier.load_crops(run.prepared, table, name, size, masks)
    windows[backbone, name] = crops
    print(f"{backbone} {name}: {crops.shape} {crops.dtype}")

# %% tags=["nbval-check-output"]
labels = table["rds"].to_numpy()
batches = {
    arm: data.pipeline.classification_dataset(
        windows[arm][is_train], labels[is_train], profile.batch_size, training=True
    )
    for arm in arms
}
images, targets = next(iter(batches[arms[0]]))
print("images", images.shape, images.dtype.name, "labels", targets.shape)

# %% [markdown]
# ## Build
#
# EfficientNet (Tan and Le, 2019) grows depth, width and image size together: B0 is the
# smallest of the family, B5 has seven times its weights. Ours takes one grey channel,
# and ends in global average pooling, one linear unit named `logit`, and its sigmoid,
# `probability`. Keeping the two apart costs nothing and pays in the next notebook.

# %% tags=["nbval-check-output"]
model = classification.efficientnet.build_classifier(
    "B0", image_size=profile.classifier_px["B0"]
)
print(model.input_shape, "->", model.output_shape)
print([layer.name for layer in model.layers[-5:]])
print(f"{model.count_params():,} parameters")

# %% [markdown]
# Four million parameters and not quite a hundred films: started from random weights,
# such a network learns next to nothing in a hundred steps. `load_start` takes the best
# start that is to be had: ImageNet weights where the machine can fetch them, else the
# shipped classifier, which was trained on other phantoms, else none. It says which,
# because **a result is only worth as much as the description of its start**. The shipped
# one, for instance, has only ever seen crops of lungs: a head start for *combined*.

# %%
models, starts = {}, {}
for backbone, name in arms:
    config.set_seed(0)
    size = profile.classifier_px[backbone]
    architecture = {"backbone": backbone, "image_size": size}
    models[backbone, name] = classification.efficientnet.build_classifier(
        **architecture
    )
    starts[backbone, name] = classification.classifier_training.load_start(
        models[backbone, name], architecture
    )
print(starts)

# %% [markdown]
# ## Compile
#
# The loss is binary cross-entropy with a little label smoothing, which keeps the logits
# from running away on a small cohort. The optimizer is AdamW with a short warm-up and
# a cosine decay: the first steps are small, because the errors of a layer that has yet
# to learn its task would damage the features below it.

# %%
import keras

steps = profile.classifier_steps
rate = classification.classifier_training.LEARNING_RATE
for model in models.values():
    model.compile(
        optimizer=training.build_optimizer(steps, rate),
        loss=keras.losses.BinaryCrossentropy(label_smoothing=0.02),
        metrics=[keras.metrics.BinaryAccuracy("accuracy")],
    )

# %% [markdown]
# ## Fit
#
# An epoch here is a tenth of all steps, a point at which to report, and not all
# films once. The quick profile takes 60 steps of 16 images, a minute or two for
# each network, which is enough to see that everything works. A result worth reporting
# needs the full profile: 3,000 steps at 224 pixels and more.
#
# First the whole films, then the lungs alone. Nothing but the crop differs: same start,
# same number of steps, same seed. Otherwise the comparison would compare something else.

# %%
options = {
    "epochs": config.NUM_EPOCHS,
    "steps_per_epoch": steps // config.NUM_EPOCHS,
    "shuffle": False,  # the dataset shuffles
    "verbose": 0,
}
history = {}
for backbone in profile.backbones:
    arm = backbone, "whole"
    history[arm] = models[arm].fit(batches[arm], **options).history

# %%
for backbone in profile.backbones:
    arm = backbone, "combined"
    history[arm] = models[arm].fit(batches[arm], **options).history

# %%
losses = {" ".join(arm): history[arm]["loss"] for arm in arms}
plotting.plots.show(
    plotting.plots.plot_history(losses),
    alt="Training loss by epoch, one panel for each network.",
)

# %% [markdown]
# A network that answers 0.5 to every film has a loss of ln 2 = 0.69. Ours must end
# below it. That the *training* loss falls proves little more than that gradients flow,
# though: four million parameters could learn these films by heart.

# %% tags=["nbval-check-output"]
for name, values in losses.items():
    print(name, "training loss below a coin's:", values[-1] < np.log(2))

# %% [markdown]
# ## Set batch normalisation right
#
# Each of B0's 49 batch normalisations keeps a running mean of what it has seen. After
# sixty steps that still remembers the weights we started from, and films that were
# varied. A network judged with such a memory orders the films well and yet calls nearly
# all of them healthy, or ill. `refresh_batch_norm` takes plain means over the training
# films instead. On real films this raised the accuracy from 0.81 to 0.88, while the AUROC
# hardly moved (docs/diagnosis.md): look at both.
#
# ## Save
#
# A saved model is its weights and a manifest: architecture, preprocessing, start, steps,
# the SHA-256 of the weights, and the fingerprints of all films it was trained on. From
# these `evaluate` later knows which cases the model must not be judged on. We judge what
# was saved: it is loaded again, which checks the hash.

# %% tags=["nbval-check-output"]
trained = []
for backbone, name in arms:
    own = windows[backbone, name][is_train]
    training.refresh_batch_norm(models[backbone, name], own)
    folder = run.models / f"classifier_{backbone}_{name}_fold_0"
    architecture = {"backbone": backbone, "image_size": own.shape[1]}
    record = {
        "data": f"{len(train)} films of a cohort in five folds",
        "held_out_fold": 0,
        "start": starts[backbone, name],
        "steps": steps,
        "seen": [pixels[:16] for pixels in train["pixel_sha256"]],
    }
    classification.classifier_training.save(
        models[backbone, name], folder, architecture, name, record
    )
    trained += classification.classifier.load_classifiers(folder)
    print(folder.name)

# %% [markdown]
# ## Judge, beside baselines that know no medicine
#
# A classifier has to beat the simplest thing that could work. Two baselines look at
# one number each, through logistic regression trained on the other folds: the film's
# **height-to-width ratio** and its **mean intensity**. Neither sees a lung. When such a
# baseline does well, the cohort has a shortcut: sick infants were filmed in another
# ward, on another device, cropped in another way. On an open set of children's films,
# the ratio alone reaches an AUROC of about 0.89. Phantoms draw their shape by lot.
#
# Look at the width of the intervals before you look at the values.

# %%
result = classification.classifier.evaluate(run.prepared, trained)
text = json.dumps({**result, "data": run.cohort_name})
(run.folder / "diagnosis.json").write_text(text)
names = ("accuracy", "recall", "specificity", "auroc")
print(" " * 26, *(f"{name:<22}" for name in names))
for arm, scores in result["arms"].items():
    cells = ["{value:.3f} ({low:.3f} to {high:.3f})".format(**scores[n]) for n in names]
    print(f"{arm:<26}", *cells)

# %% tags=["nbval-check-output"]
print(result["num_cases"], "films judged, none of them seen in training")
aurocs = {name: arm["auroc"]["value"] for name, arm in result["arms"].items()}
shape = aurocs["baseline: height to width"]
for one in trained:
    print(f"{one.arm}: AUROC above the shape's: {aurocs[one.arm] > shape}")
print("through the lungs: AUROC >= 0.70:", aurocs["B0 combined"] >= 0.70)

# %% [markdown]
# ## Read a confusion matrix
#
# All scores at one threshold come from four counts. **Recall** (sensitivity) is the
# proportion of infants with RDS who are found, **specificity** that of the others who get
# no alarm, **precision** the proportion of alarms that are right. The first two belong
# to the test; precision also depends on how common RDS is in the cohort.

# %%
last = trained[-1].arm
scores = result["arms"][last]
plotting.plots.show(
    plotting.plots.plot_confusion(scores["confusion"]),
    alt=f"Confusion matrix of {last}: truth in rows, decision in columns.",
)

# %% tags=["nbval-check-output"]
(tn, fp), (fn, tp) = scores["confusion"]
print("all films counted:", tn + fp + fn + tp == len(test))
print("accuracy by hand:", (tp + tn) / len(test) == scores["accuracy"]["value"])
print("recall by hand:", tp / (tp + fn) == scores["recall"]["value"])

# %% [markdown]
# ## Read a ROC curve
#
# The curve shows sensitivity against false alarms at *every* threshold. The area below
# it, AUROC, has a meaning that needs no threshold: draw one infant with RDS and one
# without; AUROC is the chance that the first gets the higher probability.

# %%
test_masks = [mask for mask, chosen in zip(masks, ~is_train, strict=True) if chosen]
probabilities = classification.classifier.predict_arms(
    run.prepared, test, trained, test_masks
)
ratio = classification.classifier.predict_baseline(
    table, table["height"] / table["width"]
)
curves = {**probabilities, "height to width": ratio[~is_train]}
plotting.plots.show(
    plotting.plots.plot_roc(
        {arm: (test["rds"], values) for arm, values in curves.items()}
    ),
    alt="ROC curves of the networks and of the height-to-width baseline.",
)

# %% tags=["nbval-check-output"]
sick = probabilities[last][test["rds"] == 1]
well = probabilities[last][test["rds"] == 0]
pairs = np.sign(sick[:, None] - well)  # 1 right order, 0 tie, -1 wrong order
by_hand = (1 + pairs.mean()) / 2
print(pairs.size, "pairs of infants with and without RDS")
print("AUROC by hand:", np.isclose(by_hand, scores["auroc"]["value"]))

# %% [markdown]
# ## Compare two networks in pairs
#
# Whole or combined? Films that both networks get right, or both wrong, say nothing about
# the difference. What counts is the films on which they **disagree**. McNemar's exact
# test asks whether the disagreements split like tosses of a fair coin. It is a strict
# judge of small studies: five disagreements cannot convince it, even when all five fall
# on the same side.
#
# Beside it stands a bootstrap that draws patients, each with all films and with both
# networks' answers: an interval of the paired difference. If it holds 0, or `p` is
# above 0.05, these films do not show which input is better. They do not show that the
# two are equal either.

# %% tags=["nbval-check-output"]
for count in (4, 5, 6):
    p_value = binomtest(count, count).pvalue
    print(f"{count} of {count} on one side: p < 0.05: {p_value < 0.05}")

# %%
truth = test["rds"].to_numpy() == 1
whole, combined = ((probabilities[one.arm] >= 0.5) == truth for one in trained[:2])
gain = combined.astype(int) - whole  # 1: only combined is right, -1: only whole
disagreements = np.count_nonzero(gain)
p_value = binomtest(np.sum(gain == 1), max(disagreements, 1)).pvalue
interval = stats.metrics.bootstrap_interval(gain, groups=test["patient_id"])
print(f"{disagreements} disagreements, p = {p_value:.2f}")
print("accuracy gain {value:+.2f} ({low:+.2f} to {high:+.2f})".format(**interval))

# %% [markdown]
# ## Exercise 1: check a published result for consistency
#
# The study states accuracy 0.852, precision 0.84 and recall 0.88 for its best network.
# Three figures fix the remaining two. Derive the prevalence of RDS among the test films and
# the specificity. (Write the proportion of each cell of the confusion matrix in terms of
# the prevalence: TP is recall times prevalence, and so on.) A value outside 0 to 1 would
# mean that the printed figures cannot all be true, which has happened in this field.

# %% tags=["solution", "nbval-check-output"]
accuracy, precision, recall = 0.852, 0.84, 0.88
alarms = recall * (1 / precision - 1)  # false alarms, in units of the prevalence
prevalence = (1 - accuracy) / (1 - recall + alarms)
specificity = 1 - alarms * prevalence / (1 - prevalence)
print(f"prevalence {prevalence:.2f}, specificity {specificity:.2f}")

# %% [markdown]
# ## Exercise 2: an interval for a network without errors
#
# Suppose that all of 24 test films are judged right. Every bootstrap sample is then
# right as well, and the percentile interval reads 1.00 to 1.00: absurd certainty. What
# does Wilson's interval say?

# %% tags=["solution", "nbval-check-output"]
interval = binomtest(24, 24).proportion_ci(method="wilson")
print(f"24 of 24: {interval.low:.2f} to {interval.high:.2f}")

# %% [markdown]
# ## Questions
#
# 1. In the phantom cohort three of four infants with RDS have an endotracheal tube, and
#    one of four without. What AUROC does "has a tube" reach, without any lung?
# <details><summary>Answer</summary>
#
# 0.75. As a test with one threshold its sensitivity and specificity are both 0.75, and
# its AUROC is their mean. A network with an AUROC of 0.75 may have learned the tube and
# nothing else, which is why the next notebook asks where it looks.
#
# </details>
#
# 2. The combined B0 of the study had 99 films right, the whole B0 108. Did segmentation
#    harm B0?
# <details><summary>Answer</summary>
#
# We cannot know. Unpaired, 0.77 and 0.84 have overlapping intervals. Paired, the answer
# depends on the disagreements: 9 films lost and none won is strong evidence, 29 lost and
# 20 won is none. Only the table of pairs, which was not kept, could tell.
#
# </details>
#
# 3. Why may the threshold, the number of steps, or the better of two networks not be
#    chosen on fold 0?
# <details><summary>Answer</summary>
#
# Because the choice fits the luck of those films. The best of several equal networks
# looks better than it is, and its score is no longer that of a network that met new
# infants. Choose on the training folds, by an inner split, and look at fold 0 once.
#
# </details>
#
# ## Pitfalls
#
# - **Masks that have seen the case.** They are better than they will be in use.
# - **Films of one infant on both sides of the split.** The network recognises the child.
# - **A high AUROC without a baseline.** The shape of the film may reach it, too.
# - **Weights copied by name alone.** `keras.applications` gives B0 one more rescaling
#   layer with ImageNet weights than without; loading one into the other succeeds
#   silently and predicts wrongly. `copy_features` leaves that stage out and compares the
#   shape of every other layer.
# - **Thresholds travel badly.** A probability of 0.5 means little in a ward where RDS is
#   rarer, or the device another.
#
# ## Next
#
# [05 Grad-CAM](05_grad_cam.ipynb) asks the trained network where it looked: at the
# lungs, or at the tube?
#
# ## References
#
# - Tan M, Le Q. EfficientNet: rethinking model scaling. ICML 2019, arXiv:1905.11946.
# - Wilson EB. Probable inference, the law of succession, and statistical inference.
#   J Am Stat Assoc 1927.
# - McNemar Q. Note on the sampling error of the difference between correlated
#   proportions. Psychometrika 1947.
# - Hanley JA, McNeil BJ. The meaning and use of the area under a ROC curve.
#   Radiology 1982.
# - Efron B, Tibshirani R. An introduction to the bootstrap. Chapman and Hall 1993.
# - Geirhos R et al. Shortcut learning in deep neural networks. Nat Mach Intell 2020.
