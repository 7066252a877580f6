"""Model families: a name and a size become a Hugging Face checkpoint. One file a family."""
