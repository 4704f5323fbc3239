"""The verbs of the method: films in, diagnosis out.

`VERBS` says what each verb takes, in the words of `command_line`; the function of its
name does it, and its docstring is the verb's `--help`. Large packages are imported by
the functions that need them.
"""

import sys

from rds_tf import config

REFUSED = 3  # exit status: done, but for some items

_ENGINE = "--engine --address"
_TRAIN = f"prepared out --fold --again --training-steps --profile {_ENGINE}"
VERBS = {
    "phantom": "out --cases=200 --seed=7 --tube-link --longest-px --heart --weeks "
    "--workers",
    "prepare": f"cohort out --root --workers {_ENGINE}",
    "train segmenter": f"{_TRAIN} --image-px --heart --start/segmenter",
    "train classifier": f"{_TRAIN} --backbone --input --seed --start --segmenter "
    "--finding",
    "segment": "prepared out --models --post-processing --heart/models",
    "diagnose": "path --out! --models --segmenter/own --threshold|--operating-point "
    "--dicom",
}


def phantom(options) -> None:
    """Write a cohort of synthetic films whose truth is known.

    It has the layout of the study: DICOM files, LabelMe outlines, a case table; and
    beside them drawn tubes and the truth: severity and grade of RDS, other findings,
    age, sizes, devices. The same seed gives the same pixels.
    Example: rds-tf phantom cohort --cases 12 --seed 7
    """
    from rds_phantoms import dataset
    from rds_tf.storage import disk

    with disk.claim(options.out):
        truth = dataset.write_cohort(
            options.out,
            num_cases=options.cases,
            seed=options.seed,
            tube_link=options.tube_link,
            longest_px=options.longest_px,
            num_workers=options.workers,
            heart=options.heart,
            weeks=options.weeks,
        )
    print(f"{len(truth)} phantoms in {options.out}")


def prepare(options) -> int:
    """Turn a cohort into PNG images, masks and five folds of patients.

    A run that was interrupted goes on where it stopped. Rows that cannot be used are
    listed in rejected.csv with the reason; the exit status is then 3.
    Example: rds-tf prepare cohort/cohort.csv prepared
    """
    from rds_tf.data import prepare
    from rds_tf.parallel import ray_cluster

    executor = ray_cluster.choose_executor(options.engine, options.address)
    done = prepare.prepare(
        options.cohort,
        options.out,
        root=options.root,
        num_workers=options.workers,
        executor=executor,
    )
    images = f"{done.num_images} images ({done.num_reused} of them done before)"
    print(f"{images}, {done.num_masks} masks, {done.num_rejected} rows rejected.\n")
    print(done.audit.round(3).to_string(index=False))
    notes = prepare.load_manifest(options.out)["notes"]
    print(f"\nCases with a note in the manifest: {(notes != '').sum()}.")
    named = notes.str.contains("burned in", regex=False).sum()
    print(f"Films that may have text burned in, check them for names: {named}.")
    if done.num_deleted:
        print(f"Deleted, no longer in the table: {done.num_deleted} images.")
    print(f"No patient is in two folds. All in {options.out}")
    if done.num_rejected:
        print(f"Rows were rejected: {options.out / 'rejected.csv'}", file=sys.stderr)
    return REFUSED if done.num_rejected else 0


def train_segmenter(options) -> None:
    """Train a U-Net that finds the lungs, on all folds but one.

    It learns from the outlined films of a prepared cohort. An interrupted training goes
    on from its last backup; a finished one is only repeated with --again.
    Example: rds-tf train segmenter prepared models --fold 0
    """
    from rds_tf import training
    from rds_tf.lungs import segmenter_training
    from rds_tf.parallel import local, ray_cluster

    executor = ray_cluster.choose_executor(options.engine, options.address)
    jobs = segmenter_training.list_jobs(
        options.prepared,
        options.out,
        segmenter_training.Arm(options.start, options.heart),
        config.load_profile(options.profile, options.training_steps, options.image_px),
        folds=_list_folds(options.fold),
    )
    workers = 1 if executor is local else executor.count_cores()
    training.run(jobs, executor=executor, num_workers=workers, again=options.again)
    _show_models(jobs, options.out)


