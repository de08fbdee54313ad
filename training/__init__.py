"""The reference model: its corpus, its tokenizer, its training and its model card.

Nothing of a study imports this package; it makes what lies in `resources/`.
"""
