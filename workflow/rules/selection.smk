# In:  text that the report does not read: another split beside the report's, or other sequences of the data set.
# Out: selection/prompts.parquet, selection/edge_profile.csv and edge_explained.csv (what every head of the model does
#      there), selection.json: how the heads rank, by which criterion, and the rank of the study's heads.
# With `head: auto` the study is of the head that comes out first.


if STUDY.selection.prompts:

    rule selection_sample:
        input:
            split=selection_files(),
            tokenizer=f"{STUDY.model}/tokenizer.json",
            report=rules.sample.output.prompts,
        output:
            prompts=f"{OUT}/selection/prompts.parquet",
            sampling=f"{OUT}/selection/sampling.json",
        localrule: True
        threads: 1
        resources:
            mem_mb=memory(3000),
            runtime=minutes(60),
        params:
            prompts=STUDY.selection.prompts,
            context=STUDY.context,
            seed=STUDY.seed,
            corpus=STUDY.corpus.model_dump(),
            megabytes=None if STUDY.sample.exact else STUDY.sample.megabytes,
        message:
            "Sampling {params.prompts} prompts to choose a head on"
        script:
            "../scripts/selection_sample.py"

    rule selection_profile:
        input:
            prompts=rules.selection_sample.output.prompts,
            model=model_files(),
        output:
            profile=f"{OUT}/selection/edge_profile.csv",
            explained=f"{OUT}/selection/edge_explained.csv",
        threads: 2
        resources:
            mem_mb=memory(2000),
            runtime=minutes(120),
            gpu=GPU,
        params:
            prompts=STUDY.selection.prompts,
            most_rows=STUDY.edges.rows,
            window=STUDY.previous_window,
            device=STUDY.device,
            n_resamples=STUDY.bootstrap,
            seed=STUDY.seed,
        message:
            "Cutting the edges of every head, by behaviour, on {params.prompts} prompts to choose on"
        script:
            "../scripts/selection_profile.py"

    rule selection:
        input:
            profile=rules.selection_profile.output.profile,
            explained=rules.selection_profile.output.explained,
            prompts=rules.selection_sample.output.prompts,
            sampling=rules.selection_sample.output.sampling,
            report=rules.sample.output.prompts,
        output:
            selection=f"{OUT}/selection.json",
        localrule: True
        threads: 1
        resources:
            mem_mb=memory(1000),
            runtime=minutes(10),
        params:
            heads=HEADS,
            given=GIVEN,
        message:
            "Ranking the heads"
        script:
            "../scripts/selection.py"

    if HEADS:

        rule selected_tokens:
            input:
                prompts=rules.selection_sample.output.prompts,
                model=model_files(),
            output:
                of_each_head("selected_tokens.json"),
            threads: 1
            resources:
                mem_mb=memory(2000),
                runtime=minutes(30),
                gpu=GPU,
            params:
                heads=HEADS,
                window=STUDY.previous_window,
                threshold=STUDY.threshold,
                taxonomy=STUDY.taxonomies[0],
                tokens=STUDY.destination_tokens.model_dump(),
                device=STUDY.device,
                dtype=STUDY.dtype,
                seed=STUDY.seed,
            message:
                "Choosing the destination tokens that figures show"
            script:
                "../scripts/selected_tokens.py"


if not HEADS:

    onsuccess:
        print("polyhead: a head is chosen (selection.json); the same command again makes the study of it")
