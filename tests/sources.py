"""The source text behind a name: of a function and of all in the package that it leads to.

Comments, docstrings, blank lines and decorators do not count. Text is compared, not syntax trees,
which differ from one Python to the next.
"""

import ast
import dataclasses
import functools
import hashlib
import inspect
import io
import textwrap
import tokenize
import types
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "zsc_utils"


def without_comments(text: str) -> str:
    """Drop comments, docstrings and blank lines of a text that parses on its own."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", None)
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(getattr(body[0], "value", None), ast.Constant)
        ):
            docstring = body[0]
            for row in range(docstring.lineno - 1, docstring.end_lineno):
                lines[row] = ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return "\n".join(line.rstrip() for line in lines if line.strip())


def definition(thing) -> str:
    """Text of a function or class from its `def` or `class` on."""
    text = textwrap.dedent(inspect.getsource(thing))
    node = ast.parse(text).body[0]
    return "\n".join(text.splitlines()[node.lineno - 1 : node.end_lineno])


class Walk:
    """Collect the texts that a thing leads to, up to boundaries.

    Parameters
    ----------
    boundaries
        Functions and classes that are somebody else's, and names of modules that are.
    """

    def __init__(self, boundaries=()):
        self.boundaries = set(boundaries)
        self.texts = {}

    def sha256(self) -> str:
        """SHA-256 of all that was collected, in the order of its names."""
        text = "\n\n".join(f"{name}\n{self.texts[name]}" for name in sorted(self.texts))
        return hashlib.sha256(text.encode()).hexdigest()

    def root(self, thing) -> "Walk":
        """Collect what a thing leads to; of a module, all of its text."""
        if isinstance(thing, types.ModuleType):
            self.texts[thing.__name__] = without_comments(Path(thing.__file__).read_text())
        else:
            # Of what is wrapped, the function within is what others stop at.
            self.boundaries.discard(inspect.unwrap(thing))
            self.visit(thing, "root")
        return self

    def visit(self, thing, name: str) -> None:
        thing = inspect.unwrap(thing) if callable(thing) else thing
        if isinstance(thing, functools.partial):
            self.visit([thing.func, thing.args, thing.keywords], name)
        elif isinstance(thing, types.FunctionType | type):
            self.function_or_class(thing, name)
        elif dataclasses.is_dataclass(thing) and type(thing).__module__.startswith(PACKAGE):
            self.visit(type(thing), name)
            for field in dataclasses.fields(thing):
                self.visit(getattr(thing, field.name), f"{name}.{field.name}")
        elif isinstance(thing, dict):
            for key, value in thing.items():
                self.visit(value, f"{name}[{key!r}]")
        elif isinstance(thing, set | frozenset):
            self.texts[name] = repr(sorted(thing))
        elif isinstance(thing, list | tuple):
            for place, value in enumerate(thing):
                self.visit(value, f"{name}[{place}]")
        elif isinstance(thing, np.ndarray):
            self.texts[name] = repr(np.round(thing, 9).tolist()) if thing.dtype.kind == "f" else ""
        elif isinstance(thing, Path):
            inside = thing.is_relative_to(ROOT)
            self.texts[name] = thing.relative_to(ROOT).as_posix() if inside else str(thing)
        elif thing is None or isinstance(thing, bool | int | float | str | bytes):
            self.texts[name] = repr(thing)
        elif type(thing).__module__.startswith(PACKAGE):
            self.visit(type(thing), name)

    def function_or_class(self, thing, name: str) -> None:
        module = thing.__module__
        full = f"{module}.{thing.__qualname__}"
        ours = module.startswith(PACKAGE)
        if not ours or thing in self.boundaries or module in self.boundaries:
            return
        closure = getattr(thing, "__closure__", None) or ()
        defaults = getattr(thing, "__defaults__", None) or ()
        # The same inner function of another call holds other things.
        held = {
            f"{name}/{full}({place})": value
            for place, value in enumerate([*(cell.cell_contents for cell in closure), *defaults])
        }
        new = full not in self.texts
        if thing.__name__ == "<lambda>":
            names, attributes = set(thing.__code__.co_names), {}
        elif new:
            text = definition(thing)
            self.texts[full] = without_comments(text)
            names, attributes = used(text)
        else:
            names, attributes = set(), {}
        for key, value in held.items():
            self.visit(value, key)
        there = vars(inspect.getmodule(thing))
        for used_name in sorted(names & there.keys()):
            value = there[used_name]
            # Registers hold what is others', and a version is what all this stands beside.
            if (used_name.startswith("_") and isinstance(value, dict)) or "VERSION" in used_name:
                continue
            if isinstance(value, types.ModuleType):
                if value.__name__.startswith(PACKAGE):
                    for attribute in sorted(attributes.get(used_name, ())):
                        found = getattr(value, attribute, None)
                        self.visit(found, f"{value.__name__}.{attribute}")
            else:
                self.visit(value, f"{module}.{used_name}")


def used(text: str) -> tuple[set[str], dict[str, set[str]]]:
    """Names that a text uses, but for annotations, and the attributes that it takes of each."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        for field in ("annotation", "returns"):
            if getattr(node, field, None) is not None:
                setattr(node, field, None)
    names, attributes = set(), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            attributes.setdefault(node.value.id, set()).add(node.attr)
    return names, attributes
