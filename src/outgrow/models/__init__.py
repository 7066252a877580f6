"""Model families: from a name and a size to a Hugging Face checkpoint. One file for each family."""
