"""The study's 26 datasets, read from `DATA_ROOT`, and those that its search and appendix add."""

from __future__ import annotations

from zsc_utils.datasets.study import (  # noqa: F401  (importing registers them)
    arrays,
    bioscan,
    class_folders,
    file_lists,
    lsun,
    nabirds,
    unsplit,
)
