# In:  STUDY.
# Out: helpers for the report's inputs: files of this checkout, the model's card. No rules.
BASE = Path(workflow.basedir)


def checkout(name):
    """A file of this checkout, as seen from the working directory."""
    return os.path.relpath(BASE / name)


def checkout_files(folder, pattern="*"):
    """The files of a folder of this checkout."""
    return sorted(checkout(path) for path in (BASE / folder).glob(pattern) if path.is_file())


def model_card():
    """The model's sizes and, where it has one, its evaluation."""
    evaluation = Path(STUDY.model, "evaluation.json")
    return [f"{STUDY.model}/config.json", *([str(evaluation)] if evaluation.is_file() else [])]
