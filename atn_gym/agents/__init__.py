"""Controllers, and the policies that they are wrapped as."""
