"""The tables, figures and records of a small study, written by hand, for the report."""

import json
from pathlib import Path

import yaml

from polyhead.config import StudyConfig
from polyhead.report.document import assemble

HEAD = "1.4"
SOURCES = Path(__file__).parents[1] / "report"
TEMPLATES = SOURCES.parent / "config/templates.yaml"
WEIGHTS = "a" * 64
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="300pt" height="80pt" viewBox="0 0 300 80">'
    '<desc>{} is seen</desc><g id="axes_1"><text x="5" y="20">{}</text></g></svg>'
)
EMPTY = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><g id="figure_1"><text>-</text></g></svg>'
)


def tables(tasks=("induction", "optional_argument"), edges=True):
    """Return the tables of the study: {head} stands for its head's folder."""
    found = {
        "{head}/distribution.csv": """\
taxonomy,token_label,label,rows,share,share_low,share_high
post,all,inactive,200,0.2,0.19,0.21
post,all,previous,500,0.5,0.48,0.52
post,all,unknown,300,0.3,0.28,0.32
post,⏎[·×3],unknown,50,0.9,0.8,0.95
""",
        "{head}/contrasts.csv": """\
contrast,value,value_low,value_high
⏎[·×3] and ⏎[·×7],0.04,0.02,0.06
second label at ⏎[·×3],0.1,0.08,0.12
""",
    }
    runs = ["task,method,run,prompts,top1,top1_low,top1_high,mean_probability,drop,drop_low,drop_high"]
    for task in tasks:
        runs += [
            f"{task},bos,clean,50,0.9,0.8,0.95,0.6,,,",
            f"{task},bos,ablated,50,0.3,0.2,0.4,0.2,0.4,0.35,0.45",
        ]
        runs += [f"{task},bos,edge,50,,,,,0.3,0.25,0.35", f"{task},bos,elsewhere,50,,,,,0.01,0.0,0.02"]
    if tasks:
        found["{head}/ablation.csv"] = "\n".join(runs) + "\n"
    if edges:
        found["edges.csv"] = """\
head,edges,rows,documents,share,share_low,share_high,uniform,mass,entropy,cost,cost_low,cost_high,bos,measured,does
1.4,all,900,30,1,1,1,1,1,2.0,0.1,0.08,0.12,0.1,900,
1.4,previous,450,30,0.5,0.45,0.55,0.1,0.5,,0.123,0.1,0.15,0.2,400,yes
1.4,induction,90,25,0.1,0.05,0.15,0.02,0.1,,0.3,0.2,0.4,0.3,90,undecided
1.4,indent,5,5,0.005,0.004,0.006,0.0,0.005,,0.9,0.8,1.0,0.8,5,no
1.10,previous,0,0,0,0,0,0.1,0,,,,,,0,no
"""
        found["verdicts.csv"] = """\
head,behaviours,verdict,sink,explained,explained_low,explained_high
1.4,previous,undecided,0.2,0.7,0.6,0.8
1.10,,none,0.1,,,
"""
        found["{head}/moments.csv"] = """\
edges,destination,source,next_token,count,drop,copied,prompt,position
previous,a|b,`,NA,12,0.4,True,3,20
previous,1,·x,·x,9,0.3,False,0,21
"""
        found["{head}/mechanism/needs.csv"] = """\
edges,component,side,share_clean,share,share_low,share_high
previous,0.2,key,0.5,0.1,0.08,0.12
previous,embed,query,0.5,0.49,0.4,0.6
"""
    return found


def write_study(folder, tasks=("induction", "optional_argument"), edges=True, weights=WEIGHTS, **config):
    """Write a finished study but for what the report itself makes; return its folder."""
    study = StudyConfig.model_validate(
        {"study": "small", "head": [HEAD], "ablation": {"methods": ["bos"]}, **config}
    ).model_dump(mode="json")
    for head in study["head"]:
        for name, text in tables(tasks, edges).items():
            path = folder / name.format(head=f"heads/{head}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    head = folder / "heads" / study["head"][0]
    names = [f"heads/{head.name}/figures/{name}" for name in ("distribution_post", "sensitivity")]
    names += [f"heads/{head.name}/figures/task_{task}" for task in tasks]
    names += [f"heads/{head.name}/figures/edges", "figures/heads"] if edges else []
    for name in [*names, f"heads/{head.name}/examples/00", f"heads/{head.name}/examples/01"]:
        path = folder / f"{name}.svg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SVG.format(path.stem, path.stem), encoding="utf-8")
    example = {"token_label": "⏎[·×3]", "label": "unknown", "behaviours": {"post": "unknown"}, "prompt": 3}
    examples = [{**example, "position": k, "text": f"Row {k}", "svg": f"examples/0{k}.svg"} for k in (0, 1)]
    (head / "examples.json").write_text(json.dumps(examples), encoding="utf-8")
    (head / "explorer_rows.json").write_text('{"prompts": [{"name": "3", "length": 30}]}', encoding="utf-8")
    sampling = json.dumps({"prompts": 5, "says": "5 of 9 sequences"})
    (folder / "sampling.json").write_text(sampling, encoding="utf-8")
    sizes = yaml.safe_load((SOURCES / "published.yaml").read_text(encoding="utf-8"))["shape"]
    provenance = {
        "config": study,
        "code": {"commit": "c0ffee"},
        "files": {f"{study['model']}/model.safetensors": {"sha256": weights, "bytes": 5_000_000}},
        "machine": {"processor": "a processor", "cores": 2},
        "model": sizes,
        "model_source": {},
        "transformer_lens": {"version": "4.3", "prompts": 2, "not_compared": ""}
        | {"patterns": 1e-6, "logits": 2e-5, "largest_logit": 9.0},
        "stages": {"rows": {"jobs": 2, "seconds": 70.2, "memory_mib": 500.0}},
    }
    (folder / "provenance.json").write_text(json.dumps(provenance), encoding="utf-8")
    return folder


def built(folder, **changes):
    """Write a study and the folder that its report is rendered from; return the document."""
    write_study(folder, **changes)
    assemble(folder, SOURCES, folder / "build", TEMPLATES, "a test")
    return (folder / "build/index.qmd").read_text(encoding="utf-8")
