# In:  prompts.parquet, the model; filled templates.
# Out: of every head of the model: edge_profile.csv (rows that each behaviour dominates, what cutting its edges
#      costs), edge_contexts.csv, edge_explained.csv, verdicts.csv and figures, over the first `profile_prompts`
#      prompts; of the study's heads and all polysemantic ones rivals.csv and chance.csv, the verdict held against
#      what is simpler. Per head of the study, all in one job: edge_costs.csv, edge_contexts.csv, mean_output.json over the
#      first `real_text_prompts`, and a figure; resting.csv and unknown_edges.csv, what rows of each label are worth;
#      contexts.csv and context_positions.csv for places found in them by rule; task_edges.csv and task_sources.csv
#      for the tasks. From the stored rows alone: label_edges.csv, the labels by edge class, and
#      unknown_without_rest.csv, what *unknown* rows are called when rest is taken out.
# Each is left out where its number of prompts is 0; without tasks there are no edges of tasks.


if STUDY.edges.prompts:

    rule edge_profile:
        input:
            prompts=rules.sample.output.prompts,
            model=model_files(),
        output:
            profile=f"{OUT}/edge_profile.csv",
            contexts=f"{OUT}/edge_contexts.csv",
            explained=f"{OUT}/edge_explained.csv",
        threads: 2
        resources:
            mem_mb=memory(2000),
            runtime=minutes(120),
            gpu=GPU,
        params:
            prompts=STUDY.edges.prompts,
            most_rows=STUDY.edges.rows,
            window=STUDY.previous_window,
            device=STUDY.device,
            n_resamples=STUDY.bootstrap,
            seed=STUDY.seed,
        message:
            "Cutting the edges of every head, by behaviour, on {params.prompts} prompts"
        script:
            "../scripts/edge_profile.py"

    rule verdicts:
        input:
            profile=rules.edge_profile.output.profile,
            explained=rules.edge_profile.output.explained,
            costs=of_each_head("edge_costs.csv") if STUDY.ablation.real_text_prompts else [],
        output:
            verdicts=f"{OUT}/verdicts.csv",
            figure=f"{OUT}/figures/edge_profile.svg",
            map=f"{OUT}/figures/heads_map.svg",
            behaviours=of_each_head("figures/behaviours.svg"),
        localrule: True
        threads: 1
        resources:
            mem_mb=memory(1000),
            runtime=minutes(10),
        params:
            heads=HEADS,
        message:
            "Verdict on every head, and the figures"
        script:
            "../scripts/verdicts.py"


if STUDY.ablation.real_text_prompts:

    rule edge_costs:
        input:
            prompts=rules.sample.output.prompts,
            model=model_files(),
        output:
            costs=of_each_head("edge_costs.csv"),
            contexts=of_each_head("edge_contexts.csv"),
            means=of_each_head("mean_output.json"),
            figures=of_each_head("figures/edge_costs.svg"),
        threads: 2
        resources:
            mem_mb=memory(2000),
            runtime=minutes(60),
            gpu=GPU,
        params:
            heads=HEADS,
            prompts=STUDY.ablation.real_text_prompts,
            window=STUDY.previous_window,
            device=STUDY.device,
            n_resamples=STUDY.bootstrap,
            seed=STUDY.seed,
        message:
            "Cutting the edges of {params.heads}, class by class, on {params.prompts} prompts"
        script:
            "../scripts/edge_costs.py"
