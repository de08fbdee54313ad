# In:  STUDY.
# Out: helpers for inputs: files of this checkout, what they import, the model's card. No rules.
from polyhead.study.imports import reached

BASE = Path(workflow.basedir)


def checkout(name):
    """A file of this checkout, as seen from the working directory."""
    return os.path.relpath(BASE / name)


def checkout_files(folder, pattern="*"):
    """The files of a folder of this checkout."""
    return sorted(checkout(path) for path in (BASE / folder).glob(pattern) if path.is_file())


def imported_by(name):
    """The files of this checkout that a Python file of it imports, all the way down."""
    return [str(path) for path in reached(Path(checkout(name)), Path(checkout("src")))]


def model_card():
    """The model's sizes and, where it has one, its evaluation."""
    evaluation = Path(STUDY.model, "evaluation.json")
    return [f"{STUDY.model}/config.json", *([str(evaluation)] if evaluation.is_file() else [])]
