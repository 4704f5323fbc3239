# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     notebook_metadata_filter: -jupytext.text_representation.jupytext_version
#     text_representation: {extension: .py, format_name: percent, format_version: '1.3'}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---
# %% [markdown]
# # 01 · Prepare a cohort of chest radiographs
#
# **Aim.** Turn a case table, a folder of DICOM files and their lung outlines into
# images, masks and five folds on which a network can be trained and fairly judged.
#
# **한국어 요약.** 신생아 흉부 X선의 DICOM 파일, 폐 윤곽(JSON), 증례 표(CSV)를 읽어 PNG
# 영상과 폐 마스크를 만듭니다. 한 환아의 영상이 여러 폴드에 흩어지지 않도록 폐 면적을
# 기준으로 다섯 폴드로 나누고, 나눈 결과를 점검합니다.
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/rds-tf/rds_tf/blob/main/notebooks/01_data_preparation.ipynb)
#
# | | |
# |---|---|
# | Reads | a cohort table with its DICOM and JSON files; without one, it makes phantoms |
# | Writes | `cohort/` and `prepared/` under `artifacts/<cohort>_<profile>/` |
# | Time | quick: under a minute on 2 CPU cores; full: five to ten minutes |
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

# %% [markdown]
# ## Why a notebook about files?
#
# The study behind this project asks whether neonatal respiratory distress syndrome
# (RDS) can be diagnosed from the chest X-ray alone. Its material came as DICOM files,
# as JSON files with hand-drawn lung outlines, and as one CSV table. The films became
# PNG, and the cases, sorted by lung area, were dealt into five groups.
#
# Every later figure rests on these steps, and their faults are silent: a film with
# black and white exchanged, a mask drawn for another image, or one infant in
# training *and* test never raises an error. It only makes a number wrong. So here
# each step is looked at, and each claim is printed.

# %% tags=["nbval-check-output"]
import numpy as np
import pydicom
from sklearn.metrics import roc_auc_score

import rds_phantoms
from rds_tf import config, data, dicom, plotting

run = config.load_run(PROFILE, COHORT)
print("cohort:", run.cohort_name)

# %% [markdown]
# ## Get a cohort
#
# With `COHORT = "phantom"` the next cell draws synthetic radiographs and writes them
# in the study's own layout: `dicom/`, `json/`, `cohort.csv`. A *phantom* is an infant
# made up in three dimensions (ribs, lungs, heart, tubes) and projected as X-rays would;
# its truth is known, since we made it. Phantoms show that the code does what it says.
# **They prove code, not medicine**: a score on phantoms says nothing about infants.
#
# To work with your own films, set `COHORT` to the path of your table. Its columns are
# the study's: `rds` is the label, `exist_json` says whether somebody drew the lungs,
# and `roi_area` is the area inside the drawn outlines. A case without outlines cannot
# teach segmentation, yet it still serves diagnosis: it stays.

# %% tags=["nbval-check-output"]
table_path, root = data.prepare.find_cohort(run)
cases, rejected = data.cohort.load_cohort(table_path, root)
print(len(cases), "cases,", len(rejected), "rejected")
print(cases["rds"].sum(), "with RDS,", cases["exist_json"].sum(), "with lung outlines")

# %%
cases[data.cohort.STUDY_COLUMNS].head(3)

# %% [markdown]
# ### Find files that another machine named
#
# The table was saved on Windows, so `filepath` names a drive that does not exist here.
# On Linux, even `Path(...).name` fails on it: the backslash is an ordinary character
# there. `load_cohort` splits the path as Windows would and looks below `root` for the
# file that shares the longest tail with it. Two equally good matches are an error
# that names both, never a guess.

# %%
first = cases.iloc[0]
print(first["filepath"], "->", first["source"].name)

# %% [markdown]
# ### Reject rows, not tables
#
# One bad row must not stop a thousand good ones, and must not vanish either. Let us
# spoil three rows on purpose: an impossible label, a file that is gone, a duplicate.

# %% tags=["nbval-check-output"]
spoiled = cases[["filepath", "rds", "exist_json"]].head(4).astype(object)
spoiled.loc[1, "rds"] = "maybe"
spoiled.loc[2, "filepath"] = "gone.dcm"
spoiled.loc[3, "filepath"] = spoiled.loc[0, "filepath"]
spoiled.to_csv(run.folder / "spoiled.csv", index=False)

accepted, refused = data.cohort.load_cohort(run.folder / "spoiled.csv", root)
print(len(accepted), "accepted")
print(refused[["row", "reason"]].to_string(index=False))

