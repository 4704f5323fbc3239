# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     notebook_metadata_filter: -jupytext.text_representation.jupytext_version
#     text_representation: {extension: .py, format_name: percent, format_version: '1.3'}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---
# %% [markdown]
# # 02 · Train a U-Net to find the lungs
#
# **Aim.** Train the study's segmentation network from random weights, watch it learn,
# and judge it on infants it has never seen.
#
# **한국어 요약.** 흉부 X선에서 폐를 찾아내는 U-Net을 무작위 가중치에서 시작하여 처음부터
# 학습합니다. 학습에 쓰지 않은 폴드의 환아에서 IoU와 Dice를 신뢰구간과 함께 구하고, 모델을
# 해시와 함께 저장합니다.
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/rds-tf/rds_tf/blob/main/notebooks/02_unet_training.ipynb)
#
# | | |
# |---|---|
# | Reads | the prepared cohort of notebook 01 (made here if it is missing), the shipped models |
# | Writes | `models/segmenter_fold_0/` in the run's folder |
# | Time | quick: about three minutes on 2 CPU cores; full: a GPU is needed |
#
# *Research and teaching only. Not for clinical use.*
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

# %% tags=["nbval-check-output"]
import shutil

import numpy as np

from rds_tf import config, data, lungs, plotting, stats, training

run = config.load_run(PROFILE, COHORT)
config.set_seed(0)
table = data.prepare.prepare_run(run)
print(len(table), "films,", (table["mask"] != "").sum(), "with lung outlines")

# %% [markdown]
# ## What counts as a good mask?
#
# Let $A$ be the true mask and $B$ the predicted one, as sets of pixels. The study
# reports the *intersection over union*, averaged over lung and background (MIoU);
# papers on lungs mostly report *Dice*:
#
# $$\mathrm{IoU} = \frac{|A \cap B|}{|A \cup B|} \qquad
# \mathrm{Dice} = \frac{2\,|A \cap B|}{|A| + |B|} \qquad
# \mathrm{MIoU} = \tfrac{1}{2} (\mathrm{IoU}_{\text{lung}} +
# \mathrm{IoU}_{\text{background}})$$
#
# The three are easily mixed up and far from equal. Take six pixels of which two are
# lung, and a network that finds one of them. The lung IoU is 1/2, Dice is 2/3, and the
# background's IoU is 4/5. Check it by hand:

# %% tags=["nbval-check-output"]
true = np.array([[1, 1, 0], [0, 0, 0]])
predicted = np.array([[1, 0, 0], [0, 0, 0]])
for name, value in stats.metrics.segmentation_scores(true, predicted).items():
    print(f"{name:<9}{value:.2f}")

# %% [markdown]
# The study's bare U-Net reached an MIoU of 0.834. On preterm films Dice 0.96 has been
# published. Keep both in mind, and keep them apart.
#
# ## Hold one fold out
#
# Fold 0 is set aside now and looked at once, at the end. Films without outlines cannot
# teach segmentation and are left out.

# %% tags=["nbval-check-output"]
outlined = table[table["mask"] != ""]
train, test = outlined[outlined["fold"] != 0], outlined[outlined["fold"] == 0]
print(len(train), "films to learn from,", len(test), "held out")
print("infants on both sides:", len({*train["patient_id"]} & {*test["patient_id"]}))

# %% [markdown]
# ## Show every film in the same way
#
# A network wants squares of one size; films come in any. `load_arrays` scales each film
# into a black square with its proportions kept (*letterbox*), and stretches its
# exposure: the 1st and 99th percentile of the exposed pixels become 0 and 1. Stretching
# the sides unequally would be simpler, and would make a slim infant look plump.

# %% tags=["nbval-check-output"]
size = run.profile.segmenter["image_size"]
images, masks = data.pipeline.load_arrays(run.prepared, train, size)
print("images", images.shape, images.dtype)  # (N, S, S, 1), 0 to 255
print("masks ", masks.shape, masks.dtype, "holding", np.unique(masks))

# %% [markdown]
# ## Invent the films that you do not have
#
# A hundred films are few. *Augmentation* draws each of them anew in every epoch:
# turned by up to 180 degrees (neonates lie as they please), scaled, shifted, mirrored;
# then exposed otherwise, blurred, made noisy, or covered by a blank rectangle, as
# tape and devices do.
#
# One rule decides everything: **what moves the image moves the mask**, by the same draw.
# What changes only the grey must leave the mask alone.

