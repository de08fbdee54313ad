"""Judge every head. In: edge_profile.csv, edge_explained.csv, edge_costs.csv. Out: verdicts.csv, figures."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.ablation.edge_figures import behaviours_figure, map_figure, profile_figure
    from polyhead.ablation.edge_profile import read_profile
    from polyhead.ablation.edge_tables import read_costs
    from polyhead.ablation.verdict import read_explained, verdict_table
    from polyhead.files import write_csv
    from polyhead.style import save_svg, style

    profile = read_profile(snakemake.input.profile)
    verdicts = verdict_table(profile, read_explained(snakemake.input.explained))
    write_csv(snakemake.output.verdicts, verdicts)
    with style():
        save_svg(profile_figure(profile, verdicts, snakemake.params.heads), snakemake.output.figure)
        save_svg(map_figure(profile, verdicts, snakemake.params.heads), snakemake.output.map)
        costs = {Path(path).parent.name: read_costs(path) for path in snakemake.input.costs}
        for head, path in zip(snakemake.params.heads, snakemake.output.behaviours, strict=True):
            line = verdicts[verdicts["head"] == head].iloc[0]
            link = f"explorer.html#head={head}&class=" if head == snakemake.params.heads[0] else ""
            own = profile[profile["head"] == head]
            save_svg(behaviours_figure(own, line, link, costs.get(head)), path)
