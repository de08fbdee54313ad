"""What is each behaviour worth, on real text, for every head? Classes of edges, their costs, a verdict."""
