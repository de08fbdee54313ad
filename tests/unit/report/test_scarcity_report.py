"""The appendix about models of fewer heads: its sentence for every answer, its table, and its absence."""

import pandas as pd
import pytest
from report_study import REPOSITORY, SOURCES, SVG, words_of, write_study

from polyhead.files import write_json
from polyhead.report import scarcity
from polyhead.report.document import assemble
from polyhead.report.gather import gather
from polyhead.report.numbers import Numbers, read_numbers, write_numbers

ANSWERS = {"2": "yes", "8": "no"}
MODELS = {"two": (2, 0, 1.25), "two-again": (2, 1, 1.5), "eight": (8, 0, 0.5)}
"""Of each model: heads a layer, seed, behaviours a head."""


def write_copy(folder, answer="undecided", answers=None):
    """Write what the checkout keeps of a made-up comparison."""
    folder.mkdir()
    answers = answers or ANSWERS
    lines = [
        {"variant": name, "heads": heads, "layers": 4, "d_model": 256, "seed": seed, "tokens": 12_288_000}
        | {"parameters": 3_200_000, "held_out_loss": 2.2 + heads / 10, "polysemantic": 3, "behaviours": value}
        | {"low": value - 0.25, "high": value + 0.25, "behaviours_perhaps": value + 1}
        | {"perhaps_low": value, "perhaps_high": value + 1, "named_extended": 0.625, "answer": None}
        for name, (heads, seed, value) in MODELS.items()
    ]
    pd.DataFrame(lines).to_csv(folder / scarcity.TABLE, index=False)
    merged = [
        (heads, merging, counting, statistic, 0.7, low, low + 0.1)
        for heads in (2, 8)
        for merging, low in (("united", 0.65), ("added", 0.85))
        for counting in ("surely", "perhaps")
        for statistic in ("behaviours", "polysemantic")
    ]
    columns = ["heads", "merging", "counting", "statistic", "mean", "low", "high"]
    pd.DataFrame(merged, columns=columns).to_csv(folder / scarcity.MERGED, index=False)
    models = {name: {"sha256": {"corpus": "first"}} for name in MODELS}
    record = {"answer": answer, "answer_by_heads": answers, "models": models}
    write_json(folder / scarcity.ANSWER, record)
    (folder / "scarcity.svg").write_text(SVG.format("scarcity"), encoding="utf-8")
    return folder


def numbers_of(folder, **changes):
    return Numbers(scarcity.numbers_of(write_copy(folder / "copy", **changes), "../copy"))


@pytest.mark.parametrize(
    ("answer", "lead"),
    [
        ("yes", "In these models fewer heads each do more than merging explains: "),
        ("no", "In these models fewer heads each do no more than merging explains: "),
        (
            "undecided",
            "Whether in these models fewer heads each do more than merging explains is undecided: ",
        ),
    ],
)
def test_the_answer_chooses_the_sentence(tmp_path, answer, lead):
    answers = dict.fromkeys(ANSWERS, answer)
    assert scarcity.reading(numbers_of(tmp_path, answer=answer, answers=answers)).startswith(lead)


def test_what_is_said_of_each_number_of_heads_follows_its_own_answer(tmp_path):
    text = scarcity.reading(numbers_of(tmp_path))
    two, eight = text.partition(": ")[2].split("; ")
    assert two == (
        "with 2 heads a layer one does 1.25 (95\u00a0% interval 1.00 to 1.50) and 1.50 (95\u00a0% interval "
        "1.25 to 1.75) behaviours on average, more than merged heads, which do at most 0.95, even if all "
        "their costs add up"
    )
    assert eight.endswith("no more than merged heads, which do 0.65 to 0.75.")
    undecided = scarcity.reading(numbers_of(tmp_path / "copy", answers=dict.fromkeys(ANSWERS, "undecided")))
    assert "which is undecided beside merged heads, which do 0.65 to 0.75, or up to 0.95 if all" in undecided


def test_the_table_has_a_line_for_every_model(tmp_path):
    lines = [line for line in scarcity.models_table(numbers_of(tmp_path)).splitlines() if "nats" in line]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert [row[:2] for row in cells] == [["2", "0"], ["2", "1"], ["8", "0"]]
    assert cells[0][3:] == [
        "3 of 8",
        "1.25 [1.00, 1.50]",
        "2.25",
        "0.65 to 0.75",
        "0.85 to 0.95",
        "62.5\u00a0%",
    ]


@pytest.fixture
def study(tmp_path):
    return write_study(tmp_path / "study")


