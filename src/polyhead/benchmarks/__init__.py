"""What things cost, beside the way one would otherwise do them."""
