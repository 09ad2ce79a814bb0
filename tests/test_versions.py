"""Results are named by declared versions: whoever changes code is asked to raise them.

`versions.json` holds for each name its version and the SHA-256 of the source text behind it. After
a change that makes no other results, or with a raised version, accept the new text:

    python tests/test_versions.py
"""

import importlib
import inspect
import json
import linecache
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sources import Walk

from zsc_utils import cache, clustering, embedding, metrics, reduction
from zsc_utils.datasets import DATASETS, decoding
from zsc_utils.encoders import ENCODERS, checkpoints, timm_models, transforms
from zsc_utils.miniature import encoders as mini
from zsc_utils.miniature.training import augment, loop
from zsc_utils.miniature.training.methods import base as methods
from zsc_utils.miniature.world import (
    backgrounds,
    camera,
    collections,
    creatures,
    factors,
    lazy,
    opening,
    phylogeny,
    scenes,
    streams,
    traits,
)
from zsc_utils.sweep import comparison, evaluate, neighbours, search
from zsc_utils.sweep.cells import plan
from zsc_utils.sweep.profile import load_profile

TABLE = Path(__file__).with_name("versions.json")
ACCEPT = "python tests/test_versions.py"

# What many names share has a version of its own: where it stands, and the code that it is for.
SHARED = {
    "images": (decoding, "READER_VERSION", [decoding]),
    "embedding": (
        embedding,
        "EMBEDDING_VERSION",
        [embedding.compute, transforms, checkpoints.read_state_dict, checkpoints.fit_state_dict],
    ),
    "scores": (
        metrics,
        "SCORES_VERSION",
        [evaluate.evaluate, comparison.compare_one],
    ),
    "neighbours": (
        metrics,
        "NEIGHBOURS_VERSION",
        [metrics.accuracy_by_k, neighbours.classes_of],
    ),
    "search": (search, "SEARCH_VERSION", [search.search_encoder]),
    "world": (
        opening,
        "WORLD_VERSION",
        [
            camera,
            collections,
            creatures,
            factors,
            lazy,
            opening,
            phylogeny,
            scenes,
            streams,
            traits,
        ],
    ),
    "training": (loop, "TRAINING_VERSION", [loop, augment, methods]),
}


def registered():
    """Yield kind, name, version and what stands behind it, of everything that is registered."""
    for name, (facts, builder) in DATASETS.items():
        yield f"dataset {name}", facts.version, builder
    for name, (facts, builder) in ENCODERS.items():
        yield f"encoder {name}", facts.version, builder
    yield "encoder timm:", timm_models.VERSION, timm_models.make_builder
    for name, (facts, maker) in clustering.CLUSTERERS.items():
        yield f"clusterer {name}", facts.version, maker
    for name, (facts, function) in reduction.REDUCERS.items():
        yield f"reduction {name}", facts.version, function
    for name, (facts, builder) in methods.METHODS.items():
        yield f"training method {name}", facts.version, builder


def current() -> dict[str, dict]:
    """Version and SHA-256 of the source of every name, as they are now."""
    entries = [(name, version, [thing]) for name, version, thing in registered()]
    entries += [
        (f"shared {name}", getattr(module, constant), things)
        for name, (module, constant, things) in SHARED.items()
    ]
    # What is registered or shared is somebody's already; the others change no number.
    owned = {
        thing.__name__ if inspect.ismodule(thing) else inspect.unwrap(thing)
        for _, _, things in entries
        for thing in things
    }
    owned |= {f"zsc_utils.{name}" for name in ("errors", "cache", "registry", "encoders.weights")}
    owned |= {"zsc_utils.datasets.study.tables"}
    found = {}
    for name, version, things in entries:
        walk = Walk(owned)
        for thing in things:
            walk.root(thing)
        found[name] = {"version": version, "sha256": walk.sha256()}
    return dict(sorted(found.items()))


def complaints(found: dict[str, dict], accepted: dict[str, dict]) -> list[str]:
    """Say for each name whose code and version do not go together what to do."""
    said = []
    for name in sorted(found.keys() | accepted.keys()):
        now, then = found.get(name), accepted.get(name)
        if now is None or then is None:
            said.append(f"{name} is {'gone' if now is None else 'new'}: accept it ({ACCEPT})")
        elif now["version"] < then["version"]:
            said.append(f"{name} went back from version {then['version']} to {now['version']}")
        elif now["version"] > then["version"]:
            said.append(f"{name} has a new version, {now['version']}: accept it ({ACCEPT})")
        elif now != then:
            said.append(
                f"you changed the code behind {name}: raise its version if results can differ "
                f"(they are named by it), then accept the change ({ACCEPT})"
            )
    return said


def test_whoever_changes_code_raises_its_version_or_accepts():
    said = complaints(current(), json.loads(TABLE.read_text()))
    assert not said, "\n".join(said)


