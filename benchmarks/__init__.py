"""What sections 1 and 2 cost, beside the way one would otherwise do them; see README.md."""