# %% tags=["nbval-check-output"]
batch_size = run.profile.batch_size
batches = data.pipeline.segmentation_dataset(images, masks, batch_size, training=True)
x, y = (tensor.numpy() for tensor in next(iter(batches)))  # (B, S, S, 1) each
print("batch", x.shape, "and", y.shape)
print("images within [0, 1]:", bool(x.min() >= 0 and x.max() <= 1))
print("masks hold", np.unique(y))

# %%
figure = plotting.plots.plot_sheet(x[:8, ..., 0], y[:8, ..., 0])
plotting.plots.show(
    figure,
    alt="Eight augmented training films in black squares, turned by different angles, "
    "some mirrored, pale, dark, noisy or partly covered; in each the outline follows the "
    "lungs.",
)

# %% [markdown]
# ## Build the U-Net
#
# The network sees in two directions. On the way *down*, each level halves the image
# and doubles the number of feature maps: it learns *what* is there and loses *where*.
# On the way *up*, each level doubles the image again and receives, over a *skip
# connection*, the feature maps that the same level had on the way down: sharp borders
# come back. The last layer gives each pixel a lung probability.

# %% tags=["nbval-check-output"]
model = lungs.unet.build_unet(**run.profile.segmenter)
for name in ("down0", "down1", "down2", "down3", "bottom", "up3", "up2", "up1", "up0"):
    height, width, channels = model.get_layer(f"{name}_relu2").output.shape[1:]
    print(f"{name:<8}{height:>4} x {width:<4}{channels:>4} feature maps")
print(f"{model.count_params():,} parameters")

# %% [markdown]
# `build_unet` also takes the encoders of *segmentation-models*, which are classification
# networks in origin: larger, and meant to start from pretrained weights. Here everything
# starts from random weights, so we stay with the small network of the study.

# %%
large = lungs.unet.build_unet(image_size=size, encoder="resnet18")

# %% tags=["nbval-check-output"]
print(f"resnet18 encoder: {large.count_params():,} parameters")
print("same input and output:", large.output_shape == model.output_shape)

# %% [markdown]
# ## Choose a loss
#
# Why not simply count wrong pixels? Because an empty mask is already right on most of
# them. *Binary cross-entropy* (BCE) asks every pixel for its own probability and gives
# smooth gradients. The *Dice loss*, 1 - Dice per image, cannot be pleased by
# background. Their sum is the loss of nnU-Net, and it is computed in 32-bit floats
# even where layers use 16. Compare three guesses for one film:

# %% tags=["nbval-check-output"]
loss = lungs.unet.DiceBCE()
truth = masks[:1].astype("float32")
print("an empty mask is right on over 70 % of pixels:", bool(truth.mean() < 0.3))
for name, guess in {"truth": truth, "empty": 0 * truth, "all": 0 * truth + 1}.items():
    print(f"{name:<6}loss {float(loss(truth, guess)):5.1f}")

# %% [markdown]
# ## Train
#
# AdamW takes the steps; the learning rate warms up for a moment and then falls along
# half a cosine to nearly zero. A *step* shows one batch; an epoch here is a tenth of all
# steps, a point at which to report. The number of steps is fixed in advance and nothing
# is chosen on the way: no early stopping, no best epoch. That is why no validation set
# is needed here, and why fold 0 stays untouched.
#
# The **quick** profile takes 150 steps of 16 images of 128 px: enough to see the method
# work. The **full** profile takes 6,000 steps at 256 px with twice the filters. One of
# its steps costs some sixteen times as much, so the whole training costs about 640 times
# as much: most of a day on 2 cores. Use a GPU for it.

# %%
num_steps, rate = run.profile.segmenter_steps, lungs.segmenter_training.LEARNING_RATE
model.compile(
    optimizer=training.build_optimizer(num_steps, rate),
    loss=lungs.unet.DiceBCE(),
    metrics=[lungs.unet.LungIoU()],
)

# %%
history = model.fit(
    batches,  # endless, augmented ever anew
    epochs=config.NUM_EPOCHS,
    steps_per_epoch=num_steps // config.NUM_EPOCHS,
    shuffle=False,  # the dataset shuffles
    verbose=0,  # 1 shows the progress when you run this cell by hand
)

