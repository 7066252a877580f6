"""Text: reading tables of it, and finding what says nearly the same."""
