import pytest
from report_study import REPOSITORY

from polyhead.report.kept_example import RECORD, source_hashes, stale_sources, write_example
from polyhead.report.render import check_html

EXAMPLE = REPOSITORY / "docs" / "example"
LARGEST = 7_000_000  # bytes, of which the explorer has about half
GOLDEN = "tests/golden/smoke.json"
RENEW = "run `snakemake example` and commit docs/example (tests/golden/smoke.json: the numbers changed)"
needs_example = pytest.mark.skipif(
    not (EXAMPLE / RECORD).is_file(), reason="no example is kept; `snakemake example` makes it"
)


@needs_example
def test_the_example_is_what_its_sources_would_give():
    stale = stale_sources(REPOSITORY, EXAMPLE)
    assert stale == [], f"changed since the example was made: {stale}; {RENEW}"


@needs_example
def test_the_example_is_small_and_whole():
    assert sum(path.stat().st_size for path in EXAMPLE.iterdir()) < LARGEST
    assert (EXAMPLE / "index.pdf").read_bytes().startswith(b"%PDF")
    check_html((EXAMPLE / "index.html").read_text(encoding="utf-8"))
    assert (EXAMPLE / "explorer.html").is_file()


def test_the_published_models_example_is_small_and_whole():
    """It is kept as it was made: making it anew takes half an hour."""
    folder = REPOSITORY / "docs" / "example-smollm2"
    report = [folder / "index.html", folder / "index.pdf"]
    assert sum(path.stat().st_size for path in report) < 4_000_000
    assert report[1].read_bytes().startswith(b"%PDF")
    check_html(report[0].read_text(encoding="utf-8"))
    assert (folder / "explorer.html").is_file()


@pytest.fixture
def repository(tmp_path):
    for name in ("config.yaml", "report/index.qmd", GOLDEN, "resources/reference-model/model.safetensors"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "index.html").write_text("page")
    write_example([tmp_path / "index.html"], tmp_path, tmp_path / "docs")
    return tmp_path


def test_an_example_is_fresh_when_it_was_made(repository):
    assert (repository / "docs" / "index.html").read_text() == "page"
    assert stale_sources(repository, repository / "docs") == []


def test_a_source_that_changed_came_or_went_makes_it_stale(repository):
    (repository / "config.yaml").write_text("seed: 1")
    (repository / GOLDEN).write_text("other numbers")
    (repository / "report" / "style.css").write_text("a {}")
    (repository / "resources/reference-model/model.safetensors").unlink()
    stale = ["config.yaml", "report/style.css", "resources/reference-model/model.safetensors", GOLDEN]
    assert stale_sources(repository, repository / "docs") == stale


def test_every_file_of_the_document_is_a_source():
    hashed = set(source_hashes(REPOSITORY))
    files = {
        path.relative_to(REPOSITORY).as_posix()
        for path in (REPOSITORY / "report").rglob("*.*")
        if path.is_file() and path.parent.name != "compare"  # another page
    }
    assert files <= hashed
