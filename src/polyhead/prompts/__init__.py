"""Prompts: drawn from a corpus or from a data set on the hub, and filled into templates."""
