# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     notebook_metadata_filter: -jupytext.text_representation.jupytext_version
#     text_representation: {extension: .py, format_name: percent, format_version: '1.3'}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---
# %% [markdown]
# # 05 · See where the classifier looks: Grad-CAM
#
# **Aim.** Compute Grad-CAM by hand on four pixels, then on the trained EfficientNet, check
# it against another implementation, lay it onto the film, and measure where it is hot.
#
# **한국어 요약.** Grad-CAM을 네 개의 화소로 직접 계산해 본 뒤 학습된 EfficientNet에
# 적용하여, 모델이 흉부 X선의 어느 부위를 근거로 RDS를 진단하는지 히트맵으로 원본 영상
# 위에 표시합니다. 튜브(기관내관)의 위치를 정확히 아는 팬텀에서 히트맵이 폐, 튜브, 그 밖의
# 영역에 얼마나 놓이는지 측정하고, 어디까지 믿을 수 있는지 점검합니다.
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/rds-tf/rds_tf/blob/main/notebooks/05_grad_cam.ipynb)
#
# | | |
# |---|---|
# | Reads | the cohort and the models of notebooks 01, 02 and 04 where they are there, else a phantom cohort and the shipped models |
# | Writes | nothing but the figures below |
# | Time | quick: about 2 minutes on 2 CPU cores; full: some minutes |
#
# *Research and teaching only. Not for clinical use.* What a map shows on a phantom
# proves that the code works; it proves nothing about medicine.
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
import numpy as np

import rds_phantoms
import rds_tf
from rds_tf import classification, explanation, lungs, plotting

run = rds_tf.config.load_run(PROFILE, COHORT)
rds_tf.config.set_seed(0)

# %% [markdown]
# ## Why look at all?
#
# The study's best classifier was right on 85 % of its films. Then its authors drew
# Grad-CAM maps of the RDS cases and saw the heat near the **endotracheal tube**. Sick
# infants are intubated, so a tube is a good sign of RDS and a useless one: a physician
# who put it there does not need a network to see it. A classifier that reads the tube
# will fail on exactly the infants for whom it would matter, those not yet intubated.
#
# A map is how such a *shortcut* is suspected. Whether it is how a shortcut is proved is
# the thread of this notebook.

# %% [markdown]
# ## A model and two films
#
# Notebook 04 left its classifiers in the run's folder. Where it did not run, the shipped
# one takes their place: the same network, trained on other phantoms.

# %% tags=["nbval-check-output"]
folders = sorted(run.models.glob("classifier_*")) or [rds_tf.config.SAVED_MODELS]
(tool,) = classification.classifier.load_classifiers(folders[0])
model, size = tool.model, tool.model.input_shape[1]
print(tool.arm, "at", size, "px")
print([layer.name for layer in model.layers[-6:]])

# %% [markdown]
# From fold 0, which neither of them was trained on, we take the first infant without
# RDS and the first with it. The lungs come from a segmenter that knows neither film.
# Each film is turned upright and cropped to the lungs; a `Crop` remembers how.

# %% tags=["nbval-check-output"]
table = rds_tf.data.prepare.prepare_run(run)
cases = table[table["fold"] == 0].groupby("rds").head(1).sort_values("rds")
films = [
    classification.classifier.read_case(run.prepared, row) for row in cases.itertuples()
]
masks = classification.classifier.predict_masks(run.prepared, cases)
crops = [
    lungs.cropping.choose_crop(film, mask, tool.manifest["input"])
    for film, mask in zip(films, masks, strict=True)
]
inputs = np.stack([c.cut(film, size) for c, film in zip(crops, films, strict=True)])
inputs = inputs[..., None]
print("inputs", inputs.shape, "RDS", cases["rds"].tolist())

# %% [markdown]
# ## Grad-CAM on four pixels
#
# The last convolution of a network leaves a stack of small maps, its *features*. Each
# answers to something: one to haze, another to edges. Grad-CAM (Selvaraju et al., 2017)
# asks of each feature map $A_k$ how much the class score $z$ rises with it, and adds the
# maps up with these weights:
#
# $$\alpha_k = \frac{1}{N}\sum_{ij}\frac{\partial z}{\partial A_{k,ij}}, \qquad
# L = \mathrm{ReLU}\Big(\sum_k \alpha_k A_k\Big)$$
#
# Two feature maps of four pixels are enough to see all of it. Let the score rise by 2
# with the first and fall by 1 with the second.