# %% [markdown]
# `row` counts as a spreadsheet does: the header is row 1.
#
# ## Read one film as a person would see it
#
# A DICOM file stores numbers, and its header says how they become grey. The order is
# fixed by the standard (PS3.3, C.11 and C.7.6.3):
#
# 1. the *Modality LUT* turns stored values into the device's own units,
# 2. the *VOI LUT* or *window* chooses the range worth seeing,
# 3. that range is scaled to $[0, 1]$,
# 4. last, `MONOCHROME1` turns black into white.
#
# We study it on one phantom written for this lesson, so that this section reads the
# same whatever cohort you brought.

# %% tags=["nbval-check-output"]
lesson = run.folder / "lesson"
rds_phantoms.write_cohort(lesson, num_cases=1, seed=20, longest_px=384)
header = pydicom.dcmread(lesson / "dicom" / "case0000.dcm")
for name in ("Modality", "PhotometricInterpretation", "BitsStored", "Rows", "Columns"):
    print(name, "=", header[name].value)

# %% [markdown]
# In `MONOCHROME1` the *lowest* number is the brightest. A program that shows the stored
# values as they are gets the negative on the left. `read_image` follows the
# header: bone bright, air dark, always.

# %%
stored = header.pixel_array / (2**header.BitsStored - 1)
image = dicom.radiograph.read_image(lesson / "dicom" / "case0000.dcm")
figure = plotting.plots.plot_sheet(
    [stored, image], titles=["stored values", "as it should look"]
)
plotting.plots.show(
    figure,
    alt="One phantom chest radiograph twice: on the left a negative, dark bones and a white "
    "ground, on the right the same film with bright bones and dark lungs and ground.",
)

# %% [markdown]
# A test that needs no eye: store the same film the other way round, say so in the
# header, and read both. The files differ in every pixel; the radiographs must not.

# %% tags=["nbval-check-output"]
inverted = pydicom.dcmread(lesson / "dicom" / "case0000.dcm")
inverted.PixelData = (2**inverted.BitsStored - 1 - header.pixel_array).tobytes()
inverted.PhotometricInterpretation = "MONOCHROME2"
inverted.save_as(lesson / "inverted.dcm")
second = dicom.radiograph.read_image(lesson / "inverted.dcm")
print("stored values equal:", np.array_equal(inverted.pixel_array, header.pixel_array))
print("radiographs equal:  ", np.allclose(second, image, atol=1e-6))

# %% [markdown]
# ### Keep the grey levels
#
# Detectors deliver 10 to 16 bits; the usual PNG holds 8, that is 256 levels. Fine
# ground-glass shading lives in small differences, so films with more than 8 bits are
# stored as 16-bit PNG.

# %% tags=["nbval-check-output"]
num_levels = len(np.unique(image))
for bits in (8, 16):
    dicom.radiograph.write_png(lesson / f"film{bits}.png", image, bits)
    read_back = dicom.radiograph.read_image(lesson / f"film{bits}.png")
    print(
        f"{bits:2}-bit PNG keeps every level:", len(np.unique(read_back)) == num_levels
    )

# %% [markdown]
# ### Refuse what is no radiograph
#
# Archives hold more than chest films. Whatever cannot be shown as *one* grey projection
# is refused, in one sentence that names the file and the cause. Such a sentence lands
# in `rejected.csv`; the other films go on.

# %% tags=["nbval-check-output"]
(lesson / "letter.dcm").write_text("Dear colleague, enclosed you find the film.")
inverted.NumberOfFrames = 3
inverted.save_as(lesson / "movie.dcm")
inverted.Modality = "CT"
inverted.save_as(lesson / "slice.dcm")
for name in ("letter.dcm", "movie.dcm", "slice.dcm"):
    try:
        dicom.radiograph.read_image(lesson / name)
    except dicom.radiograph.RadiographError as error:
        print(error)

# %% [markdown]
# ## From outline to mask
#
# The annotators drew each lung as a polygon in LabelMe. Its area follows from the
# corners $(x_i, y_i)$ alone, by the *shoelace formula*:
#
# $$A = \tfrac{1}{2} \Bigl| \sum_i x_i\, y_{i+1} - x_{i+1}\, y_i \Bigr|$$
#
# The study's table lists areas such as 173892.9. The fraction gives away that they are
# polygon areas: a count of pixels would be whole. For training, a polygon becomes a
# *mask*, 1 in every pixel whose centre it encloses. Mask and formula are two ways to
# the same area, so they check each other.

