"""Controllers in loops that are no env: plain PyTorch, Hugging Face, Lightning."""
