"""Embeddings of any origin, checked and brought into float32 without losing what they hold."""

from __future__ import annotations

import logging

import numpy as np

from zsc_utils.errors import EmbeddingsError

log = logging.getLogger(__name__)

# Kinds of arrays by NumPy's letter, as people call them.
KINDS = {
    "U": "text",
    "S": "text",
    "T": "text",
    "O": "objects, such as text or rows of unequal lengths",
    "b": "booleans",
    "c": "complex numbers",
    "M": "dates",
    "m": "spans of time",
    "V": "records",
}
# Largest numbers between these need no scaling: neither squares nor sums of them leave float32.
SMALLEST_SCALE, LARGEST_SCALE = 2.0**-40, 2.0**40
# Narrowing to float32 may cost a dimension no more than this part of its mean deviation.
LOSS = 2.0**-10


def check_embeddings(array: np.ndarray, source: str) -> np.ndarray:
    """Check embeddings that came from outside and return them as float32 (n, d).

    What narrows to float32 without loss is returned as it is. What does not is made to, so that
    distances stay what they were but for their unit, of which a warning says what was done:

    - A dimension whose offset is so large against its spread that float32 would lose more than a
      thousandth of the spread is centred first, in float64. Euclidean, L1 and Chebyshev distances,
      z-scores, PCA and UMAP do not see that; cosines (of some recipes of agglomerative clustering
      and HDBSCAN) are those of the centred embeddings. The others told nothing apart: at such an
      offset all angles are alike.
    - If the largest number lies outside 2⁻⁴⁰ to 2⁴⁰, all are divided by one power of two, which is
      exact. Squares of such numbers leave the range of float32; what the recipes do depends on
      ratios of distances alone (the threshold of AC w/o C is one of the embeddings' own spread).
      What is lost in the least of a dimension beside much larger others counts as constant.

    Raises
    ------
    EmbeddingsError
        The array is not two-dimensional and numeric, is empty, or holds NaN or infinities.
    """
    if array.dtype.kind in KINDS:
        raise EmbeddingsError(
            f"{source}: embeddings must be numbers, not {KINDS[array.dtype.kind]} ({array.dtype})"
        )
    if array.ndim != 2 or 0 in array.shape:
        raise EmbeddingsError(
            f"{source}: embeddings must be of shape (n, d), a row for each sample, not "
            f"{array.shape}"
        )
    bad = ~np.isfinite(array).all(axis=1)
    if bad.any():
        raise EmbeddingsError(
            f"{source}: {bad.sum()} of {len(array)} embeddings hold NaN or infinities, "
            f"the first in row {int(np.argmax(bad))}"
        )
    largest = max(abs(float(array.max())), abs(float(array.min())))
    ordinary = largest == 0 or SMALLEST_SCALE <= largest <= LARGEST_SCALE
    if ordinary and np.can_cast(array.dtype, np.float32):
        return np.ascontiguousarray(array, dtype=np.float32)
    return _narrowed(array, largest, ordinary, source)


def _narrowed(array: np.ndarray, largest: float, ordinary: bool, source: str) -> np.ndarray:
    """Bring finite embeddings into float32 as `check_embeddings` says."""
    if not np.isfinite(largest):
        raise EmbeddingsError(f"{source}: numbers as large as {array.max()} are beyond float64")
    wide = array.astype(np.float64)
    if not ordinary:
        power = int(np.frexp(largest)[1])
        wide = np.ldexp(wide, -power)
        log.warning("%s: numbers up to %.1e, all divided by 2^%d", source, largest, power)
    lost = np.flatnonzero(_loses(wide))
    centred = wide[:, lost] - wide[:, lost].mean(axis=0)
    small = _loses(centred)
    wide[:, lost[~small]] = centred[:, ~small]
    if (~small).any():
        log.warning(
            "%s: %d of %d dimensions centred, as their offset leaves too little of float32 for "
            "their spread; cosines are those of the centred embeddings",
            *(source, (~small).sum(), wide.shape[1]),
        )
    if small.any():
        log.warning(
            "%s: %d of %d dimensions are too small beside the largest number for float32: they "
            "count as constant",
            *(source, small.sum(), wide.shape[1]),
        )
        wide[:, lost[small]] = 0
    return np.ascontiguousarray(wide, dtype=np.float32)


def _loses(wide: np.ndarray) -> np.ndarray:
    """Tell the dimensions of float64 embeddings that float32 holds too coarsely."""
    # No squares: those of very small numbers are zero.
    error = abs(wide - wide.astype(np.float32)).mean(axis=0)
    spread = abs(wide - wide.mean(axis=0)).mean(axis=0)
    return (error > LOSS * spread) & (np.ptp(wide, axis=0) > 0)


def check_resolution(array: np.ndarray, source: str) -> None:
    """Raise where what tells rows apart was rounded away when an array was written.

    Parameters
    ----------
    array
        Finite numbers (n, d), as they were written.
    source
        What to name in the message.

    Raises
    ------
    EmbeddingsError
        More than half of the variance is in dimensions whose standard deviation is below the
        distance of two neighbouring numbers at their offset.
    """
    if array.dtype.kind != "f":
        return
    step = np.spacing(abs(array).max(axis=0)).astype(np.float64)
    # In units of the largest step, very large and very small numbers have squares too.
    with np.errstate(over="ignore", invalid="ignore"):
        steps = (array.astype(np.float64) - array[0].astype(np.float64)) / step.max()
        variance = steps.var(axis=0)
    coarse = np.sqrt(variance) < step / step.max()
    if variance[coarse].sum() > variance.sum() / 2:
        raise EmbeddingsError(
            f"{source}: the embeddings differ by less than {array.dtype} tells apart at their "
            "offset, so what they held is lost: subtract each dimension's mean before saving them"
        )
