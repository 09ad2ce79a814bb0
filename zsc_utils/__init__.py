"""Clustering of unseen datasets with pretrained image encoders."""

# The rooms, in the order in which data goes through them: a room imports only rooms before it.
ROOMS = (
    *("errors", "cache", "edits", "registry"),  # the ground that all stand on
    *("recipes", "datasets", "encoders", "narrow", "embedding", "npz"),
    *("reduction", "clustering", "metrics"),
    *("miniature", "finetuning"),  # wings: only by name, by the command line, and by notebook 2
    "sweep",
    *("analysis", "cards", "findings", "plots", "study"),
    *("explorer", "engine", "book"),
    "cli",
)