def train_classifier(options) -> None:
    """Train an EfficientNet that finds RDS, or another finding, on all folds but one.

    It sees the whole film; or `combined`, the film turned upright and cropped to its
    lungs; or `masked`, nothing but the lungs. An interrupted training goes on from its
    last backup; a finished one is only repeated with --again.
    Example: rds-tf train classifier prepared models --fold 0 --input combined
    """
    from rds_tf.classification import classifier_training, cross_validation
    from rds_tf.parallel import ray_cluster

    executor = ray_cluster.choose_executor(options.engine, options.address)
    arm = classifier_training.Arm(
        options.backbone, options.input, options.start, options.seed
    )
    jobs = cross_validation.list_jobs(
        options.prepared,
        options.out,
        [arm],
        config.load_profile(options.profile, options.training_steps),
        segmenters=options.segmenter,
        folds=_list_folds(options.fold),
        by_seed=False,
        finding=options.finding,
    )
    cross_validation.run(jobs, executor=executor, again=options.again)
    _show_models(jobs, options.out)


def _list_folds(chosen: str) -> list[int]:
    return list(range(config.NUM_FOLDS)) if chosen == "all" else [int(chosen)]


def _show_models(jobs: list, out) -> None:
    for job in jobs:
        print(f"fold {job.fold} held out: {out / job.name}")


def segment(options) -> int:
    """Write a lung mask for every film of a prepared cohort, as PNG.

    Of several fold segmenters, each film gets one that never saw it. Films that all
    of them saw get no mask; the exit status is then 3.
    Example: rds-tf segment prepared masks --models models
    """
    from rds_tf.data import manifest
    from rds_tf.lungs import segmenter

    count = segmenter.segment_folder(
        options.models,
        options.prepared,
        options.out,
        steps=options.post_processing,
        heart=options.heart,
    )
    print(f"{count} masks in {options.out}")
    return REFUSED if count < len(manifest.load(options.prepared)) else 0


def diagnose(options) -> int:
    """Diagnose a film or a folder of films: lungs, probability, heat map, warnings.

    Writes one JSON record and one overlay PNG a film. Files that are no radiograph are
    refused with the reason; the exit status is then 3. A film is positive from the
    threshold on that `compare` fitted, or from the one that is given.
    Example: rds-tf diagnose films --out diagnosed --models compared
    """
    from rds_tf.diagnosis import batch, diagnose

    if not options.path.exists():
        raise FileNotFoundError(f"{options.path}: there is no such file or folder.")
    not_written = []
    export = _export_or_note(not_written) if options.dicom else None
    models = diagnose.choose_threshold(
        diagnose.load_models(options.models, options.segmenter),
        options.threshold,
        options.operating_point,
    )
    done, refused = batch.diagnose_files(options.path, options.out, models, export)
    for record in done:
        print("{file}: {statement}".format(**record))
    for sentence in refused + not_written:
        print(sentence, file=sys.stderr)
    count = f"{len(done)} diagnosed, {len(refused)} refused"
    if options.dicom:
        count += f", {len(done) - len(not_written)} exported as DICOM"
    print(f"{count}, in {options.out}")
    print(config.NOT_FOR_CLINICAL_USE)
    return REFUSED if refused + not_written else 0


def _export_or_note(not_written: list[str]):
    """Return a DICOM export that notes what it cannot write, and goes on."""
    from rds_tf.diagnosis import dicom_export

    def export(path, found, **written) -> None:
        try:
            dicom_export.export(path, found, **written)
        except dicom_export.ExportError as error:
            not_written.append(str(error))

    return export