# %% tags=["nbval-check-output"]
features = np.array([[[1, 0], [0, 2]], [[0, 1], [3, 0]]], "float32")  # (k, i, j)
alpha = np.array([2, -1], "float32")
raw = np.tensordot(alpha, features, axes=1)
heatmap = np.maximum(raw, 0) / raw.max()
print("sum ", raw.tolist())
print("heat", heatmap.tolist())

# %% [markdown]
# The ReLU drops what speaks *against* the class. The division makes the hottest pixel 1,
# in every image, however weak its evidence; keep this in mind.
#
# Now the same as a Keras model: an identity convolution makes the features, global
# average pooling and a linear unit make the score. Pooling divides by the four pixels, so
# the unit's weights 8 and -4 are slopes of 2 and -1 a pixel.

# %% tags=["nbval-check-output"]
import keras

image = keras.Input((2, 2, 2))
x = keras.layers.Conv2D(2, 1, use_bias=False, name="conv")(image)
x = keras.layers.GlobalAveragePooling2D()(x)
tiny = keras.Model(image, keras.layers.Dense(1, use_bias=False, name="logit")(x))
tiny.get_layer("conv").set_weights([np.eye(2)[None, None]])
tiny.get_layer("logit").set_weights([np.array([[8], [-4]])])
received = explanation.grad_cam.grad_cam(tiny, features.transpose(1, 2, 0)[None])
print("the library agrees:", np.allclose(received[0], heatmap, atol=1e-6))

# %% [markdown]
# ## Grad-CAM on EfficientNet
#
# Grad-CAM needs two things of one forward pass, the features of the last convolution
# and the score. A model with two outputs hands out both, and a gradient tape
# differentiates one by the other. The score is the **logit**, not the probability: where
# the sigmoid is saturated, its slope is all but 0, and so would be the map of just those
# cases of which the network is most certain.

# %% tags=["nbval-check-output"]
import tensorflow as tf

outputs = [model.get_layer(name).output for name in ("top_conv", "logit")]
two_outputs = keras.Model(model.inputs, outputs)
with tf.GradientTape() as tape:
    features, logits = two_outputs([inputs])
gradient = tape.gradient(logits, features)
print("features", features.shape, "gradient", gradient.shape)

# %% tags=["nbval-check-output"]
alpha = tf.reduce_mean(gradient, axis=(1, 2))  # (B, k): one weight a feature map
raw = tf.einsum("bk,bijk->bij", alpha, features)
received = explanation.grad_cam.class_activation(model, inputs)
scale = np.abs(raw).max()
print("maps", raw.shape)
print("difference <= 1e-3:", bool(np.abs(received - raw).max() <= 1e-3 * scale))

# %% [markdown]
# Note the shape. A film of 128 pixels ends as a map of **4 by 4 cells**: Grad-CAM names
# a region, never a structure. The smooth clouds in published figures are these few
# cells, enlarged.
#
# `explanation.grad_cam.grad_cam` does all this in one traced pass: forward, gradient,
# weights, sum, enlargement and scaling are compiled into one graph, so that a map costs
# hardly more than the prediction itself. How do we know that it is right? By asking another
# implementation, `tf-keras-vis`, about the same films.

# %% tags=["nbval-check-output"]
from tf_keras_vis import gradcam

heatmaps = explanation.grad_cam.grad_cam(model, inputs)
to_logit = keras.Model(model.inputs, model.get_layer("logit").output)
peer = gradcam.Gradcam(to_logit)(lambda logits: logits[:, 0], inputs)
print("heat maps", heatmaps.shape, heatmaps.dtype)
print("max difference <= 1e-3:", bool(np.abs(heatmaps - peer).max() <= 1e-3))

# %% [markdown]
# ## The map is the logit, spread over the film
#
# After the last activation only an average and a linear unit follow. There the sum needs
# no rectifying to be meaningful: **all cells of the raw map add up to the logit**, less
# its bias. Heat has a unit, and maps of several models can be averaged in it.

