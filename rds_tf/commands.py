"""What each verb of the command line does; TensorFlow is imported only where needed."""

import sys

from rds_tf import config, errors


def phantom(options) -> None:
    """Write a phantom cohort."""
    from rds_phantoms import dataset
    from rds_tf.storage import disk

    with disk.claim(options.out):
        truth = dataset.write_cohort(
            options.out,
            options.cases,
            seed=options.seed,
            tube_link=options.tube_link,
            longest_px=options.size,
            num_workers=options.workers,
            heart=options.heart,
        )
    print(f"{len(truth)} phantoms in {options.out}")


def prepare(options) -> int:
    """Prepare a cohort; 1 if a row was rejected."""
    from rds_tf.data import prepare
    from rds_tf.parallel import ray_cluster

    executor = ray_cluster.choose_executor(options.engine, options.address)
    run = options.cohort, options.out, options.root, options.workers, executor
    done = prepare.prepare(*run)
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
    return 1 if done.num_rejected else 0


def train(options) -> None:
    """Train on one fold or on all."""
    from rds_tf import training
    from rds_tf.classification import classifier_training
    from rds_tf.lungs import segmenter_training
    from rds_tf.parallel import ray_cluster

    executor = ray_cluster.choose_executor(options.engine, options.address)
    profile = config.load_profile(options.profile, options.steps, options.size)
    if options.what == "segmenter":
        train, rest = segmenter_training.train_fold, (options.start, options.heart)
    else:
        named = options.backbone, options.input, options.start, options.seed
        rest = classifier_training.Arm(*named), options.segmenter.absolute()
        train = classifier_training.train_fold
    chosen = range(config.NUM_FOLDS) if options.fold == "all" else [int(options.fold)]
    work = training.Fold(train, options.prepared, options.out, (profile, *rest))
    for fold, name in training.train_folds(work, chosen, executor):
        print(f"fold {fold} held out: {options.out / name}")


def segment(options) -> None:
    """Write a mask for every prepared film."""
    from rds_tf.lungs import segmenter

    run = options.model, options.prepared, options.out, options.steps
    count = segmenter.segment_folder(*run, options.heart)
    print(f"{count} masks in {options.out}")


def evaluate(options) -> None:
    """Print scores of segmentation or of diagnosis, and write them as JSON."""
    from rds_pages.reports import score_tables
    from rds_tf.storage import disk

    if options.what == "segmentation":
        from rds_tf.lungs import evaluation

        angles = _read_angles(options.angles)
        cases = options.prepared, options.model
        result = evaluation.evaluate(*cases, angles=angles, heart=options.heart)
    else:
        from rds_tf.classification import classifier

        models = classifier.load_classifiers(options.model)
        result = classifier.evaluate(options.prepared, models, options.segmenter)
    print(
        score_tables.format_scores(
            options.what, result, options.prepared.resolve().name
        )
    )
    if options.json:
        disk.write_json(options.json, result)


def _read_angles(text: str) -> list[float]:
    try:
        return [float(angle) for angle in text.split(",")]
    except ValueError:
        raise errors.InputError(
            f"`--angles` must be numbers such as 0,45,90. Received: {text!r}"
        ) from None


def compare(options) -> None:
    """Train every arm on every fold and print, write and draw their comparison."""
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
    profile = config.load_profile(options.profile, options.steps)
    jobs = cross_validation.list_jobs(options.prepared, options.out, arms, profile)
    cross_validation.run(jobs, options.segmenter, executor)
    print(comparison.write(jobs, options.tubes, options.finding))
    print(config.NOT_FOR_CLINICAL_USE)


def audit(options) -> None:
    """Audit classifiers for one nuisance, write the page and print the verdict."""
    from rds_pages.reports import audit_report
    from rds_tf.audit import audit, nuisances
    from rds_tf.classification import classifier
    from rds_tf.data import prepare
    from rds_tf.storage import disk

    table = prepare.load_manifest(options.prepared)
    models = classifier.load_classifiers(options.model)
    cases = audit.load_cases(options.prepared, table, options.tubes, options.segmenter)
    arms = audit.audit_arms(options.prepared, models, options.nuisance, cases, table)
    judged = {arm: result for arm, (result, _, _) in arms.items()}
    nuisance = nuisances.list_nuisances(cases)[options.nuisance]
    _, probes, kept = next(iter(arms.values()))
    pictures = audit_report.draw_most_moved([cases[i] for i in kept], probes, nuisance)
    page = audit_report.format_page(judged, nuisance.name, pictures)
    stem = options.out / f"audit_{options.nuisance}"
    print(audit_report.format_text(judged, nuisance.name))
    with disk.claim(options.out):
        disk.write_whole(stem.with_suffix(".html"), page.encode())
        disk.write_json(stem.with_suffix(".json"), judged)


def diagnose(options) -> int:
    """Diagnose films; 1 if one was refused, or could not be exported."""
    from rds_tf.diagnosis import batch, diagnose

    if not options.path.exists():
        raise FileNotFoundError(f"{options.path}: there is no such file or folder.")
    not_written = []
    export = _export_or_note(not_written) if options.dicom else None
    models = diagnose.load_models(options.models)
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
    return 1 if refused + not_written else 0


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
    """Print the sizes of a reader study, and write its pack."""
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

        print(pack.write_pack(options.prepared, options.pack, options.models, plan))


def study_analyse(options) -> None:
    """Analyse readings; print the table, write page and figures."""
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
    """Serve the reading room of a pack until interrupted."""
    with errors.require_extra("pages", "`rds-tf serve study`", "Gradio"):
        from rds_pages.reading_room import server

    server.serve(options.pack, options.host, options.port)


def serve_demo(options) -> None:
    """Serve the exhibition page until interrupted."""
    with errors.require_extra("pages", "`rds-tf serve demo`", "Gradio"):
        from rds_pages.exhibition import server

    server.serve(options.models, options.host, options.port)


def report(options) -> None:
    """Write the paper kit of a run."""
    from rds_pages.paper_kit import kit

    print(kit.write(options.run_folder, options.out))


def demo(options) -> None:
    """Run the main job."""
    with errors.require_extra("notebooks", "`rds-tf demo`", "Jupyter"):
        from rds_pages import demo

    demo.run(options.profile, options.cohort, options.root)
