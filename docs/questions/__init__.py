"""A module for each question that docs/questions.md answers, and what they draw with."""
