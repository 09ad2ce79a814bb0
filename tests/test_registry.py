import sys
from dataclasses import dataclass

import pytest

from zsc_utils.errors import UnknownNameError
from zsc_utils.registry import Entry, Registry


@dataclass(frozen=True)
class Facts:
    name: str
    colour: str = "grey"
    version: int = 1


def test_things_are_found_by_name_in_the_order_in_which_they_came():
    animals = Registry("animal", Facts, hint="any fish is fish:<name>")

    @animals.register("owl", version=2, colour="brown")
    def owl():
        return "hoot"

    animals.register("cat", version=1)(str)
    assert list(animals) == ["owl", "cat"] and len(animals) == 2
    assert animals["owl"] == Entry(Facts("owl", "brown", 2), owl)
    assert animals.facts() == {"owl": Facts("owl", "brown", 2), "cat": Facts("cat")}
    assert "cat" in animals and "cow" not in animals
    with pytest.raises(UnknownNameError, match=r"unknown animal 'owk'; did you mean owl\?.*fish"):
        animals["owk"]


def test_whoever_decorates_must_declare_a_version():
    with pytest.raises(TypeError, match="version"):
        Registry("animal", Facts).register("owl")


def test_modules_that_register_are_imported_at_the_first_look(tmp_path, monkeypatch):
    """One of them looks while it is imported: it sees what is there by then."""
    (tmp_path / "a_zoo.py").write_text(
        "from a_registry import ANIMALS\nANIMALS.register('owl', version=1)(str)\n"
        "SEEN = list(ANIMALS)\n"
    )
    (tmp_path / "a_registry.py").write_text(
        "from test_registry import Facts\nfrom zsc_utils.registry import Registry\n"
        "ANIMALS = Registry('animal', Facts, modules=('a_zoo',))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from a_registry import ANIMALS

    assert "a_zoo" not in sys.modules
    assert list(ANIMALS) == ["owl"] and sys.modules["a_zoo"].SEEN == ["owl"]
