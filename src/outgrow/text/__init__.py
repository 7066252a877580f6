"""Text: reading tables, and finding near-duplicates."""