def page(study, copy):
    """Gather the numbers of a study, put its report together, and return its text."""
    write_numbers(study / "numbers.json", gather(study, study / "model", ["1.4"], copy))
    drawings = {"rulegraph.svg": study / "rulegraph.svg"}
    drawings |= {"scarcity.svg": copy / "scarcity.svg"} if copy else {}
    assemble(study, SOURCES, study / "build", drawings, "a test")
    return words_of(study / "build")


def test_the_appendix_says_the_result_and_so_does_the_picture_for_who_cannot_see_it(study, tmp_path):
    text = page(study, write_copy(tmp_path / "copy"))
    appendix = text.partition("# Do fewer heads each carry more?")[2]
    sentence = scarcity.reading(read_numbers(study / "numbers.json"))
    assert sentence in appendix
    assert f'fig-alt="Dots before bars, by heads a layer. {sentence}"' in appendix
    assert "tbl-scarcity" in appendix
    assert (study / "build/figures/scarcity.svg").is_file()
    source = read_numbers(study / "numbers.json").get("scarcity/two/behaviours").source
    assert (study / source).resolve() == tmp_path / "copy/scarcity.csv"


def test_the_models_are_said_to_be_ours_small_and_hardly_trained(study, tmp_path):
    text = " ".join(page(study, write_copy(tmp_path / "copy")).replace("\u00a0", " ").split())
    assert "The 3 models were trained by this project" in text
    assert "They are small (4 layers of width 256, 3,200,000 weights each)" in text
    assert "trained on no more than 12,288,000 tokens" in text
    assert "says nothing about the post's model" in text
    assert "loss 2.40 nats to 3.00 nats per token, on the same text" in text


def test_without_a_copy_in_the_checkout_there_is_no_appendix(study, tmp_path):
    assert "fewer heads" not in page(study, None)
    assert not (study / "build/figures/scarcity.svg").exists()
    (tmp_path / "empty").mkdir()
    assert list(scarcity.numbers_of(tmp_path / "empty", "empty")) == []


def test_the_copy_of_this_checkout_is_whole_if_there_is_one():
    folder = REPOSITORY / "resources/scarcity"
    found = Numbers(scarcity.numbers_of(folder, "resources/scarcity"))
    assert bool(len(found)) == folder.is_dir()
    if folder.is_dir():
        assert scarcity.reading(found)
        assert scarcity.models_table(found).count("nats") == int(found.get("scarcity/models").value)


CHANGES = {"plain": {}, "adamw": {"training": {"optimiser": "adamw"}}}


def with_probes(copy, named, rest, corpus="first"):
    """Write two probes into a copy: shares of named and of resting rows, without and with the change."""
    model = pd.read_csv(copy / scarcity.TABLE).iloc[0].drop("answer")
    shares = zip(CHANGES, named, rest, strict=True)
    lines = [model.to_dict() | {"variant": name, "named_extended": a, "rest": b} for name, a, b in shares]
    pd.DataFrame(lines).to_csv(copy / scarcity.PROBES_TABLE, index=False)
    models = {name: {"sha256": {"corpus": corpus}} for name in CHANGES}
    write_json(copy / scarcity.PROBES_RECORD, {"changes": CHANGES, "models": models})
    return copy


def probes_of(copy):
    return Numbers([*scarcity.numbers_of(copy, "../copy"), *scarcity.probes_of(copy, "../copy")])


def test_a_change_is_named_where_more_rows_do_something_and_nowhere_else(tmp_path):
    copy = with_probes(write_copy(tmp_path / "copy"), named=(0.25, 0.5), rest=(0.125, 0.0625))
    assert scarcity.probes_reading(probes_of(copy)).replace("\u00a0", " ") == (
        "with `optimiser: adamw` more rows get a name (50.0 %) than by the recipe as it is (25.0 %); by no "
        "change more rows rest than by the recipe as it is (12.5 %). Each was tried once, with one seed: a "
        "hint where to look, not a finding."
    )


@pytest.mark.parametrize(("corpus", "told"), [("first", False), ("second", True)])
def test_the_table_of_probes_says_when_its_models_saw_another_corpus(tmp_path, corpus, told):
    copy = with_probes(write_copy(tmp_path / "copy"), (0.25, 0.5), (0.125, 0.0625), corpus)
    table = scarcity.probes_table(probes_of(copy))
    assert ("another version of the corpus" in table) == told
    assert "| nothing " in table
    assert "| `optimiser: adamw` " in table


def test_the_appendix_has_the_probes_where_the_checkout_has_them(study, tmp_path):
    assert "tbl-scarcity-probes" not in page(study, write_copy(tmp_path / "without"))
    copy = with_probes(write_copy(tmp_path / "copy"), (0.25, 0.5), (0.125, 0.0625))
    assert "tbl-scarcity-probes" in page(study, copy)
