# In:  config/reference-model.yaml, the installed packages, the Python standard library;
#      for the card: resources/reference-model, resources/corpus.
# Out: results/reference-model/ (documents, tokenizer, packed rows, checkpoint, log, weights), and by the three
#      targets reference_corpus, reference_model and reference_model_card what resources/ holds.
# No study depends on these rules, and resources/ is no declared output: it is exported, with a flag in
# results/reference-model, so that a study reads the files as they are and never trains.
RECIPE = "config/reference-model.yaml"
REFERENCE = "results/reference-model"


rule reference_documents:
    input:
        recipe=RECIPE,
        lock="envs/requirements.lock",
        library=library("reference/corpus", "reference/duplicates", "reference/licences", "reference/build"),
    output:
        documents=f"{REFERENCE}/corpus/documents.parquet",
    log:
        f"{REFERENCE}/logs/documents.log",
    benchmark:
        f"{REFERENCE}/benchmarks/documents.tsv"
    threads: 1
    resources:
        mem_mb=6000,
        runtime=30,
    message:
        "Collecting the documents of the reference corpus"
    script:
        "../scripts/reference_documents.py"


rule reference_tokenizer:
    input:
        recipe=RECIPE,
        documents=rules.reference_documents.output.documents,
        library=library("reference/bpe"),
    output:
        tokenizer=f"{REFERENCE}/tokenizer.json",
    log:
        f"{REFERENCE}/logs/tokenizer.log",
    benchmark:
        f"{REFERENCE}/benchmarks/tokenizer.tsv"
    threads: 2
    resources:
        mem_mb=6000,
        runtime=30,
    message:
        "Learning the reference tokenizer"
    script:
        "../scripts/reference_tokenizer.py"


rule reference_rows:
    input:
        recipe=RECIPE,
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
    threads: 2
    resources:
        mem_mb=8000,
        runtime=30,
    message:
        "Packing the {wildcards.split} split of the reference corpus"
    script:
        "../scripts/reference_rows.py"


rule reference_corpus:
    input:
        recipe=RECIPE,
        documents=rules.reference_documents.output.documents,
        rows=expand(rules.reference_rows.output.rows, split=["train", "held_out"]),
        library=library("reference/ship", "reference/rows"),
    output:
        touch(f"{REFERENCE}/corpus.exported"),
    log:
        f"{REFERENCE}/logs/corpus.log",
    benchmark:
        f"{REFERENCE}/benchmarks/corpus.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        folder=REFERENCE,
        directory="resources/corpus",
    message:
        "Exporting a sample of the reference corpus to {params.directory}"
    script:
        "../scripts/reference_corpus.py"


rule reference_train:
    input:
        recipe=RECIPE,
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
    threads: workflow.cores
    resources:
        mem_mb=8000,
        runtime=1440,
    params:
        folder=f"{REFERENCE}/checkpoint",
    message:
        "Training the reference model (resumes from {params.folder}/last.pt; progress in {params.folder}/log.csv)"
    script:
        "../scripts/reference_train.py"


rule reference_model:
    input:
        recipe=RECIPE,
        weights=rules.reference_train.output.weights,
        log=rules.reference_train.output.log,
        tokenizer=rules.reference_tokenizer.output.tokenizer,
    output:
        touch(f"{REFERENCE}/model.exported"),
    log:
        f"{REFERENCE}/logs/model.log",
    benchmark:
        f"{REFERENCE}/benchmarks/model.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        directory="resources/reference-model",
    message:
        "Exporting the reference model to {params.directory}"
    script:
        "../scripts/reference_model.py"


rule reference_comparison:
    input:
        recipe=RECIPE,
        tokenizer=rules.reference_tokenizer.output.tokenizer,
        train=f"{REFERENCE}/corpus/train.npz",
        held_out=f"{REFERENCE}/corpus/held_out.npz",
    output:
        touch(f"{REFERENCE}/comparison.exported"),
    log:
        f"{REFERENCE}/logs/comparison.log",
    benchmark:
        f"{REFERENCE}/benchmarks/comparison.tsv"
    threads: workflow.cores
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        directory="resources/reference-model",
    message:
        "Comparing training recipes, {params.seconds} s each"
    script:
        "../scripts/reference_comparison.py"


rule reference_model_card:
    input:
        recipe=RECIPE,
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
    threads: workflow.cores
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        directory="resources/reference-model",
    message:
        "Evaluating the reference model and writing its card"
    script:
        "../scripts/reference_model_card.py"
