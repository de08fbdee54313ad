"""What one attention head attends to, how often, and what breaks without it."""

__version__ = "0.1.0"
