"""What the numbers say, in sentences: for the closing cells of the notebooks."""

from zsc_utils.findings.agreement import (
    encoders,
    fine_tuning,
    live_fine_tuning,
    picked_out,
)
from zsc_utils.findings.backgrounds import (
    backgrounds,
)
from zsc_utils.findings.base import (
    absent,
    bullets,
    cells,
    points,
    spread,
)
from zsc_utils.findings.breakdowns import (
    breakdowns,
)
from zsc_utils.findings.certainty import (
    few_datasets,
    seeds,
)
from zsc_utils.findings.choices import (
    choices,
)
from zsc_utils.findings.clusterers import (
    clusterers,
)
from zsc_utils.findings.dimensions import (
    variance,
)
from zsc_utils.findings.guides import (
    silhouettes,
)
from zsc_utils.findings.ledger import (
    claims,
)
from zsc_utils.findings.neighbours import (
    neighbours,
)
from zsc_utils.findings.own import (
    own_images,
)
from zsc_utils.findings.reductions import (
    comparison,
    reductions,
)
from zsc_utils.findings.taxonomy import (
    levels,
)

__all__ = [
    "absent",
    "backgrounds",
    "breakdowns",
    "bullets",
    "cells",
    "choices",
    "claims",
    "clusterers",
    "comparison",
    "encoders",
    "few_datasets",
    "fine_tuning",
    "levels",
    "live_fine_tuning",
    "neighbours",
    "own_images",
    "picked_out",
    "points",
    "reductions",
    "seeds",
    "silhouettes",
    "spread",
    "variance",
]
