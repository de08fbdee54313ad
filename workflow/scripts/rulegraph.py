"""Draw the workflow's rules. In: the workflow's files, the config. Out: rulegraph.svg."""

from _script import logged

with logged(snakemake):
    import json
    import subprocess
    import sys
    import tempfile
    from pathlib import Path

    from polyhead.study.rulegraph import read_dot, rulegraph_figure
    from polyhead.style import save_svg

    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.json"
        config.write_text(json.dumps(dict(snakemake.params.config)))
        command = [sys.executable, "-m", "snakemake", "--snakefile", snakemake.input.snakefile]
        command += ["--configfile", str(config), "--rulegraph", "dot", "--cores", "1", "--quiet", "--nolock"]
        dot = subprocess.run(command, capture_output=True, text=True, check=False)
    print(dot.stderr)
    dot.check_returncode()
    save_svg(rulegraph_figure(read_dot(dot.stdout)), snakemake.output.figure)