# %% tags=["nbval-check-output"]
polygons = data.annotation.read_polygons(lesson / "json" / "case0000.json")
mask = data.annotation.draw_mask(polygons, *image.shape)  # (H, W) uint8 of {0, 1}
area = data.annotation.polygon_area(polygons)
print(len(polygons), "polygons, mask", mask.shape, mask.dtype)
print("areas agree within 1 %:", bool(abs(mask.sum() - area) <= 0.01 * area))

# %% [markdown]
# Look where the line runs. By this project's convention the lung *behind the heart*
# belongs to the mask. Other data sets leave it out; then the same network scores lower
# on them, and nothing is wrong with it: tell the command line `--heart out`.

# %%
figure = plotting.plots.plot_overlay(image, mask, title="lungs, heart shadow included")
plotting.plots.show(
    figure,
    alt="A phantom chest radiograph of an infant with both lungs outlined in cyan; the "
    "outlines run beside the spine, across the heart shadow, and along the diaphragm.",
)

# %% [markdown]
# ## Prepare the whole cohort
#
# `prepare` does all of this for every row, in parallel: `images/*.png`, `masks/*.png`,
# a `manifest.csv` with one row a case, one table a fold, and `rejected.csv`. Where the
# table disagrees with the files (a `roi_area` more than 1 % off its polygon, another
# height or width) the files win, and the manifest's `notes` say so.

# %% tags=["nbval-check-output"]
summary = data.prepare.prepare(table_path, run.prepared, root)
table = data.prepare.load_manifest(run.prepared)
print(summary.num_images, "images of", table["patient_id"].nunique(), "patients")
print(summary.num_masks, "masks,", summary.num_rejected, "rejected rows")
print((table["notes"] != "").sum(), "cases with notes")

# %% [markdown]
# A long run that breaks must not start over. Each finished case leaves a record of the
# files it came from, so a second call finds everything done.

# %% tags=["nbval-check-output"]
again = data.prepare.prepare(table_path, run.prepared, root)
print("all reused:", again.num_reused == again.num_images == summary.num_images)

# %% [markdown]
# ## Deal five folds
#
# In *cross-validation* each fold is held out once while a model learns from the other
# four. The held-out score is honest only if nothing of the held-out infants was seen.
# The study sorted the cases by lung area and dealt them like cards, which spreads
# small and large lungs evenly. Taken literally, that rule overlooks one thing. Many
# infants have several films, and the cards of one infant land in different hands.

# %% tags=["nbval-check-output"]
by_area = table.sort_values("roi_area")
dealt = by_area.assign(fold=np.arange(len(by_area)) % config.NUM_FOLDS)
several = table["patient_id"].value_counts() > 1
split = dealt.groupby("patient_id")["fold"].nunique() > 1
print(several.sum(), "patients have several films")
print(split.sum(), "patients are in two folds when cases are dealt singly")

# %% [markdown]
# Such a network may recognise the *infant* instead of the disease, and the test
# applauds. `assign_folds` keeps the study's idea but assigns whole patients: those with
# several films first, then from the largest lungs down, each to the fold that most lacks
# what they bring (cases, RDS, outlines, lung area). The audit is written beside the
# folds, for whoever doubts them.

# %%
summary.audit.round(3)

# %% tags=["nbval-check-output"]
audit = summary.audit
rate, area = audit["rds_rate"], audit["mean_area"]
print("patients in two folds:", audit["shared_patients"].sum())
print("duplicates in other folds:", audit["duplicates_across"].sum())
print("RDS rates within 0.10:", bool(rate.max() - rate.min() <= 0.10))
print("areas within 20 %:    ", bool(area.max() <= 1.20 * area.min()))

# %% [markdown]
# ## Look before you train
#
# No table replaces a look at the films. Check exposure, orientation and outlines, and
# note how freely infants lie: that freedom is the subject of notebook 03. RDS shows as
# small, evenly hazy lungs (ground glass) with dark branching airways in them (air
# bronchogram). Now look for the tubes, too.

# %%
shown = table[table["mask"] != ""].iloc[::10].head(8)
films = [dicom.radiograph.read_image(run.prepared / name) for name in shown["image"]]
masks = [dicom.radiograph.read_image(run.prepared / name) for name in shown["mask"]]
titles = ["RDS" if label else "no RDS" for label in shown["rds"]]
figure = plotting.plots.plot_sheet(films, masks, titles)
plotting.plots.show(
    figure,
    alt="Eight prepared films with outlined lungs, titled RDS or no RDS. They differ in "
    "exposure, size and position, and some infants lie turned.",
)

