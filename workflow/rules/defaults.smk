# In:  every rule of the workflow, of this file's includes and the Snakefile's.
# Out: what all rules have alike, so that none repeats it: the code that a rule depends on, read from its script's
#      imports; a log and a benchmark in the study's folder; the locked environment.


def code_of(rule_):
    """The script that a rule runs, the one of the rule's name, and the files that they import."""
    names = {Path(rule_.script).name, f"{rule_.name}.py"}
    scripts = [script for name in names if (BASE / (script := f"workflow/scripts/{name}")).is_file()]
    return sorted({each for script in scripts for each in (checkout(script), *imported_by(script))})


def record_of(rule_, folder, ending):
    """A rule's log or benchmark: one file a job."""
    job = "_".join(f"{{{name}}}" for name in sorted(rule_.wildcard_names))
    return f"{OUT}/{folder}/" + "/".join(filter(None, [rule_.name, job])) + ending


for each in workflow.rules:
    if not each.script:
        continue
    each.input_modifier = each.log_modifier = each.benchmark_modifier = workflow.modifier.path_modifier
    each.set_input(library=code_of(each))
    each.set_log(record_of(each, "logs", ".log"))
    if each.output:
        each.set_input(claimed=runs_alone(OUT))
        each.benchmark = record_of(each, "benchmarks", ".tsv")
    each.conda_env = "../../envs/polyhead.yaml"  # from the folder of the rules