# %% tags=["nbval-check-output"]
raw = explanation.grad_cam.class_activation(model, inputs, "top_activation")
bias = model.get_layer("logit").bias.numpy()
total = raw.sum(axis=(1, 2)) + bias
print("sum of the map is the logit:", np.allclose(total, logits[:, 0], atol=1e-3))

# %% [markdown]
# This shows what is wrong with the scaled map. Scaling to [0, 1] takes each film's own
# maximum, and a film *without* RDS gets a glowing spot as well: the place that speaks
# least against it. On the left the scaled maps, on the right the raw ones, both films in
# one unit: red speaks for RDS, blue against.

# %%
from matplotlib import figure

sheet = figure.Figure(figsize=(8, 2.3), layout="constrained")
panels = sheet.subplots(1, 4)
limit = np.abs(raw).max()
for row, name in enumerate(("no RDS", "RDS")):
    panels[row].imshow(plotting.overlay.blend_heat(inputs[row, ..., 0], heatmaps[row]))
    panels[row].set_title(f"{name}, scaled", fontsize=9)
    drawn = panels[row + 2].imshow(raw[row], cmap="RdBu_r", vmin=-limit, vmax=limit)
    panels[row + 2].set_title(f"{name}, logit units", fontsize=9)
for panel in panels:
    panel.set_axis_off()
sheet.colorbar(drawn, ax=panels)
plotting.plots.show(
    sheet,
    alt="Scaled maps of both films glow alike; the raw maps of 4 by 4 cells differ: "
    "mostly blue without RDS, mostly red with it.",
)

# %% [markdown]
# Therefore a map of a negative case should be hidden, or be shown in logit units only.
#
# ## Other methods
#
# Grad-CAM is one of a family. Grad-CAM++ weights each cell by higher derivatives;
# Layer-CAM multiplies cell by cell before it sums; Score-CAM needs no gradient at all
# but masks the film with each feature map and watches the score (here with the ten most
# varied features); SmoothGrad is a gradient by *pixels*, averaged over noisy copies.

# %% tags=["nbval-check-output"]
film = inputs[1:]  # the case with RDS
maps = {"grad_cam": heatmaps[1]}
for method in explanation.tf_keras_vis_cams.METHODS:
    options = {"max_N": 10} if method == "score_cam" else {}
    draw = explanation.tf_keras_vis_cams.draw
    maps[method] = draw(method, model, film, **options)[0]
print(*maps, sep="\n")

# %%
sheet = figure.Figure(figsize=(10, 2.3), layout="constrained")
for panel, (name, heat) in zip(sheet.subplots(1, len(maps)), maps.items(), strict=True):
    panel.imshow(plotting.overlay.blend_heat(film[0, ..., 0], heat))
    panel.set_title(name, fontsize=9)
    panel.set_axis_off()
plotting.plots.show(
    sheet,
    alt="The crop of the RDS case under five methods: four clouds and one scatter of "
    "fine points.",
)

# %% [markdown]
# They need not agree, and there is no true map to compare them with. Agreement between
# methods is a hint that the heat map does not depend on a detail of the formula. It is not
# evidence that the network reasons as a physician does.

# %% [markdown]
# ## Back to the film
#
# The network saw a crop, turned upright. The reader looks at the film. `put_back` undoes
# the crop: it shrinks the square into its box, turns it by the infant's angle, and leaves 0
# where the network could not look.

# %% tags=["nbval-check-output"]
heat = crops[1].put_back(heatmaps[1])
seen = crops[1].put_back(np.ones((size, size), "float32"))
print("size of the film:", heat.shape == films[1].shape)
print("no heat where nothing was seen:", heat[seen == 0].sum() == 0)

# %% [markdown]
# ## Diagnose one file
#
# `diagnose` does all of it for one DICOM or PNG: read, segment, crop, predict, explain,
# put back, and say what looks implausible. We hand it the original file of the RDS case,
# not the prepared PNG.

# %% tags=["nbval-check-output"]
shipped = lungs.segmenter.load_segmenter()
both = rds_tf.diagnosis.diagnose.Models([shipped], [tool])
cohort, root = rds_tf.data.prepare.find_cohort(run)
files, _ = rds_tf.data.cohort.load_cohort(cohort, root)
source = files.set_index("case_id").loc[cases["case_id"].iloc[1], "source"]
found = rds_tf.diagnose(source, both)
record = rds_tf.diagnosis.diagnose.describe(found, source, both)
print(*record, sep=", ")
print(record["notice"])

