"""What pages, docstrings and rules name is there: links, files, commands, configs, error messages."""

import ast
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from snakemake.cli import parse_args

from polyhead.config import StudyConfig, sections
from polyhead.prompts.templates import TemplateFile

ROOT = Path(__file__).parents[2]
FILES = subprocess.run(
    ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.split()
TEXTS = {
    name: (ROOT / name).read_text("utf-8") for name in FILES if re.search(r"(\.(md|py|smk|yaml)|file)$", name)
}
ELSEWHERE = ("CHANGELOG.md", "training/card.md")  # of what is gone; filled in and read in another folder
PAGES = [name for name in TEXTS if name.endswith(".md") and name not in ELSEWHERE]
CODE = [
    name for name in TEXTS if re.match(r"(src|workflow|training|benchmarks|notebooks)/.*\.(py|smk)$", name)
]
RULES = "\n".join(text for name, text in TEXTS.items() if re.search(r"\.smk$|Snakefile$", name))
KINDS = "py|smk|md|qmd|yaml|toml|lock|csv|json|parquet|svg|html|pdf|zip|safetensors"
MADE = set(re.findall(rf"[\w-]+\.(?:{KINDS})\b", RULES))
EXAMPLES = {"mine.yaml", "my-templates.yaml", "my.parquet", "section1.csv", "section2.csv", "table.csv"}
KNOWN = {Path(name).name for name in FILES} | MADE | EXAMPLES
FOLDERS = {name.split("/")[0] for name in FILES if "/" in name}
COMMANDS = [(page, line) for page in PAGES for line in re.findall(r"^\$ (.*?)(?: +#.*)?$", TEXTS[page], re.M)]
CONFIGS = [(page, block) for page in PAGES for block in re.findall(r"```yaml\n(.*?)```", TEXTS[page], re.S)]


def words(name):
    """Return what a page writes as code, what a rules' file comments, or a module's docstrings."""
    if not name.endswith(".py"):
        return " ".join(re.findall(r"`[^`]+`" if name.endswith(".md") else "#.*", TEXTS[name]))
    nodes = ast.walk(ast.parse(TEXTS[name]))
    documented = [node for node in nodes if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)]
    return " ".join(ast.get_docstring(node) or "" for node in documented)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_file_leads_to_one(page):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", TEXTS[page])
    local = [link for link in links if not re.match(r"\w+:", link)]
    assert [link for link in local if not (ROOT / page).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize("name", PAGES + CODE)
def test_every_file_that_is_named_is_in_the_checkout_or_made_by_a_rule(name):
    found = re.findall(rf"(?<![\w<>*/.{{}}…-])(?:[\w.-]+/)*[\w-]+\.(?:{KINDS})\b(?![\w(<{{*…-])", words(name))
    lost = {one for one in found if Path(one).name not in KNOWN}
    here = {one for one in found if one.split("/")[0] in FOLDERS and Path(one).name not in MADE}
    lost |= {one for one in here if not (ROOT / one).exists()}
    assert lost == set()


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_every_command_can_be_given(page, line):
    program, *given = shlex.split(line)
    paths = [one for one in given if one.split("/")[0] in FOLDERS]
    assert [one for one in paths if not (ROOT / one).exists()] == []
    if program == "make":
        makefile = Path(given[1] if given[0] == "-C" else ".", "Makefile")
        assert re.search(rf"^[\w ]*\b{given[-1]}\b[\w ]*:", TEXTS[str(makefile)], re.M)
    if program == "snakemake":
        arguments = parse_args(given)[1]
        rules = re.findall(r"^ *rule (\w+):", RULES, re.M)
        assert [one for one in arguments.targets if one not in rules and "/" not in one] == []
        assert [one for one in arguments.configfile or [] if str(one) not in (*TEXTS, *EXAMPLES)] == []
        checked(
            {
                key: yaml.safe_load(value)
                for key, value in (one.split("=", 1) for one in arguments.config or [])
            }
        )


def checked(config):
    """Refuse keys and values that a study cannot have."""
    StudyConfig.model_validate(config, context={"checkout": ROOT})


@pytest.mark.parametrize(("page", "block"), CONFIGS)
def test_every_config_that_a_page_shows_is_one(page, block):
    content = yaml.safe_load(block)
    TemplateFile.model_validate(content) if "templates" in content else checked(content)


def test_the_page_on_studies_has_every_key():
    [whole] = [yaml.safe_load(block) for _, block in CONFIGS if "seed:" in block]
    for name, field in StudyConfig.model_fields.items():
        inner = sections(field.annotation) if name != "model" else []
        assert name in whole
        assert {key for one in inner for key in one.model_fields} == set(whole[name] if inner else ())


def test_the_errors_on_the_page_about_them_are_ours():
    source = "".join(text for name, text in TEXTS.items() if name.startswith(("src/polyhead", "workflow")))
    source = re.sub(r'"\s*f?"', "", source)  # a message that goes on in the next line
    ours = TEXTS["docs/troubleshooting.md"].split("## From other")[0]
    parts = [
        part for one in re.findall(r"^- `([^`]+)`", ours, re.M) for part in " ".join(one.split()).split("…")
    ]
    assert len(parts) > 40
    assert [part for part in parts if len(part) > 4 and part.strip() not in source] == []