# %% [markdown]
# ### Ask what could be guessed without looking
#
# A classifier takes the easiest road. In one public set of children's films the image's
# proportions alone separate the classes with an AUROC near 0.9, because the two groups
# were cropped differently. (AUROC is the chance that a random positive case ranks above
# a random negative one; 0.5 is guessing.) So ask the table first. Any classifier that
# does not clearly beat this number has learned nothing about lungs.

# %% tags=["nbval-check-output"]
auroc = roc_auc_score(table["rds"], table["width"] / table["height"])
print("AUROC of width / height alone within 0.35 to 0.65:", 0.35 <= auroc <= 0.65)

# %% [markdown]
# ## Exercises
#
# **1. The shoelace by hand.** Compute the area of one lung with NumPy and compare it
# with `data.annotation.polygon_area`. *Hint:* `np.roll(x, -1)` holds $x_{i+1}$.

# %% tags=["solution", "nbval-check-output"]
x, y = polygons[0].T
by_hand = abs((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2
area = data.annotation.polygon_area(polygons[:1])
print("same area:", bool(np.isclose(by_hand, area)))

# %% [markdown]
# **2. Hide a leak and find it.** Give a film of fold 1 the pixels of a film of fold 0,
# leaving its patient's name as it is: one infant registered twice. Which column of the
# audit notices, and which does not?

# %% tags=["solution", "nbval-check-output"]
leaky = table.copy()
source, copy = (leaky.index[leaky["fold"] == fold][0] for fold in (0, 1))
leaky.loc[copy, "pixel_sha256"] = leaky.loc[source, "pixel_sha256"]
found = data.folds.audit_folds(leaky)
print("shared patients:", found["shared_patients"].sum())
print("films with a duplicate in another fold:", found["duplicates_across"].sum())

# %% [markdown]
# ## Questions
#
# **1.** Why must the `MONOCHROME1` inversion come last?
#
# <details><summary>Answer</summary>
# Modality LUT and window are defined on the values as stored. A film inverted first
# would be windowed at the wrong end of its range, and the lungs could be clipped to
# plain black or white.
# </details>
#
# **2.** A model scores 0.95 with folds dealt case by case and 0.85 with patients kept
# whole, on the same data. Which figure do you report, and what is the other one?
#
# <details><summary>Answer</summary>
# Report 0.85: it estimates the score on infants not seen before, which is how a model
# is used. The other mixes that ability with recognising infants it has seen.
# </details>
#
# **3.** The table says `roi_area` is 173892.9, and the polygon in the JSON file has a
# quarter of it. What probably happened, and why is this worth a note?
#
# <details><summary>Answer</summary>
# Probably one of the two belongs to the film at half its size: lengths halve, areas
# become a quarter. If the outline was drawn on another size than the image, the mask
# lies in the wrong place, and training on it would teach nonsense without any error.
# </details>
#
# ## Pitfalls
#
# - **Viewing is not reading.** Many viewers invert and stretch films on their own;
#   compare numbers, not impressions.
# - **8 bits by accident.** `cv2.imread` turns a 16-bit PNG into 8 bits unless it is told
#   not to, and returns `None` for a bad file instead of an error.
# - **No `patient_id`.** Without that column a pseudonym of the DICOM PatientID is used,
#   and without that each film counts as its own patient: then nothing can protect you
#   from leaks but the pixel hash.
# - **Tables edited by hand.** Excel saves Korean text in code page 949 and may reformat
#   long numbers. `load_cohort` reads the former; nobody can undo the latter.
#
# ## Next
#
# `02_unet_training.ipynb` trains a U-Net on folds 1 to 4 to draw such lungs by itself.
#
# ## References
#
# - DICOM Standard PS3.3, sections C.7.6.3.1.2 (photometric interpretation) and C.11
#   (Modality LUT, VOI LUT),
#   <https://dicom.nema.org/medical/dicom/current/output/html/part03.html>
# - B. Russell et al., LabelMe: a database and web-based tool for image annotation.
#   *International Journal of Computer Vision* 77 (2008).
# - S. Kapoor and A. Narayanan, Leakage and the reproducibility crisis in
#   machine-learning-based science. *Patterns* 4 (2023).
# - D. Kermany et al., Identifying medical diagnoses and treatable diseases by image-based
#   deep learning. *Cell* 172 (2018): the children's films mentioned above.
