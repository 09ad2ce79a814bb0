"""Profiles: what to run, one YAML file each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from zsc_utils.cache import ROOT
from zsc_utils.clustering import CLUSTERERS
from zsc_utils.datasets import DATASETS
from zsc_utils.encoders import ENCODERS
from zsc_utils.errors import ProfileError, UnknownNameError
from zsc_utils.precision import Precision
from zsc_utils.recipes import STUDY_TABLE

PROFILES = ROOT / "profiles"


def _no_duplicates(items: tuple) -> tuple:
    twice = sorted({str(item) for item in items if items.count(item) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} named more than once")
    return items


Names = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_no_duplicates)]
# What NumPy takes as a seed. Strict, as `yes` would be seed 1, and "010" seed 10.
Seed = Annotated[int, Field(ge=0, lt=2**32, strict=True)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1), AfterValidator(_no_duplicates)]


class _Loader(yaml.SafeLoader):
    """YAML without what is read otherwise than it looks: keys given twice, 010 for 8."""

    def construct_mapping(self, node, deep=False):
        """Read a mapping, whose keys must differ."""
        seen = set()
        for key, _ in node.value:
            name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else None
            if name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value!r} is given twice", key.start_mark
                )
            seen.update([name] if name else [])
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node):
        """Read a whole number, which must be written as people write it."""
        if not re.fullmatch(r"[-+]?(0|[1-9]\d*)", node.value):
            read = super().construct_yaml_int(node)
            raise yaml.constructor.ConstructorError(
                *(None, None, f"{node.value} would be read as {read}: write plain digits"),
                node.start_mark,
            )
        return int(node.value)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


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
    max_samples: int | None = Field(default=None, ge=2, strict=True)
    reference: str | dict[str, str]
    recipes: Path | None = None
    search_on: dict[str, Annotated[int, Field(ge=2, strict=True)]] = {}
    precision: Precision = Precision.fp32

    @property
    def recipe_table(self) -> Path:
        """Path of the hyperparameter table."""
        return STUDY_TABLE if self.recipes is None else ROOT / self.recipes

    @property
    def references(self) -> list[str]:
        """Names of the encoders that the others are compared with."""
        one_or_more = self.reference
        return [one_or_more] if isinstance(one_or_more, str) else list(one_or_more.values())


def profile_names() -> list[str]:
    """Names of the profiles that come with the project."""
    return sorted(path.stem for path in PROFILES.glob("*.yaml"))


def load_profile(name: str, **changes: Sequence | None) -> Profile:
    """Read a profile.

    Parameters
    ----------
    name
        Name of a profile that comes with the project, or path of a YAML file.
    **changes
        Fields to replace (`datasets=["digits"]`, `seeds=[2]`); None leaves a field as it is.

    Returns
    -------
    Profile
        What to run.

    Raises
    ------
    UnknownNameError
        There is no such profile, or it names an unknown dataset, encoder or clusterer.
    ProfileError
        The file is no YAML mapping, a field is missing, unknown, given twice or of the wrong kind,
        or a number is not written in plain decimal digits.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else PROFILES / f"{name}.yaml"
    if not path.is_file():
        raise UnknownNameError("profile", name, profile_names())
    try:
        fields = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # a SafeLoader
        if not isinstance(fields, dict):
            raise ProfileError(f"profile {path} is no YAML mapping")
        changes = {field: tuple(value) for field, value in changes.items() if value is not None}
        profile = Profile(**{"name": path.stem} | fields | changes)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()
        )
        raise ProfileError(f"profile {path}: {problems}") from error
    except RecursionError as error:
        raise ProfileError(f"profile {path} is nested too deep to be read") from error
    # Besides files that cannot be read: no text, no YAML, dates and numbers that there are none of.
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ProfileError(f"profile {path} cannot be read as YAML: {reason}") from error
    DATASETS.check(profile.datasets, "folder:")
    DATASETS.check(profile.search_on)
    ENCODERS.check([*profile.encoders, *profile.references], "timm:")
    CLUSTERERS.check(profile.clusterers)
    return profile