# %%
title = found.statement
plotting.plots.show(
    plotting.plots.plot_overlay(found.image, found.mask, found.heatmap, title),
    alt="The film with both lungs outlined in cyan and the heat map laid over it.",
)
print(*found.warnings, sep="\n")

# %% [markdown]
# ## Where does the heat lie?
#
# One heat map is an anecdote. Phantoms know where their tube is, so we can count. We draw
# two dozen intubated phantoms with marked RDS, explain them through their true lungs,
# and divide the heat between the **tube**, the **lungs** and the **rest**.

# %%
made = [
    rds_phantoms.make_phantom(seed, (384, 384), 0.8, device_names=("ett",))
    for seed in range(24)
]
views = [
    lungs.cropping.choose_crop(one.image, one.mask, tool.manifest["input"])
    for one in made
]
squares = [view.cut(one.image, size) for view, one in zip(views, made, strict=True)]
squares = np.stack(squares)[..., None]


# %%
def divide_heat(heatmaps):
    """Proportions of all phantoms' heat on tube, lungs and rest, `(3,)`, summing to 1."""
    parts = np.zeros(3)
    for view, one, heatmap in zip(views, made, heatmaps, strict=True):
        heat = view.put_back(heatmap)
        tube = one.device_masks["ett"] > 0
        lung = (one.mask > 0) & ~tube
        rest = ~tube & ~lung
        parts += [heat[region].sum() for region in (tube, lung, rest)]
    return parts / parts.sum()


# %% [markdown]
# A proportion alone means nothing: a map that is hot everywhere alike puts much of its
# heat on the lungs, because the crop is mostly lung. So we measure such a **uniform
# map** beside ours. It is the chance level, and what counts is the ratio.

# %% tags=["nbval-check-output"]
ours = divide_heat(explanation.grad_cam.grad_cam(model, squares))
uniform = divide_heat(np.ones(squares.shape[:3], "float32"))
print(len(made), "phantoms,", squares.shape[1:], "each")
print(
    "proportions sum to 1:", np.isclose(ours.sum(), 1) and np.isclose(uniform.sum(), 1)
)
print("tube covers less than a twentieth of the view:", uniform[0] < 0.05)
print("most of the heat lies off the tube:", ours[0] < 0.5)

# %%
for name, one, chance in zip(("tube", "lungs", "rest"), ours, uniform, strict=True):
    print(
        f"{name:<6} heat {one:4.0%}   uniform map {chance:4.0%}   x {one / chance:.1f}"
    )

# %%
index = int(np.argmax([one.device_masks["ett"].sum() for one in made]))
heat = views[index].put_back(explanation.grad_cam.grad_cam(model, squares[[index]])[0])
plotting.plots.show(
    plotting.plots.plot_overlay(
        made[index].image, made[index].device_masks["ett"], heat
    ),
    alt="A phantom with its endotracheal tube outlined in cyan and the heat map.",
)

# %% [markdown]
# Be careful with the reading. The tube is a few pixels wide, a cell of the map spans a
# quarter of the view: heat *on* the tube may belong to the trachea, to the air
# bronchogram beside it, or to the spine behind it. The shipped classifier cannot use
# the tube, because in its training cohort tubes had no link to RDS; one
# that was trained in notebook 04 can, because there a tube follows RDS. A map shows
# *where*, not *what*, and not *whether it matters*. For that, one must change the film
# and ask again: take the tube out, put one in. Notebook 06 does.

# %% [markdown]
# ## Exercise 1: explain the other class
#
# The network has one logit. "No RDS" is explained by its negative. Show that the raw map
# of class 0 is the raw map of class 1 with its sign turned. So what one rectified map
# keeps, the other cuts: no cell is hot in both.

# %% tags=["solution", "nbval-check-output"]
against = explanation.grad_cam.class_activation(
    model, inputs, "top_activation", class_index=0
)
print("the same map, sign turned:", np.allclose(against, -raw, atol=1e-5))

