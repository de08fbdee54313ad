"""Ablate heads in contexts found by rule. In: prompts, model. Out: contexts, context_positions.csv."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    from polyhead.ablation.contexts import find_contexts, head_contexts
    from polyhead.ablation.edge_survey import read_real_text
    from polyhead.ablation.patching import error_context
    from polyhead.files import write_csv
    from polyhead.model.head import Head
    from polyhead.model.opening import open_for_ablation, to_device
    from polyhead.model.vocabulary import open_vocabulary

    use_threads(snakemake.threads)
    params, out, directory = snakemake.params, snakemake.output, Path(snakemake.input.model[0]).parent
    model = to_device(open_for_ablation(directory), params.device, "float32")
    vocabulary = open_vocabulary(directory / "tokenizer.json")
    text = read_real_text(snakemake.input.prompts, params.prompts, vocabulary, params.window)
    with error_context(f"model {directory}, contexts in real text"):
        found = find_contexts(
            model, text, [Head.parse(head) for head in params.heads], params.most, params.seed
        )
        for place, name in enumerate(params.heads):
            tables = head_contexts(model, found[Head.parse(name)], text, params.n_resamples, params.seed)
            write_csv(out.contexts[place], tables[0])
            write_csv(out.positions[place], tables[1])
