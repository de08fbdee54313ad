"""Cut every class of some heads' edges. In: prompts, model. Out: per head two tables, mean output, figure."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    from polyhead.ablation.edge_figures import costs_figure
    from polyhead.ablation.edge_survey import open_with_text, survey
    from polyhead.ablation.edge_tables import context_matrix, head_edge_costs
    from polyhead.ablation.patching import error_context
    from polyhead.files import write_csv, write_json
    from polyhead.model.head import Head
    from polyhead.style import save_svg, style

    use_threads(snakemake.threads)
    params, out, directory = snakemake.params, snakemake.output, Path(snakemake.input.model[0]).parent
    model, text = open_with_text(
        directory, snakemake.input.prompts, params.prompts, params.window, params.device
    )
    with error_context(f"model {directory}, edges on real text"):
        found = survey(model, text.contexts(), [Head.parse(head) for head in params.heads])
        tables = head_edge_costs(
            model,
            found,
            text,
            params.n_resamples,
            params.seed,
            lambda done: print(f"{done} of {len(text.prompts)} prompts"),
        )
    for place, name in enumerate(params.heads):
        head = Head.parse(name)
        write_csv(out.costs[place], tables[head])
        write_csv(out.contexts[place], context_matrix(tables[head]))
        write_json(out.means[place], found.mean_of(head).tolist())
        with style():
            save_svg(costs_figure(tables[head]), out.figures[place])