# %%
figure = plotting.plots.plot_history(history.history)
plotting.plots.show(
    figure,
    alt="Training loss falling and lung IoU rising over ten epochs, steeply at first "
    "and then ever more slowly.",
)

# %% [markdown]
# The curves show augmented films, the hardest ones included, so they look worse than
# the network is. What counts comes next.

# %% tags=["nbval-check-output"]
losses, ious = history.history["loss"], history.history["lung_iou"]
print("loss fell by half:", losses[-1] < 0.5 * losses[0])
print("training lung IoU >= 0.60:", ious[-1] >= 0.60)

# %% [markdown]
# ## Judge it on infants it has not seen
#
# Now fold 0, once. The probabilities are brought back to each film's own size, cut at
# 0.5, and compared with the drawn lungs. No clean-up yet: this is the *baseline* of
# the study's ablation, which notebook 03 goes through step by step.

# %% tags=["nbval-check-output"]
found = lungs.evaluation.score_cases(model, run.prepared, test, steps=("none",))
scores = found["none"]
miou, lung_iou, dice = scores.T  # one value a film
print(len(scores), "held-out films")
print("mean Dice >= 0.80:", bool(dice.mean() >= 0.80))
print("mean MIoU >= 0.80:", bool(miou.mean() >= 0.80))

# %% [markdown]
# A mean of twenty films is itself uncertain. The *bootstrap* draws infants again and
# again, with replacement, and reports the range in which 95 % of the means fall. It
# draws infants, not films: two films of one child are not independent.

# %%
for name, values in zip(lungs.evaluation.SCORES, scores.T, strict=True):
    interval = stats.metrics.bootstrap_interval(values, groups=test["patient_id"])
    print(name, "{value:.3f} ({low:.3f} to {high:.3f})".format(**interval))

# %% [markdown]
# Means hide failures, so look at the four worst films: truth above, network below.
# Where a network that is mostly right goes wrong tells what to do next.

# %%
worst = test.iloc[np.argsort(dice)[:4]]
cases = [lungs.evaluation.read_case(run.prepared, row) for row in worst.itertuples()]
films, drawn = map(list, zip(*cases, strict=True))
found = lungs.segmenter.segment(model, films, steps="none")
titles = ["drawn"] * 4 + [f"Dice {value:.2f}" for value in np.sort(dice)[:4]]
plotting.plots.show(
    plotting.plots.plot_sheet(films * 2, drawn + found, titles),
    alt="The four held-out films with the lowest Dice, above with the drawn lungs and "
    "below with what the network found: ragged borders, pieces outside, parts missing.",
)

# %% [markdown]
# Look for ragged borders, loose pieces over bowel gas, and lung missed behind the heart.
# Notebook 03 is about the first two; the third needs more training, or more films.
#
# ### And with more training?
#
# The repository ships the quick profile's network (with a second mask: the lungs without
# the heart), trained far longer on thousands of randomised phantoms drawn for it alone. It
# saw none of these films and is scored on the same ones, so the difference can be taken
# film by film: a *paired* comparison.

# %% tags=["nbval-check-output"]
shipped = lungs.segmenter.load_segmenter()
long_scores = lungs.evaluation.score_cases(
    shipped.model, run.prepared, test, steps=("none",)
)
gain = long_scores["none"][:, 2] - dice
interval = stats.metrics.bootstrap_interval(gain, groups=test["patient_id"])
print("shipped on the same films, Dice >= 0.90:", bool(np.mean(dice + gain) >= 0.90))
print("longer training helps, interval above 0:", interval["low"] > 0)

# %% [markdown]
# Same architecture, same loss: what differs is the number of steps and of images. Mind
# how far this claim reaches, though. Those phantoms and this cohort come from one
# generator, so the shipped network knows this kind of image. Real films are another kind.
#
# ## Save it so that it can be trusted
#
# A whole Keras file can carry code from whoever wrote it. We save numbers only: the
# weights, and a manifest that says how to rebuild the network, how films are prepared,
# and which films it has seen. By the latter, later notebooks refuse to score a model on
# its own training films.

# %% tags=["nbval-check-output"]
record = {
    "data": f"{len(train)} films of a cohort in five folds",
    "held_out_fold": 0,
    "start": "scratch",
    "steps": num_steps,
    "seen": [pixels[:16] for pixels in train["pixel_sha256"]],
}
folder = run.models / "segmenter_fold_0"
lungs.segmenter_training.save(model, folder, run.profile.segmenter, record)
loaded = lungs.segmenter.load_segmenter(folder)
print(sorted(loaded.manifest))

