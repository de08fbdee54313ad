"""Take a head's scores apart, and each input away. In: prompts, model. Out: tables, figures, or why not."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    from polyhead.edges.survey import read_real_text
    from polyhead.files import write_csv, write_json
    from polyhead.mechanism import tables
    from polyhead.mechanism.figures import needs_figure, scores_figure
    from polyhead.mechanism.kinds import EDGES, naming
    from polyhead.mechanism.measure import Asked, find_usual, measure, nothing
    from polyhead.model.head import Head
    from polyhead.model.opening import open_model, to_device
    from polyhead.model.taken_apart import InexactError, decomposable
    from polyhead.style import save_svg, style

    use_threads(snakemake.threads)
    params, out, directory = snakemake.params, snakemake.output, Path(snakemake.input.model[0]).parent
    model, vocabulary = open_model(directory)
    head, reason = Head.parse(snakemake.wildcards.head), ""
    try:
        asked = Asked(
            decomposable(to_device(model, params.device, "float32"), head.layer),
            head,
            params.components,
            tuple(naming(name, params.threshold) for name in (params.taxonomy, EDGES)),
            read_real_text(snakemake.input.prompts, params.prompts, vocabulary, params.window),
            params.n_resamples,
            params.seed,
        )
        done = measure(
            asked, find_usual(asked), lambda done: print(f"{done} of {len(asked.text.prompts)} prompts")
        )
    except InexactError as error:
        done, reason = nothing(), str(error)
        print(reason)
    write_json(out.left_out, {"reason": reason})
    scores, needs = tables.scores_table(done), tables.needs_table(done)
    write_csv(out.scores, scores)
    write_csv(out.needs, needs)
    write_csv(out.written, tables.written_table(done))
    write_csv(out.agreement, tables.agreement_table(scores, needs))
    write_csv(out.dissociations, tables.dissociations(needs))
    with style():
        save_svg(needs_figure(needs), out.needs_figure)
        save_svg(scores_figure(scores), out.scores_figure)
