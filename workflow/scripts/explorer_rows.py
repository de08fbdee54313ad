"""Choose prompts for the explorer and measure their rows. In: labels, rows, prompts, model. Out: JSON."""

from _script import logged, use_threads

with logged(snakemake):
    from functools import partial
    from itertools import chain
    from pathlib import Path

    import numpy as np

    from polyhead.attention.labelled_rows import label_chunks
    from polyhead.attention.labels import Definitions
    from polyhead.files import read_chunks, read_json, read_parquet, write_json
    from polyhead.model.head import Head
    from polyhead.model.head_scores import unreadable
    from polyhead.model.opening import open_model
    from polyhead.prompts.sampling import pick_prompts
    from polyhead.prompts.templates import read_task
    from polyhead.report import explorer
    from polyhead.report.explorer_prompt import Asked, usual_parts
    from polyhead.report.explorer_sample import rows_of_classes, sample_groups

    use_threads(snakemake.threads)
    given, params = snakemake.input, snakemake.params
    model, vocabulary = open_model(Path(given.model[0]).parent)
    head, labels = Head.parse(params.head), label_chunks(given.labels)
    if why := unreadable(model):
        found = explorer.nothing_explored(head, why)
    else:
        shown = read_json(given.figure_tokens)["shown"]
        classes = rows_of_classes(chain.from_iterable(read_chunks(path) for path in given.shards))
        examples = [(one["prompt"], one["position"]) for one in read_json(given.examples)]
        wanted = [*classes.values(), *sorted(examples, key=lambda row: row[1])]  # the shorter ones fit first
        sources = read_parquet(given.prompts, ["source", "source_type"]).to_pandas()
        drawn = np.random.default_rng(params.seed).permutation(len(sources)).tolist()
        near = drawn[: explorer.WHOLE_PROMPTS]
        groups, kinds = sample_groups(labels, vocabulary.labels, shown, params.taxonomies, near, params.seed)
        pick = partial(pick_prompts, given.prompts)
        usual = usual_parts(model, head, pick(drawn[: explorer.MEAN_PROMPTS]), params.components)
        mean = np.array(read_json(given.mean), np.float32) if given.mean else None
        definitions = Definitions(params.window, params.threshold, params.taxonomies)
        asked = Asked(model, vocabulary, head, definitions, mean, usual, params.seed)
        prompts = chain(
            explorer.template_prompts([read_task(path) for path in given.tasks]),
            explorer.sampled_prompts(pick, sources, wanted, drawn, kinds),
        )
        found = explorer.explorer_rows(asked, prompts, groups, 1e6 * params.megabytes)
    write_json(snakemake.output.rows, found)
