"""The tree of life: a taxon is a path of branch numbers, its traits what its ancestors added up.

Nothing is stored. The traits of a path are the sum, over its ranks, of a random perturbation drawn
from the stream of that prefix, so relatives share all perturbations above their common ancestor and
siblings differ by the last one only. High ranks move the body plan most, low ranks the palette,
the pattern's details and the proportions.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from zsc_utils.miniature.world.streams import uniforms

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
KINGDOMS = ("Bilateria", "Radiata", "Flora")
SEED = 7

Path = tuple[int, ...]

# How strongly each rank (kingdom ... species, then BIN) perturbs a gene, by what the gene shapes,
# and, last, how much the individuals of a species vary.
SCHEDULES = {
    "plan": (1.0, 0.9, 0.7, 0.7, 0.0, 0.0, 0.0, 0.0, 0.0),
    "shape": (0.3, 0.5, 0.5, 0.6, 0.55, 0.35, 0.22, 0.06, 0.12),
    "marking": (0.0, 0.3, 0.3, 0.5, 0.9, 0.5, 0.0, 0.0, 0.0),
    "detail": (0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.4, 0.1, 0.15),
    "colour": (0.2, 0.3, 0.3, 0.45, 0.55, 0.4, 0.28, 0.08, 0.06),
}
GENES = {
    "plan": ("symmetry", "limbs", "head", "wings", "tail"),
    "shape": (
        *("lobe1", "lobe2", "lobe3", "lobe4", "stretch"),
        *("limb_length", "limb_width", "limb_taper", "limb_sweep", "limb_fan"),
        *("wing_length", "wing_width", "wing_sweep", "tail_length", "tail_width"),
        *("head_size", "head_place", "eye_size"),
    ),
    "marking": ("marking", "second_marking"),
    "detail": ("frequency", "phase", "sharpness", "cover", "rim"),
    "colour": (
        *("base_hue", "base_saturation", "base_value"),
        *("mark_hue", "mark_saturation", "mark_value"),
        *("limb_hue", "limb_saturation", "limb_value"),
        *("head_hue", "head_saturation", "head_value"),
    ),
}
GENE_NAMES = tuple(gene for kind in GENES.values() for gene in kind)
_WEIGHTS = 1.9 * np.array([SCHEDULES[kind] for kind, genes in GENES.items() for _ in genes]).T


@cache
def genome(path: Path) -> np.ndarray:
    """Add up the perturbations of a path's ranks: read-only float64 (genes,), about unit spread."""
    if not path:
        genes = np.zeros(len(GENE_NAMES))
    else:
        name = "taxon " + ".".join(map(str, path))
        step = uniforms(name, SEED, [0], len(GENE_NAMES))[0] * 2 - 1
        genes = genome(path[:-1]) + _WEIGHTS[len(path) - 1] * step
    genes.setflags(write=False)
    return genes


def individuals(name: str, seed: int, indices: np.ndarray) -> np.ndarray:
    """Draw how individuals stray from their species' genes, float64 (n, genes)."""
    return _WEIGHTS[-1] * (uniforms(f"{name} individuals", seed, indices, len(GENE_NAMES)) * 2 - 1)


_ONSETS = ("b", "c", "d", "f", "g", "l", "m", "n", "p", "r", "s", "t", "v", "z", "tr", "ph", "gl")
_VOWELS = ("a", "e", "i", "o", "u", "ae", "y")
_ENDINGS = {"phylum": "zoa", "class": "ta", "order": "da", "family": "idae", "genus": "us"}


@cache
def taxon_name(path: Path) -> str:
    """Name a taxon: Latin-like, a binomial for species, the species' name and a letter for BINs."""
    rank = len(path)
    if rank == 1:
        return KINGDOMS[path[0]]
    if rank > len(RANKS):
        return f"{taxon_name(path[:-1])}-{'ABCDEFGH'[path[-1]]}"
    draw = uniforms("name " + ".".join(map(str, path)), SEED, [0], 8)[0]
    syllables = [
        _ONSETS[int(onset * len(_ONSETS))] + _VOWELS[int(vowel * len(_VOWELS))]
        for onset, vowel in draw.reshape(4, 2)
    ]
    stem = "".join(syllables[: 3 if rank < len(RANKS) else 4])
    if rank == len(RANKS):
        return f"{taxon_name(path[:-1])} {stem}"
    return (stem + _ENDINGS[RANKS[rank - 1]]).capitalize()


def lineages(paths: list[Path]) -> pd.DataFrame:
    """Name every rank of every path: one row a path, one column a rank, from coarse to fine."""
    rows = [[taxon_name(path[: depth + 1]) for depth in range(len(path))] for path in paths]
    ranks = RANKS if all(len(path) == len(RANKS) for path in paths) else (*RANKS, "BIN")
    return pd.DataFrame(rows, columns=list(ranks))


def descend(root: Path, *counts: int) -> list[Path]:
    """List the paths under a root: `counts` children at each of the next ranks."""
    paths = [root]
    for count in counts:
        paths = [(*path, child) for path in paths for child in range(count)]
    return paths
