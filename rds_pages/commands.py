"""The verbs that end in a table or a page, as `rds_tf.commands` says of the others."""

from rds_tf import config, errors

VERBS = {
    "evaluate segmentation": "prepared --models --angles --heart/models --json",
    "evaluate diagnosis": "prepared --models --segmenter/own --json",
    "compare": "prepared out --backbones --inputs --seeds --tubes --finding --start "
    "--segmenter --again --training-steps --profile --engine --address",
    "audit": "prepared out --models --segmenter/own --nuisance --tubes",
    "serve study": "pack --host --port",
    "serve demo": "--models --segmenter/own --host --port",
    "report": "results out",
    "demo": "--profile --cohort --root",
    "study analyse": "readings --key --out --json",
}


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
    ensemble.json, by which `diagnose` joins the models. Finished trainings are only
    repeated with --again.
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
