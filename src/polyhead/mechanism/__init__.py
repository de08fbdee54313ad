"""How does the head do it? Which components its scores come from, and what happens when one is taken away."""
