"""What does the head attend to? Behaviours, rows of attention, labels, and what is counted over them."""
