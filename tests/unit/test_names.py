"""The public surface: what is public has a docstring and is in ``__all__``."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

import libbpf_cffi

PACKAGE = Path(libbpf_cffi.__file__).parent
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")
WITHOUT_DOCSTRING = {"ffi", "lib"}
"""CFFI's own objects, described in the documentation."""


def test_every_public_name_is_there() -> None:
    """Each name of ``__all__`` can be had, the lazy ones too, and `dir` shows it."""
    for name in libbpf_cffi.__all__:
        assert getattr(libbpf_cffi, name) is not None
        assert name in dir(libbpf_cffi)


def test_dir_shows_what_is_public_and_nothing_else() -> None:
    """Neither what the module imports for itself nor what Python puts there."""
    libbpf_cffi.MapType
    assert dir(libbpf_cffi) == sorted([*libbpf_cffi.__all__, "__version__"])


def test_lazy_names_are_public() -> None:
    """What is imported when first asked for is in ``__all__``."""
    assert set(libbpf_cffi._LATER) <= set(libbpf_cffi.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """The lazy import does not hide a wrong name."""
    with pytest.raises(AttributeError, match="no attribute 'Objekt'"):
        libbpf_cffi.Objekt


@pytest.mark.parametrize("name", sorted(set(libbpf_cffi.__all__) - WITHOUT_DOCSTRING))
def test_every_public_name_has_a_docstring(name: str) -> None:
    """A public class, its public methods and properties, and a public function are documented."""
    thing = getattr(libbpf_cffi, name)
    assert inspect.getdoc(thing), name
    if not inspect.isclass(thing):
        return
    bases = [base for base in thing.__mro__ if base.__module__.startswith("libbpf_cffi")]
    for member, value in ((member, value) for base in bases for member, value in vars(base).items()):
        if member.startswith("_") or not (inspect.isfunction(value) or isinstance(value, (property, classmethod))):
            continue
        documented = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        assert inspect.getdoc(documented), f"{name}.{member}"


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is_for_and_what_is_public(module: str) -> None:
    """A module has a docstring, and its ``__all__`` names what it defines."""
    loaded = importlib.import_module(f"libbpf_cffi.{module}")
    assert loaded.__doc__
    for name in loaded.__all__:
        assert hasattr(loaded, name), name


def test_the_version_of_libbpf_is_the_pinned_one() -> None:
    """The extension holds libbpf 1.7."""
    assert libbpf_cffi.lib.libbpf_major_version() == 1
    assert libbpf_cffi.lib.libbpf_minor_version() == 7
