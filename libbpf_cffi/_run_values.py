"""Global variables on the command line: ``--set`` sets them before load, ``--variables`` lists them after it."""

from __future__ import annotations

import libbpf_cffi as bpf

from ._command_text import layout, text
from ._run_options import UsageError
from .variables import c_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ._run_io import Output, Reporter

__all__ = ["TRUTH", "assign", "list_variables", "string", "value_of"]

TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def assign(objects: Mapping[str, bpf.Object], name: str, given: str, report: Reporter) -> None:
    """Set a variable in every object that has it; `UsageError` if none has, or the value does not suit."""
    having = {path: obj for path, obj in objects.items() if name in obj.variables}
    if not having:
        raise UsageError(f"--set {name}: {_missing(objects, name)}")
    for obj in having.values():
        try:
            obj.variables[name] = value_of(obj.variables.describe(name).type, given)
        except (ValueError, TypeError, bpf.StateError) as wrong:
            raise UsageError(f"--set {name}={given}: {wrong}") from None
    where = f" in {' and '.join(having)}" if len(objects) > 1 else ""
    value = next(iter(having.values())).variables[name]
    report.fact(f"set {name} to {text(value)}{where}")


def _missing(objects: Mapping[str, bpf.Object], name: str) -> str:
    """Say that no object has a variable, with the names that come close; or which part of it there is not."""
    whole = name.partition(".")[0].partition("[")[0]
    names: list[str] = []
    for obj in objects.values():
        if len(objects) == 1 or whole in obj.variables:
            try:
                obj.variables.describe(name)
            except (KeyError, IndexError) as missing:
                return str(missing.args[0])
        names += obj.variables
    from difflib import get_close_matches

    close = get_close_matches(name, names, n=3, cutoff=0.5)
    known = f"close names: {', '.join(close)}" if close else f"there are: {', '.join(sorted(set(names))) or 'none'}"
    return f"none of the objects has such a variable; {known}"


# What is given as text


def value_of(type: bpf.BtfType, given: str) -> Any:
    """Make the value that a text stands for, by the type; ``ValueError`` says what would suit."""
    target = type.resolve()
    kind = target.kind
    if kind in (bpf.BtfKind.INT, bpf.BtfKind.PTR):
        return _truth(given) if kind == bpf.BtfKind.INT and target.is_bool else _integer(given, type)
    if kind in (bpf.BtfKind.ENUM, bpf.BtfKind.ENUM64):
        try:
            return int(given, 0)
        except ValueError:
            return given  # an enumerator's name, or refused with those that there are
    if kind == bpf.BtfKind.FLOAT:
        try:
            return float(given)
        except ValueError:
            raise ValueError(f"{given!r} is no number, and the type is {c_name(type)}") from None
    if _is_text(target):
        return string(given)
    if kind in (bpf.BtfKind.ARRAY, bpf.BtfKind.STRUCT, bpf.BtfKind.UNION):
        return _by_type(type, _json(given, type, target))
    raise ValueError(f"a value of type {c_name(type)} cannot be given as text")


def _is_text(target: bpf.BtfType) -> bool:
    if target.kind != bpf.BtfKind.ARRAY:
        return False
    element = target.type.resolve()
    return element.kind == bpf.BtfKind.INT and element.size == 1 and element.is_char


def _integer(given: str, type: bpf.BtfType) -> int:
    try:
        return int(given, 0)
    except ValueError:
        wants = f"a number such as 10, -10, 0x1f or 0b11: the type is {c_name(type)}"
        raise ValueError(f"{given!r} is not {wants}") from None


def _truth(given: str) -> bool:
    try:
        return TRUTH[given.lower()]
    except KeyError:
        raise ValueError(f"{given!r} is neither true nor false: the type is bool") from None


def string(given: str) -> str:
    """Take quotes off: double ones as in JSON, single ones as in a shell; without any the text is as it stands."""
    if len(given) > 1 and given[0] == given[-1] == "'":
        return given[1:-1]
    if len(given) > 1 and given[0] == given[-1] == '"':
        import json

        try:
            return str(json.loads(given))
        except ValueError:
            return given[1:-1]
    return given


def _json(given: str, type: bpf.BtfType, target: bpf.BtfType) -> Any:
    import json

    try:
        return json.loads(given)
    except (ValueError, RecursionError) as wrong:
        what = "an array such as [1, 2]" if target.kind == bpf.BtfKind.ARRAY else 'an object such as {"member": 1}'
        raise ValueError(f"{given!r} is not JSON ({wrong}): for the type {c_name(type)} give {what}") from None


def _by_type(type: bpf.BtfType, value: Any) -> Any:
    """Take numbers in any base, as texts, where a number is wanted in JSON."""
    target = type.resolve()
    if isinstance(value, list) and target.kind == bpf.BtfKind.ARRAY:
        return [_by_type(target.type, each) for each in value]
    if isinstance(value, dict) and target.kind in (bpf.BtfKind.STRUCT, bpf.BtfKind.UNION):
        members = dict(_members(target))
        return {name: _by_type(members[name], each) if name in members else each for name, each in value.items()}
    if isinstance(value, str) and target.kind in (bpf.BtfKind.INT, bpf.BtfKind.PTR):
        return value_of(type, value)
    return value


def _members(target: bpf.BtfType) -> list[tuple[str, bpf.BtfType]]:
    found = []
    for member in target.members:
        inner = member.type.resolve()
        if not member.name and inner.kind in (bpf.BtfKind.STRUCT, bpf.BtfKind.UNION):
            found += _members(inner)
        else:
            found.append((member.name, member.type))
    return found


# The list


def list_variables(objects: Mapping[str, bpf.Object], output: Output, width: int | None, *, as_json: bool) -> None:
    """Write name, type, section and value of every variable."""
    rows = [
        (path, name, obj.variables.describe(name), obj.variables[name])
        for path, obj in objects.items()
        for name in obj.variables
    ]
    if as_json:
        from json import dumps

        for path, name, variable, value in rows:
            facts = {"object": path} if len(objects) > 1 else {}
            facts |= {"variable": name, "type": c_name(variable.type), "section": variable.section}
            output.write(f"{dumps({**facts, 'value': bpf.plain(value)})}\n")
        return
    if not rows:
        output.write("no global variables\n")
        return
    head = ["VARIABLE", "TYPE", "SECTION", "VALUE"]
    lines = [[name, c_name(variable.type), variable.section, _shown(value)] for _, name, variable, value in rows]
    if len(objects) > 1:
        head.insert(0, "OBJECT")
        lines = [[path, *line] for (path, *_), line in zip(rows, lines, strict=True)]
    output.write("".join(f"{line}\n" for line in layout(head, lines, width)))


def _shown(value: Any) -> str:
    return f'"{text(value)}"' if isinstance(value, str) else text(value)