@pytest.mark.parametrize(
    ("now", "sentence"),
    [
        ({"a": {"version": 1, "sha256": "x"}}, None),
        ({"a": {"version": 1, "sha256": "y"}}, "you changed the code behind a: raise its version"),
        ({"a": {"version": 2, "sha256": "y"}}, "a has a new version, 2: accept it"),
        ({"a": {"version": 0, "sha256": "x"}}, "a went back from version 1 to 0"),
        ({}, "a is gone: accept it"),
        (
            {"a": {"version": 1, "sha256": "x"}, "b": {"version": 1, "sha256": "x"}},
            "b is new: accept it",
        ),
    ],
)
def test_the_sentence_says_what_to_do(now, sentence):
    said = complaints(now, {"a": {"version": 1, "sha256": "x"}})
    assert len(said) == (sentence is not None) and all(sentence in one for one in said)


def names(profile) -> dict[tuple, str]:
    """Keys of all cells of a profile, on datasets that are here, and of its searches."""
    return {
        (cell.dataset, cell.encoder, cell.clusterer): cell.key
        for job in plan(profile)
        for cell, _ in job.cells
    }


def test_something_new_renames_nothing(monkeypatch):
    profile = load_profile(
        "smoke",
        encoders=["raw_pixels", "mini_dino_vit", "random_vitb16"],
        datasets=["glyphs", "mini-in9", "digits"],
        clusterers=list(clustering.CLUSTERERS),
    )
    before = names(profile)
    registries = (
        DATASETS,
        ENCODERS,
        clustering.CLUSTERERS,
        reduction.REDUCERS,
        methods.METHODS,
    )
    for registry in registries:
        monkeypatch.setattr(registry, "entries", dict(registry))
    row = replace(mini.ROSTER["mini_dino_vit"], name="mini_new_vit")
    new_encoder = ENCODERS.register(
        "mini_new_vit", version=1, display="New", backbone="ViT-4/8", family="ViT", method="DINO"
    )
    new_encoder(mini.make_builder(row))
    new_dataset = DATASETS.register(
        "mini-in9-new", version=1, display="New", group="In-domain", label="family"
    )
    new_dataset(lambda root, partition: backgrounds.open_variant(backgrounds.no_foreground))
    new_clusterer = clustering.clusterer("new", version=1, display="New", told_n_classes=True)
    new_clusterer(clustering.kmeans)
    reduction.reducer("new", version=1)(reduction.no_reduction)
    methods.method("new", version=1)(methods.METHODS["dino"].make)
    assert [list(registry)[-1] for registry in registries] == [
        *("mini-in9-new", "mini_new_vit"),
        *("new", "new", "new"),
    ]
    assert names(profile) == before
    added = names(
        profile.model_copy(update={"encoders": ("mini_new_vit",), "datasets": ("mini-in9-new",)})
    )
    assert added and not set(added.values()) & set(before.values())


def test_names_are_the_same_on_every_python(monkeypatch):
    """Worked out under 3.11, with versions of libraries that are made up."""
    monkeypatch.setattr(cache, "_version", lambda package: "1.2.3")
    profile = load_profile(
        "smoke", encoders=["mini_dino_vit"], datasets=["mini-in9"], clusterers=["hdbscan"]
    )
    assert list(names(profile).values()) == ["d95d85f85363a352"]


SOURCE = """
DEPTH = 3


def helper(x):
    # why
    return x + DEPTH


class Half:
    \"\"\"What.\"\"\"


def root(x, wide=2):
    \"\"\"Say.\"\"\"
    return helper(x) * wide
"""


def sha256_of(source, folder, monkeypatch):
    """SHA-256 behind `root` of a module that would be one of the package."""
    (folder / "zsc_utils_made_up.py").write_text(source)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "zsc_utils_made_up", raising=False)
    importlib.invalidate_caches()
    linecache.clearcache()
    module = importlib.import_module("zsc_utils_made_up")
    return Walk().root(module.root).sha256()


def test_there_is_code_behind_every_name():
    """Readers of the study's datasets are registered wrapped: the code is within."""
    nothing = Walk().sha256()
    assert [name for name, entry in current().items() if entry["sha256"] == nothing] == []


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("# why", "# why not, in more words", True),
        ("Say.", "Say more.", True),
        ("class Half", "class Third", True),
        ("DEPTH = 3", "DEPTH = 4", False),
        ("x + DEPTH", "x - DEPTH", False),
        ("wide=2", "wide=3", False),
        ("* wide", "/ wide", False),
    ],
)
def test_only_what_computes_counts(old, new, same, tmp_path, monkeypatch):
    assert old in SOURCE
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    before = sha256_of(SOURCE, first, monkeypatch)
    assert (sha256_of(SOURCE.replace(old, new), second, monkeypatch) == before) is same


if __name__ == "__main__":
    found = current()
    print("\n".join(complaints(found, json.loads(TABLE.read_text()) if TABLE.exists() else {})))
    TABLE.write_text(json.dumps(found, indent=1) + "\n")
