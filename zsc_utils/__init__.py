"""Clustering of unseen datasets with pretrained image encoders.

One dataset, one encoder, one clusterer::

    from zsc_utils import Reduction, cluster, embed, load_dataset, load_encoder, reduce, scores

    images = load_dataset("digits").subset(400)
    X = embed(images, load_encoder("raw_pixels"))                # float32 (400, d)
    Z = reduce(X, Reduction("pca", n_components=20))             # float32 (400, 20)
    scores(images.labels["digit"], cluster(Z, "kmeans", n_classes=10), Z)

And a whole profile of them: ``sweep(load_profile("smoke"))``.
"""

import importlib

# The package's face: what each name is found in, when it is first asked for (PEP 562), so that
# `import zsc_utils` costs nothing.
FACE = {
    "load_dataset": "datasets",
    "load_encoder": "encoders",
    "embed": "embedding",
    "Reduction": "recipes",
    "reduce": "reduction",
    "cluster": "clustering",
    "scores": "metrics",
    "adjusted_mutual_information": "metrics",
    "silhouette": "metrics",
    "load_profile": "sweep.profile",
    "sweep": "",  # a folder that can be called
}

# The rooms, in the order in which data goes through them: a room imports only rooms before it.
ROOMS = (
    # The ground that all stand on.
    *("errors", "cache", "compiled", "loops", "edits", "registry", "precision"),
    *("recipes", "datasets", "encoders", "narrow", "embedding", "npz"),
    *("reduction", "ward", "affinity", "clustering", "metrics"),
    *("miniature", "finetuning"),  # wings: only by name, by the command line, and by notebook 2
    "sweep",
    "own",
    "study",
    *("engine", "book"),
    "cli",
)


def __getattr__(name: str):
    """Find a name of the face where it is defined."""
    if name not in FACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if not FACE[name]:
        return importlib.import_module(f"{__name__}.{name}")
    return getattr(importlib.import_module(f"{__name__}.{FACE[name]}"), name)


def __dir__() -> list[str]:
    """List what is there, the face first."""
    return [*FACE, *globals()]