# %% [markdown]
# Loading checks the SHA-256 of the weights before it opens them. Two tests: the loaded
# network must predict the very same probabilities, and a copy with one changed bit must
# be refused.

# %% tags=["nbval-check-output"]
predict = lungs.prediction.predict
first, second = (predict(one, films[:1])[0] for one in (model, loaded.model))
print("same probabilities:", np.allclose(first, second, atol=1e-6))

damaged = run.folder / "damaged"
shutil.copytree(folder, damaged, dirs_exist_ok=True)
path = next(damaged.glob("*.safetensors"))
weights = bytearray(path.read_bytes())
weights[len(weights) // 2] ^= 1
path.write_bytes(weights)
try:
    lungs.segmenter.load_segmenter(damaged)
except ValueError as error:
    print("refused:", str(error).partition(": ")[2])

# %% [markdown]
# ## Exercises
#
# **1. One from the other.** Show on the held-out films that Dice follows from the lung
# IoU $J$ by $D = 2J / (1 + J)$. Does the same hold for their *means* over films?

# %% tags=["solution", "nbval-check-output"]
print("film by film:", np.allclose(dice, 2 * lung_iou / (1 + lung_iou)))
of_means = 2 * lung_iou.mean() / (1 + lung_iou.mean())
print("for the means:", bool(np.isclose(dice.mean(), of_means, atol=1e-9)))

# %% [markdown]
# **2. Lay the infants on their side.** Score the held-out films turned by 90 degrees
# (`angle_degrees=90`). Which line of this notebook decides whether that goes well?

# %% tags=["solution", "nbval-check-output"]
found = lungs.evaluation.score_cases(model, run.prepared, test, 90, steps=("none",))
turned = found["none"][:, 2].mean()
print("turned by 90 degrees, mean Dice >= 0.70:", bool(turned >= 0.70))

# %% [markdown]
# *The line is `segmentation_dataset`, which turns half of the films by up to 180 degrees.*
#
# ## Questions
#
# **1.** A network calls every pixel background. What are its pixel accuracy, lung IoU and
# MIoU when lungs cover a fifth of the image?
#
# <details><summary>Answer</summary>
# Pixel accuracy 0.8. Lung IoU 0. The background's IoU is 0.8, so MIoU is 0.4, without
# a single lung pixel found. Ask for the lung IoU whenever somebody quotes MIoU.
# </details>
#
# **2.** What would the network lose without its skip connections?
#
# <details><summary>Answer</summary>
# Sharp borders. At the bottom the image is sixteen times smaller; whatever is finer
# than sixteen pixels survives there only as a summary. The skips carry it across.
# </details>
#
# **3.** Somebody stops training at the epoch with the best Dice on fold 0 and reports that
# Dice. What is wrong?
#
# <details><summary>Answer</summary>
# Fold 0 chose the epoch, so its score is the best of several tries: too high. Choose on
# a part of the training folds, and score the held-out fold once.
# </details>
#
# ## Pitfalls
#
# - **`keras.losses.Dice()` sums over the whole batch** unless it gets
#   `axis=(1, 2, 3)`: large lungs then drown small ones.
# - **Interpolated masks.** A turned mask has grey borders; round it, or the network
#   learns a blur.
# - **Augmenting the test.** `training=False` exists for a reason.
# - **Exact repeats.** The seed fixes the draws, not the rounding: other processors end a
#   few thousandths apart. State thresholds, never the fourth digit.
#
# ## Next
#
# `03_post_processing.ipynb` cleans the masks, turns the infants upright, and measures what
# each step is worth.
#
# ## References
#
# - O. Ronneberger, P. Fischer and T. Brox, U-Net: convolutional networks for biomedical
#   image segmentation. *MICCAI* (2015), <https://arxiv.org/abs/1505.04597>
# - F. Isensee et al., nnU-Net: a self-configuring method for deep learning-based
#   biomedical image segmentation. *Nature Methods* 18 (2021).
# - I. Loshchilov and F. Hutter, Decoupled weight decay regularization. *ICLR* (2019),
#   <https://arxiv.org/abs/1711.05101>
# - Preterm lung segmentation, Dice 0.960: *Journal of Imaging Informatics in Medicine*
#   (2024), <https://doi.org/10.1007/s10278-024-01050-9>
