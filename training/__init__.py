"""The reference model: its corpus, its tokenizer, its training and its model card; see README.md."""