# %% [markdown]
# ## Exercise 2: does erasing the heat matter?
#
# If a map is *faithful*, greying the film where it is hot should lower the logit more
# than greying as much of it where it is cold. Test this on the phantoms: set the hottest
# fifth of each crop to its mean, then the coldest fifth, and compare the mean logits.

# %% tags=["solution"]
heat = explanation.grad_cam.grad_cam(model, squares)[..., None]
grey = squares.mean(axis=(1, 2, 3), keepdims=True)
low, high = np.quantile(heat, (0.2, 0.8), axis=(1, 2, 3), keepdims=True)
hot_erased = classification.classifier.predict_logits(
    model, np.where(heat >= high, grey, squares)
)
cold_erased = classification.classifier.predict_logits(
    model, np.where(heat <= low, grey, squares)
)
for name, logits in {"hot": hot_erased, "cold": cold_erased}.items():
    print(f"{name} fifth greyed: mean logit {logits.mean():+.2f}")

# %% [markdown]
# *The two fifths differ by a fraction of a logit at most. Before you blame the map, ask
# what grey is: a film replaced by its own mean is still called RDS, because haze looks
# like ground glass. Erasing has to erase **towards something without the disease**. With
# the same phantom at severity 0 as the ground, the map beats random and edge maps, and a
# plain bell over the centre of the film still does better: `benchmarks/map_truth.py`.*

# %% [markdown]
# ## Questions
#
# 1. A colleague shows a Grad-CAM map with a bright spot in the right lung, of a film that
#    the network calls "probability of RDS 0.04: no RDS". What does the spot tell?
# <details><summary>Answer</summary>
#
# Very little. Every scaled map has a brightest place. In logit units the spot may be the
# least negative cell of a map that speaks against RDS everywhere. Hide the map, or show
# it unscaled.
#
# </details>
#
# 2. On the study's maps the heat lay in the region of the tube. Name three explanations,
#    and an experiment that separates them.
# <details><summary>Answer</summary>
#
# The network reads the tube; or it reads the anatomy there (trachea, mediastinum, air
# bronchogram); or the coarse cells smear heat from the lungs' inner borders. Remove the
# tube from the film, and remove a region of the same shape elsewhere in the mediastinum:
# only if the first changes the logit more, the tube itself is read.
#
# </details>
#
# 3. Why is the score explained the logit and not the probability?
# <details><summary>Answer</summary>
#
# The slope of the sigmoid is p(1 - p). At p = 0.999 it has shrunk to 0.001, and in
# float32 it vanishes altogether not much later. The logit keeps its slope, its map adds
# up to it, and maps of several models have a common unit.
#
# </details>

# %% [markdown]
# ## Pitfalls
#
# - **Nested models.** `tf-keras-vis` and most code examples fail when the EfficientNet is
#   one layer of another model. Ours is flat, so every layer can be named.
# - **The wrong layer.** An early layer gives a sharp map of edges that hardly depends on
#   the class. A map that stays the same when the weights above are randomised explains
#   nothing (Adebayo et al., 2018).
# - **Chosen examples.** The maps that are shown are often the ones that look right.
#   Count over all cases, beside a uniform map.
# - **Plausible is not faithful.** Heat on the lungs pleases the reader. Only a change of
#   the film shows what the network needs.
#
# ## Next
#
# Notebook 06, the tube audit, takes the tube out of the film, puts one in, and asks the
# classifier again.
#
# ## References
#
# - Selvaraju R et al. Grad-CAM: visual explanations from deep networks via
#   gradient-based localization. ICCV 2017, arXiv:1610.02391.
# - Chattopadhay A et al. Grad-CAM++. WACV 2018, arXiv:1710.11063.
# - Wang H et al. Score-CAM. CVPR workshops 2020, arXiv:1910.01279.
# - Jiang P et al. LayerCAM. IEEE Trans Image Process 2021.
# - Smilkov D et al. SmoothGrad. 2017, arXiv:1706.03825.
# - Adebayo J et al. Sanity checks for saliency maps. NeurIPS 2018, arXiv:1810.03292.
# - DeGrave A, Janizek J, Lee S-I. AI for radiographic COVID-19 detection selects
#   shortcuts over signal. Nat Mach Intell 2021.
