"""Controllers in other loops: plain PyTorch, Hugging Face, Lightning."""
