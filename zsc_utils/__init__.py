"""Clustering of unseen datasets with pretrained image encoders."""

# The rooms, in the order in which data goes through them: a room imports only rooms before it.
ROOMS = (
    *("errors", "files", "edits"),  # the ground that all stand on
    *("recipes", "datasets", "encoders", "narrow", "embed", "npz", "reduce", "cluster", "score"),
    *("evaluate", "store", "profiles", "costs", "plan", "results", "clusterings"),
    *("sweep", "knn", "forecast", "search_space", "search", "reductions_compared"),
    *("analysis", "cards", "findings", "plots"),
    *("own", "explorer", "engine", "book"),
    *("training", "cli"),
)
