"""The model: its architecture, how it is fetched and opened, and its tokens."""
