"""The mapping by name that objects use for programs and maps."""

from __future__ import annotations

import pytest

from libbpf_cffi._named import Named


def named(*names: str) -> Named[str]:
    known = {name: name.upper() for name in names}
    return Named(lambda: list(known), known.get, "program", "object 'x'")


def test_it_keeps_the_order() -> None:
    """Names come in the order of the file."""
    assert list(named("b", "a", "c")) == ["b", "a", "c"]
    assert list(named("b", "a").items()) == [("b", "B"), ("a", "A")]


def test_it_counts_and_contains() -> None:
    """`len` and ``in`` work as in a dict."""
    things = named("a", "b")
    assert len(things) == 2
    assert "a" in things
    assert "c" not in things


def test_get_gives_none() -> None:
    """`get` of a missing name is ``None``."""
    assert named("a").get("b") is None


def test_a_missing_name_lists_close_ones() -> None:
    """A typing error is answered with what was meant."""
    with pytest.raises(KeyError, match="object 'x' has no program 'handle_exce'; close names: 'handle_exec'"):
        named("handle_exec", "other")["handle_exce"]


def test_a_missing_name_lists_what_there_is() -> None:
    """With nothing close the names are shown, ten at most."""
    with pytest.raises(KeyError, match=r"there are: 'n0', 'n1'.*'n9', …"):
        named(*(f"n{number}" for number in range(12)))["wholly different"]


def test_what_is_asked_for_as_an_attribute_is_said_to_be_had_by_its_name() -> None:
    """As of a skeleton in C; what only Python asks for is not."""
    with pytest.raises(AttributeError, match=r"has no attribute 'a': a program is had by its name, …\['a'\]$"):
        _ = named("a").a  # type: ignore[attr-defined]
    assert not hasattr(named("a"), "_asdict")


def test_nothing_at_all_says_so() -> None:
    """An object without programs says that it has none."""
    with pytest.raises(KeyError, match="it has no programs"):
        named()["a"]


def test_a_key_of_another_type_is_missing() -> None:
    """A number is no name."""
    with pytest.raises(KeyError):
        named("a")[1]  # type: ignore[index]


def test_repr_shows_the_names() -> None:
    """The names are seen at the prompt."""
    assert repr(named("a", "b")) == "<programs of object 'x': a, b>"
    assert repr(named()) == "<programs of object 'x': none>"


def test_to_ask_whether_there_is_one_seeks_no_close_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """That takes milliseconds, and imports difflib."""
    monkeypatch.setattr("libbpf_cffi._named.missing_name", None)
    things = named("a")
    assert "b" not in things
    assert 5 not in things
    assert things.get("b", "none") == "none"
    assert things.get("a") == "A"
