"""What is known by name: one register for each kind of thing."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar

from zsc_utils.errors import UnknownNameError

Facts = TypeVar("Facts")


class Entry(NamedTuple, Generic[Facts]):
    """What is known of a thing, and the function or class that makes it."""

    facts: Facts
    make: Callable


class Registry(Mapping[str, Entry[Facts]]):
    """Entries by name, in the order in which they were registered.

    Parameters
    ----------
    kind
        What errors call a thing: `encoder`.
    facts
        Dataclass of what is known of one; it has `name` and `version`.
    modules
        Modules that register things. They are imported when a name is first looked up, so that
        they may import this room, and those that only decorate pay for no others.
    hint
        What else can be asked for, which needs no registering.
    """

    def __init__(
        self, kind: str, facts: type[Facts], modules: tuple[str, ...] = (), hint: str = ""
    ):
        self.kind, self.hint = kind, hint
        self.entries: dict[str, Entry[Facts]] = {}
        self._facts, self._modules = facts, modules

    def register(self, name: str, *, version: int, **facts) -> Callable[[Callable], Callable]:
        """Decorate the function or class that makes a thing.

        Parameters
        ----------
        name
            The name that it is asked for by.
        version
            Raised by whoever changes what the code gives: it is part of results' names.
        facts
            The other fields of the kind's facts.
        """

        def decorate(make: Callable) -> Callable:
            self.entries[name] = Entry(self._facts(name=name, version=version, **facts), make)
            return make

        return decorate

    def _look(self) -> dict[str, Entry[Facts]]:
        # Emptied first: a module that looks while it is imported must not import itself again.
        modules, self._modules = self._modules, ()
        for module in modules:
            importlib.import_module(module)
        return self.entries

    def facts(self) -> dict[str, Facts]:
        """Facts of all things, by name."""
        return {name: entry.facts for name, entry in self._look().items()}

    def __getitem__(self, name: str) -> Entry[Facts]:
        """Look a name up; raises `UnknownNameError`, with near names, where there is none."""
        entries = self._look()
        if name not in entries:
            raise UnknownNameError(self.kind, name, entries, self.hint)
        return entries[name]

    def check(self, names: Iterable[str], prefix: str | None = None) -> None:
        """Raise `UnknownNameError` for the first name that is not here and begins otherwise."""
        for name in names:
            if name not in self and not (prefix and name.startswith(prefix)):
                raise UnknownNameError(self.kind, name, self)

    def __contains__(self, name: object) -> bool:
        return name in self._look()

    def __iter__(self) -> Iterator[str]:
        return iter(self._look())

    def __len__(self) -> int:
        return len(self._look())
