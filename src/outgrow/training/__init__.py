"""The only training loop, and the batches it eats."""
