"""A study: its config, who runs it where, and the record of how it was made."""
