"""The verb that plans a reader study, as `rds_tf.commands` says of the others."""

from rds_tf import errors

VERBS = {
    "study plan": "prepared? pack? --models --segmenter/own --readers --cases=100 "
    "--finding --order --washout-days --auroc --effect --power --pilot --structure "
    "--correlations --reader-sd --simulations --seed=7",
}


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
