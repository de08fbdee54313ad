"""What depends on the head? Its pattern is replaced, on prompts of a template and on real text."""
