# In:  prompts.parquet, the model.
# Out: per head, over the first `mechanism.prompts` prompts: mechanism/scores.csv, which pairs of components its scores
#      are sums of; needs.csv, what replacing each component in its query, key or value changes; written.csv, what
#      it adds to logits; agreement.csv and dissociations.csv, what follows from the two; two figures. And, all heads
#      in one job: siblings.csv, which other heads do the same on the same rows; together.csv, what ablating all of
#      them costs beyond the sum of each.
# Left out where `mechanism.prompts` is 0, or the model's patterns alone can be read. Where its scores cannot be taken
# apart exactly, left_out.json says why, and the tables of that are empty.


if STUDY.mechanism.prompts:

    rule mechanism:
        input:
            prompts=rules.sample.output.prompts,
            model=model_files(),
        output:
            scores=head_file("mechanism/scores.csv"),
            needs=head_file("mechanism/needs.csv"),
            written=head_file("mechanism/written.csv"),
            agreement=head_file("mechanism/agreement.csv"),
            dissociations=head_file("mechanism/dissociations.csv"),
            left_out=head_file("mechanism/left_out.json"),
            needs_figure=head_file("figures/mechanism_needs.svg"),
            scores_figure=head_file("figures/mechanism_scores.svg"),
        threads: 1
        resources:
            mem_mb=memory(2000),
            runtime=minutes(60),
            gpu=GPU,
        params:
            prompts=STUDY.mechanism.prompts,
            components=STUDY.mechanism.components,
            taxonomy=STUDY.taxonomies[0],
            threshold=STUDY.threshold,
            window=STUDY.previous_window,
            device=STUDY.device,
            n_resamples=STUDY.bootstrap,
            seed=STUDY.seed,
        message:
            f"How {WHICH} does it, on {{params.prompts}} prompts"
        script:
            PER_HEAD
