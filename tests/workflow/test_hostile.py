"""A corpus that means harm: nothing of it is executed, every figure is valid, no file lands elsewhere."""

import re
import unicodedata
from xml.etree import ElementTree

import browser
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polyhead.config import StudyConfig
from polyhead.model.vocabulary import open_vocabulary

pytestmark = [pytest.mark.workflow, pytest.mark.long]

TEXT = r"""<script>window.pwned=1</script>
   <img src=x onerror=window.pwned=1>
       </title></svg><script>window.pwned=1</script>]]>&#60;script&#62; ${pwned} $(touch pwned) `touch pwned`
   {{< include /etc/passwd >}} [a](javascript:window.pwned=1) @fig-x #panic() ../../pwned
   """
UNSEEN = "\u202eevil\u2066 \x1b[2J\x00\x07\ufeff\u2028\n   "
SOURCE = '"><script>window.pwned=1</script>../../pwned $(touch pwned)\u202e' + "x" * 10**7
SMALL = [
    "prompts=8",
    "shard_prompts=8",
    "atlas_prompts=2",
    "ablation={tasks: [], real_text_prompts: 2}",
    "edges={prompts: 0}",  # its tables and figures show no text, nor do those of mechanism
    "mechanism={prompts: 0}",
]
INVISIBLE = ("Cc", "Cf", "Cs", "Zl", "Zp")


@pytest.fixture(scope="module")
def hostile(workflow_in, tmp_path_factory):
    """The smoke study, smaller, on a hostile corpus, where its files would do harm if anything ran them."""
    workflow = workflow_in(tmp_path_factory.mktemp("hostile"))
    model = workflow.checkout / StudyConfig.model_fields["model"].default
    vocabulary = open_vocabulary(model / "tokenizer.json")
    tokens = vocabulary.encode((TEXT + UNSEEN) * 4)
    sequences = [[vocabulary.bos, *tokens[k : k + 127]] for k in range(10)]
    (workflow.folder / "corpus").mkdir()
    columns = {
        "tokens": sequences,
        "source": [SOURCE] * 10,
        "source_type": ["<b onclick=window.pwned=1>"] * 10,
    }
    pq.write_table(pa.table(columns), workflow.folder / "corpus/held_out.parquet")
    workflow.run("--config", "corpus={path: corpus, split: held_out}", *SMALL)
    return workflow


def test_nothing_was_executed_and_no_file_lies_elsewhere(hostile):
    assert {path.name for path in hostile.folder.iterdir()} == {".snakemake", "corpus", "results"}
    assert [path.name for path in (hostile.folder / "results").iterdir()] == ["smoke"]
    assert not list(hostile.folder.rglob("*pwned*"))
    assert not (hostile.folder.parent / "pwned").exists()


def test_every_figure_is_valid_and_holds_no_script(hostile):
    figures = list(hostile.folder.glob("results/smoke/**/*.svg"))
    assert figures
    for path in figures:
        tree = ElementTree.parse(path)
        assert not [node for node in tree.iter() if node.tag.endswith("script")]
        assert not [name for node in tree.iter() for name in node.attrib if name.startswith("on")]
        shown = "".join(tree.getroot().itertext())
        assert not {c for c in shown if unicodedata.category(c) in INVISIBLE and c not in "\n\t"}, path.name


@browser.needed
def test_the_report_shows_the_text_and_runs_none_of_it(hostile):
    page = hostile.folder / "results/smoke/report/index.html"
    assert page.stat().st_size < 10**7
    assert not re.search(r"<script>window\.pwned|<img src=x|root:x:0", page.read_text())
    with browser.browsing() as shown:
        shown.open(page)
        assert shown.run("typeof window.pwned") == "undefined"
        assert "window" in shown.run("document.body.innerText")
        assert not [url for url in shown.requests if not url.startswith(("file:", "data:"))]
