# In:  config/reference-model.yaml, the installed packages, the Python standard library;
#      for the card: resources/reference-model, resources/corpus.
# Out: results/reference-model/ (documents, tokenizer, packed rows, checkpoint, log, weights), and by the three
#      targets reference_corpus, reference_model and reference_model_card what resources/ holds.
# A rule reruns when its own section of the recipe changes, not when the file does.
# No study depends on these rules, and resources/ is no declared output: it is exported, with a flag in
# results/reference-model, so that a study reads the files as they are and never trains.
import os
from pathlib import Path

import yaml

RECIPE = "config/reference-model.yaml"  # of the working folder, if it has one
if not Path(RECIPE).exists():
    RECIPE = os.path.relpath(Path(workflow.basedir) / RECIPE)
CHOICES = yaml.safe_load(Path(RECIPE).read_text(encoding="utf-8"))
REFERENCE = "results/reference-model"


rule reference_documents:
    input:
        recipe=ancient(RECIPE),
        lock=CHOICES["corpus"]["lock"],
        library=library("reference/corpus", "reference/duplicates", "reference/licences", "reference/build"),
    output:
        documents=f"{REFERENCE}/corpus/documents.parquet",
    log:
        f"{REFERENCE}/logs/documents.log",
    benchmark:
        f"{REFERENCE}/benchmarks/documents.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(6000),
        runtime=minutes(30),
    params:
        choices=[CHOICES["corpus"]],
    message:
        "Collecting the documents of the reference corpus"
    script:
        "../scripts/reference_documents.py"


rule reference_tokenizer:
    input:
        recipe=ancient(RECIPE),
        documents=rules.reference_documents.output.documents,
        library=library("reference/bpe"),
    output:
        tokenizer=f"{REFERENCE}/tokenizer.json",
    log:
        f"{REFERENCE}/logs/tokenizer.log",
    benchmark:
        f"{REFERENCE}/benchmarks/tokenizer.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 2
    resources:
        mem_mb=memory(6000),
        runtime=minutes(30),
    params:
        choices=[CHOICES["tokenizer"], CHOICES["training"]["go_on_from"]],
    message:
        "Learning the reference tokenizer"
    script:
        "../scripts/reference_tokenizer.py"


rule reference_rows:
    input:
        recipe=ancient(RECIPE),
        documents=rules.reference_documents.output.documents,
        tokenizer=rules.reference_tokenizer.output.tokenizer,
        library=library("reference/packing"),
    output:
        rows=f"{REFERENCE}/corpus/{{split}}.npz",
    log:
        f"{REFERENCE}/logs/rows-{{split}}.log",
    benchmark:
        f"{REFERENCE}/benchmarks/rows-{{split}}.tsv"
    wildcard_constraints:
        split="train|held_out",
    conda:
        "../../envs/polyhead.yaml"
    threads: 2
    resources:
        mem_mb=memory(8000),
        runtime=minutes(30),
    params:
        choices=[CHOICES["model"]],
    message:
        "Packing the {wildcards.split} split of the reference corpus"
    script:
        "../scripts/reference_rows.py"


rule reference_corpus:
    input:
        recipe=ancient(RECIPE),
        documents=rules.reference_documents.output.documents,
        train=f"{REFERENCE}/corpus/train.npz",
        held_out=f"{REFERENCE}/corpus/held_out.npz",
        library=library("reference/ship", "reference/rows"),
    output:
        touch(f"{REFERENCE}/corpus.exported"),
    log:
        f"{REFERENCE}/logs/corpus.log",
    benchmark:
        f"{REFERENCE}/benchmarks/corpus.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(10),
    params:
        choices=[CHOICES["corpus"]],
        directory="resources/corpus",
    message:
        "Exporting a sample of the reference corpus to {params.directory}"
    script:
        "../scripts/reference_corpus.py"


rule reference_train:
    input:
        recipe=ancient(RECIPE),
        tokenizer=rules.reference_tokenizer.output.tokenizer,
        train=f"{REFERENCE}/corpus/train.npz",
        held_out=f"{REFERENCE}/corpus/held_out.npz",
    output:
        weights=f"{REFERENCE}/weights.pt",
        log=f"{REFERENCE}/log.csv",
    log:
        f"{REFERENCE}/logs/train.log",
    benchmark:
        f"{REFERENCE}/benchmarks/train.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: workflow.cores
    resources:
        mem_mb=memory(8000),
        runtime=minutes(1440),
    params:
        choices=[CHOICES["model"], CHOICES["training"]],
        folder=f"{REFERENCE}/checkpoint",
    message:
        "Training the reference model (resumes from {params.folder}/last.pt; progress in {params.folder}/log.csv)"
    script:
        "../scripts/reference_train.py"


rule reference_model:
    input:
        recipe=ancient(RECIPE),
        weights=rules.reference_train.output.weights,
        log=rules.reference_train.output.log,
        tokenizer=rules.reference_tokenizer.output.tokenizer,
    output:
        touch(f"{REFERENCE}/model.exported"),
    log:
        f"{REFERENCE}/logs/model.log",
    benchmark:
        f"{REFERENCE}/benchmarks/model.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        choices=[CHOICES["model"]],
        directory="resources/reference-model",
    message:
        "Exporting the reference model to {params.directory}"
    script:
        "../scripts/reference_model.py"


rule reference_comparison:
    input:
        recipe=ancient(RECIPE),
        tokenizer=rules.reference_tokenizer.output.tokenizer,
        train=f"{REFERENCE}/corpus/train.npz",
        held_out=f"{REFERENCE}/corpus/held_out.npz",
    output:
        touch(f"{REFERENCE}/comparison.exported"),
    log:
        f"{REFERENCE}/logs/comparison.log",
    benchmark:
        f"{REFERENCE}/benchmarks/comparison.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: workflow.cores
    resources:
        mem_mb=memory(8000),
        runtime=minutes(60),
    params:
        choices=[CHOICES["comparison"], CHOICES["training"]],
        directory="resources/reference-model",
    message:
        "Comparing training recipes, {params.seconds} s each"
    script:
        "../scripts/reference_comparison.py"


rule reference_model_card:
    input:
        recipe=ancient(RECIPE),
        model=expand(
            "resources/reference-model/{file}",
            file=["model.safetensors", "config.json", "tokenizer.json", "training-log.csv"],
        ),
        rows="resources/corpus/held_out.parquet",
        library=library("reference/evaluate", "reference/card", "reference/probes"),
    output:
        touch(f"{REFERENCE}/card.exported"),
    log:
        f"{REFERENCE}/logs/card.log",
    benchmark:
        f"{REFERENCE}/benchmarks/card.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: workflow.cores
    resources:
        mem_mb=memory(4000),
        runtime=minutes(30),
    params:
        choices=[CHOICES["evaluation"]],
    message:
        "Evaluating the reference model and writing its card"
    script:
        "../scripts/reference_model_card.py"
