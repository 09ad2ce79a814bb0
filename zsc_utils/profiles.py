"""Profiles: what to run, one YAML file each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from zsc_utils import cluster, datasets, encoders
from zsc_utils.embed import Precision
from zsc_utils.errors import ProfileError, UnknownNameError
from zsc_utils.files import ROOT
from zsc_utils.recipes import STUDY_TABLE

PROFILES = ROOT / "profiles"


def _no_duplicates(items: tuple) -> tuple:
    twice = sorted({str(item) for item in items if items.count(item) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} named more than once")
    return items


Names = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_no_duplicates)]
# What NumPy takes as a seed.
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1), AfterValidator(_no_duplicates)]


class Profile(BaseModel):
    """What to run.

    Parameters
    ----------
    name
        Name of the profile: its file's.
    description
        One line for readers.
    datasets, encoders, clusterers
        Names; a cell for each combination.
    seeds
        One cell for each, of each combination.
    max_samples
        Images to take of each dataset at most, by a seeded random choice; all by default.
    reference
        The supervised encoder that the others are compared with; or one for each backbone.
    recipes
        Hyperparameter table, relative to the project; the study's own by default.
    search_on
        Datasets with a train partition, on which recipes for the encoders can be searched, and how
        many images to take of each at most: in the study as many as the test partition has.
    precision
        Numbers that encoders compute with, `fp32` or `bf16`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str
    datasets: Names
    encoders: Names
    clusterers: Names
    seeds: Seeds = (1,)
    max_samples: int | None = Field(default=None, ge=2)
    reference: str | dict[str, str]
    recipes: Path | None = None
    search_on: dict[str, Annotated[int, Field(ge=2)]] = {}
    precision: Precision = Precision.fp32

    @property
    def recipe_table(self) -> Path:
        """Path of the hyperparameter table."""
        return STUDY_TABLE if self.recipes is None else ROOT / self.recipes


def profile_names() -> list[str]:
    """Names of the profiles that come with the project."""
    return sorted(path.stem for path in PROFILES.glob("*.yaml"))


def check_names(kind: str, names: Sequence[str], known: Sequence[str], prefix: str | None) -> None:
    """Raise `UnknownNameError` for the first name that is neither known nor of the open kind."""
    for name in names:
        if name not in known and not (prefix and name.startswith(prefix)):
            raise UnknownNameError(kind, name, known)


def load_profile(name: str, **changes: Sequence | None) -> Profile:
    """Read a profile.

    Parameters
    ----------
    name
        Name of a profile that comes with the project, or path of a YAML file.
    **changes
        Fields to replace (`datasets=["digits"]`, `seeds=[2]`); None leaves a field as it is.

    Raises
    ------
    UnknownNameError
        There is no such profile, or it names an unknown dataset, encoder or clusterer.
    ProfileError
        The file is no YAML mapping, or a field is missing, unknown or of the wrong kind.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else PROFILES / f"{name}.yaml"
    if not path.is_file():
        raise UnknownNameError("profile", name, profile_names())
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(fields, dict):
            raise ProfileError(f"profile {path} is no YAML mapping")
        changes = {field: tuple(value) for field, value in changes.items() if value is not None}
        profile = Profile(**{"name": path.stem} | fields | changes)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError) as error:
        raise ProfileError(f"profile {path} cannot be read as YAML: {error}") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()
        )
        raise ProfileError(f"profile {path}: {problems}") from error
    known = list(datasets.registered())
    check_names("dataset", profile.datasets, known, "folder:")
    check_names("dataset", list(profile.search_on), known, None)
    references = profile.reference
    references = [references] if isinstance(references, str) else list(references.values())
    named = [*profile.encoders, *references]
    check_names("encoder", named, list(encoders.registered()), "timm:")
    check_names("clusterer", profile.clusterers, list(cluster.registered()), None)
    return profile
