"""NABirds: North American birds, their classes the leaves of a tree of visual kinds."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from zsc_utils.datasets.study.listing import from_files, locate
from zsc_utils.datasets.study.tables import Roots, paper_dataset

LISTS = ("images", "image_class_labels", "train_test_split", "classes", "hierarchy")


def read_pairs(file: Path) -> dict[str, str]:
    """Read lines of a key, a blank and a value, which may hold blanks."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return dict(line.strip().split(" ", 1) for line in lines if line.strip())


def ancestors(node: str, parents: dict[str, str]) -> list[str]:
    """Nodes above a node, the highest first, without the root.

    Raises
    ------
    ValueError
        The tree has a cycle.
    """
    above: list[str] = []
    # Where the root is listed, it is its own parent.
    while parents.get(node, node) != node:
        node = parents[node]
        if node in above:
            raise ValueError(f"hierarchy.txt has a cycle through {node}")
        above.insert(0, node)
    return above[1:]


def tree_levels(leaves: list[str], parents: dict[str, str]) -> dict[str, list[str]]:
    """Levels of a tree, coarse to fine, for each leaf: name of the level to one node a leaf.

    Branches differ in length: where one ends above a level, its lowest node stands there, or the
    leaf, so that levels stay nested.
    """
    paths = {leaf: ancestors(leaf, parents) for leaf in set(leaves)}
    depth = max(map(len, paths.values()), default=0)
    for leaf, path in paths.items():
        path += (path[-1:] or [leaf]) * (depth - len(path))
    return {f"level {i + 1}": [paths[leaf][i] for leaf in leaves] for i in range(depth)}


@paper_dataset("nabirds", version=1)
def nabirds(roots: Roots, partition: str):
    """Open NABirds; columns `level 1`, … are the nodes above the class in `hierarchy.txt`."""
    base, file = locate(roots, "nabirds/images.txt")
    folder = file.parent
    images, labels, split, names, parents = (read_pairs(folder / f"{table}.txt") for table in LISTS)
    wanted = {"test": "0", "train": "1"}[partition]
    chosen = [image for image in images if split[image] == wanted]
    leaves = [labels[image] for image in chosen]
    levels = tree_levels(leaves, parents) | {"species": leaves}
    # Different nodes may share a name; their numbers tell them apart.
    twice = pd.Series(names).duplicated(keep=False)
    told = {node: f"{name} ({node})" if twice[node] else name for node, name in names.items()}
    columns = {level: [told[node] for node in nodes] for level, nodes in levels.items()}
    files = [folder / "images" / images[image] for image in chosen]
    return from_files(base, files, columns)
