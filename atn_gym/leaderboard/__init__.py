"""The leaderboard: submissions, the check that scores them, and the table of stored scores."""
