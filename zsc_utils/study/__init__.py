"""What the study asks of its results, a file a question."""
