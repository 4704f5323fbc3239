"""What each verb does, and its `--help`; TensorFlow is imported only where needed."""

import sys

from rds_tf import config, errors

REFUSED = 3  # exit status: done, but for some items


def phantom(options) -> None:
    """Write a cohort of synthetic films whose truth is known.

    It has the layout of the study: DICOM files, LabelMe outlines, a case table; and
    beside them drawn tubes and the truth. The same seed gives the same pixels.
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

    It learns from the outlined films of a prepared cohort. A training that was
    interrupted goes on from its last backup.
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
    lungs; or `masked`, nothing but the lungs. A training that was interrupted goes on
    from its last backup.
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


def evaluate_segmentation(options) -> None:
    """Score the lung masks of films that the segmenter never saw in training.

    Each step of the post-processing is scored by MIoU, lung IoU and Dice against the
    outlines, with intervals by patient, for films turned by each angle.
    Example: rds-tf evaluate segmentation prepared --models models --angles 0,45,90
    """
    from rds_tf.lungs import evaluation

    result = evaluation.evaluate(
        options.prepared, options.models, angles=options.angles, heart=options.heart
    )
    _show_scores(options, "segmentation", result)


def evaluate_diagnosis(options) -> None:
    """Score classifiers on films that they never saw in training.

    Accuracy, recall, AUROC and others stand beside two baselines, which know the shape
    or the brightness of the film and nothing else; with intervals by patient.
    Example: rds-tf evaluate diagnosis prepared --models models --json scores.json
    """
    from rds_tf.classification import classifier

    models = classifier.load_classifiers(options.models)
    lungs = classifier.load_segmenters(models, options.models, options.segmenter)
    result = classifier.evaluate(options.prepared, models, lungs)
    _show_scores(options, "diagnosis", result)


def _show_scores(options, kind: str, result: dict) -> None:
    from rds_pages.reports import score_tables
    from rds_tf.storage import disk

    print(score_tables.format_scores(kind, result, options.prepared.resolve().name))
    if options.json:
        disk.write_json(options.json, result)


def compare(options) -> None:
    """Train every arm on every fold, and compare them on the films held out.

    An arm is a backbone and a view of the film. Writes models, a page, and
    ensemble.json, by which `diagnose` joins the models. Trainings that are finished
    are not repeated.
    Example: rds-tf compare prepared compared --inputs whole combined
    """
    from rds_pages.reports import comparison
    from rds_tf.classification import classifier_training, cross_validation
    from rds_tf.parallel import ray_cluster

    executor = ray_cluster.choose_executor(options.engine, options.address)
    arms = [
        classifier_training.Arm(backbone, name, options.start, seed)
        for seed in options.seeds
        for backbone in options.backbones
        for name in options.inputs
    ]
    config.check_finding(options.finding)
    profile = config.load_profile(options.profile, options.training_steps)
    jobs = cross_validation.list_jobs(
        options.prepared, options.out, arms, profile, segmenters=options.segmenter
    )
    cross_validation.run(jobs, executor=executor, again=options.again)
    print(comparison.write(jobs, options.tubes, options.finding))
    print(config.NOT_FOR_CLINICAL_USE)


def audit(options) -> None:
    """Test whether a classifier depends on the tube, the film's shape or brightness.

    Every film is varied towards the nuisance and away from it, and nothing else
    changes; a page shows how far the diagnosis follows.
    Example: rds-tf audit prepared audited --models compared/seed_0 --nuisance ratio
    """
    from rds_pages.reports import audit_report
    from rds_tf.audit import audit
    from rds_tf.classification import classifier
    from rds_tf.data import prepare

    table = prepare.load_manifest(options.prepared)
    models = classifier.load_classifiers(options.models)
    lungs = classifier.load_segmenters(models, options.models, options.segmenter)
    cases = audit.load_cases(options.prepared, table, options.tubes, lungs)
    arms = audit.audit_arms(options.prepared, models, options.nuisance, cases, table)
    print(audit_report.write(arms, cases, options.nuisance, options.out))


def diagnose(options) -> int:
    """Diagnose a film or a folder of films: lungs, probability, heat map, warnings.

    Writes one JSON record and one overlay PNG a film. Files that are no radiograph
    are refused with the reason; the exit status is then 3.
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
        print("{file}: {decision}, probability {probability:.3f}".format(**record))
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


def study_plan(options) -> None:
    """Find the size of a reader study, and write its pack of blinded films.

    Without PREPARED and PACK, only the sizes are printed: the power of studies with
    few or many readers and cases, checked by simulation.
    Example: rds-tf study plan prepared pack --models compared --readers 6 --cases 100
    """
    from rds_readers import design, sample_size

    if options.prepared and not options.pack:
        raise errors.InputError(
            "`study plan PREPARED PACK`: say where to write the pack."
        )
    model = sample_size.choose_model(
        options.structure,
        pilot=options.pilot,
        auroc=options.auroc,
        correlations=options.correlations,
        reader_sd=options.reader_sd,
    )
    plan = None
    if options.pack:
        plan = design.Design(
            options.order,
            num_readers=options.readers,
            num_cases=options.cases,
            washout_days=options.washout_days,
            seed=options.seed,
            finding=options.finding,
        )
    description = sample_size.describe_plan(
        model,
        num_readers=options.readers,
        num_cases=options.cases,
        effect=options.effect,
        target_power=options.power,
        num_simulations=options.simulations,
        seed=options.seed,
    )
    print(description)
    if plan:
        from rds_readers import pack  # with it comes TensorFlow

        places = options.prepared, options.pack, options.models
        print(pack.write_pack(*places, plan, options.segmenter))


def study_analyse(options) -> None:
    """Analyse the readings of a reader study by Obuchowski and Rockette.

    Prints the tables; `--out` writes a page with figures.
    Example: rds-tf study analyse pack --out analysed
    """
    from rds_pages.reports import reader_study

    print(
        reader_study.analyse(
            options.readings,
            key=options.key,
            out=options.out,
            json_file=options.json,
        )
    )


def serve_study(options) -> None:
    """Open the reading room of a pack in the browser, until Ctrl+C.

    Readers sign in with their codes and rate each film alone and with the model.
    Example: rds-tf serve study pack
    """
    with errors.require_extra("pages", "`rds-tf serve study`", "Gradio"):
        from rds_pages.reading_room import server

    server.serve(options.pack, options.host, options.port)


def serve_demo(options) -> None:
    """Open the page for an exhibition in the browser, until Ctrl+C.

    Visitors draw a phantom or bring a film, and see the diagnosis. Nothing is kept.
    Example: rds-tf serve demo --port 8080
    """
    with errors.require_extra("pages", "`rds-tf serve demo`", "Gradio"):
        from rds_pages.exhibition import server

    server.serve(options.models, options.host, options.port, options.segmenter)


def report(options) -> None:
    """Write tables, figures, model card and checklists of a run, for a paper.

    RESULTS holds what `compare`, `evaluate`, `audit` and `study analyse` wrote. The
    report is in English and in Korean.
    Example: rds-tf report compared kit
    """
    from rds_pages.paper_kit import kit

    print(kit.write(options.results, options.out))


def demo(options) -> None:
    """Run the notebooks 01 to 05 and print one table of results.

    On phantoms, or on your own cohort; results go to artifacts/.
    Example: rds-tf demo --cohort cohort.csv --root films
    """
    with errors.require_extra("notebooks", "`rds-tf demo`", "Jupyter"):
        from rds_pages import demo

    demo.run(options.profile, options.cohort, options.root)
