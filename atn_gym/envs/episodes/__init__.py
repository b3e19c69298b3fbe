"""Episodes: their state, what a step does to it, and what observations and infos show of it."""
