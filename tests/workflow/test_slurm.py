"""The smoke study on a real SLURM of one node: the same tables, bit for bit."""

import pytest
from slurm.cluster import SYSTEM_CONFIG, asked, cluster, obstacle

PROFILE = "profiles/slurm"
POLL_OFTEN = ("--seconds-between-status-checks", "1", "--slurm-init-seconds-before-status-checks", "1")

pytestmark = [pytest.mark.workflow, pytest.mark.slurm]


@pytest.fixture
def slurm(tmp_path_factory):
    """A SLURM of one node, whose daemons have ended when the test has."""
    if problem := obstacle():
        pytest.skip(problem)
    with cluster(tmp_path_factory.mktemp("slurm")):
        yield
    assert not SYSTEM_CONFIG.is_symlink()


def run_on_slurm(workflow, *targets, **environment):
    """Run the study through the cluster profile; return what was printed."""
    profile = str(workflow.checkout / PROFILE)
    return workflow.run("--workflow-profile", profile, *POLL_OFTEN, *targets, **environment)


def test_tables_of_both_sections_made_on_slurm_are_those_made_here(slurm, empty, finished):
    """With a home folder that cannot be written at that, and what docs/cluster.md says to do then."""
    home = {"HOME": "/dev/null/home", "XDG_CACHE_HOME": str(empty.folder / ".cache")}
    printed = run_on_slurm(empty, "--until", "attention", "ablation_tables", **home)
    assert printed.count("has been submitted with SLURM jobid") >= len(("sample", "rows", "rows", "label"))
    assert not asked("squeue", "--noheader", "--states=R,PD").strip()
    expected, tables = finished.tables(), empty.tables()
    names = {name.rpartition("/")[2] for name in tables}
    assert {
        "prompts.parquet",
        "000000.parquet",
        "labels.parquet",
        "distribution.csv",
        "ablation.csv",
    } <= names
    assert {name for name, content in tables.items() if content != expected[name]} == set()


@pytest.mark.long
def test_the_whole_study_runs_on_slurm(slurm, empty, finished):
    run_on_slurm(empty)
    expected, tables = finished.tables(), empty.tables()
    assert tables.keys() == expected.keys()
    assert {name for name, content in tables.items() if content != expected[name]} == set()
    assert (empty.folder / "results/smoke/report/index.pdf").stat().st_size
