"""Random C types, with C that fills them from numbers and tells the numbers in them, and what Python should see.

A header is text and the types that it declares. Of a type, `fill` and `tell` write C statements, `values` makes a value
of Python with the numbers that `fill` reads and an initialiser, and `leaves` lists what is in a decoded value in the
order of `tell`.
"""

from __future__ import annotations

import keyword
import struct
from dataclasses import dataclass, field

from hypothesis import strategies as st


@dataclass(frozen=True)
class Scalar:
    """What has one value: `kind` is int, bool, char, float, enum or pointer."""

    kind: str
    text: str  # with %s for what is declared
    size: int
    signed: bool = False
    low: int | None = None  # an enumeration has the range of its compiler's choice
    high: int | None = None

    def limits(self, bits: int) -> tuple[int, int]:
        if self.kind == "bool":
            return 0, 1
        low, high = (-1 << bits - 1, (1 << bits - 1) - 1) if self.signed else (0, (1 << bits) - 1)
        return low, high


@dataclass(frozen=True)
class Named:
    """A typedef."""

    name: str
    target: object


@dataclass(frozen=True)
class Qualified:
    """A const or volatile type."""

    qualifier: str
    target: object


@dataclass(frozen=True)
class Array:
    """An array; with a count of ``None`` a flexible one."""

    element: object
    count: int | None


@dataclass(frozen=True)
class Member:
    """A member; one without a name is anonymous or, with a width, an unnamed bit field."""

    name: str
    type: object
    width: int | None = None
    attribute: str = ""


@dataclass(frozen=True)
class Composite:
    """A struct or union."""

    keyword: str
    tag: str
    members: tuple[Member, ...]
    attribute: str = ""

    @property
    def body(self) -> str:
        lines = "".join(f"    {declare(each.type, each.name, each.width)}{each.attribute};\n" for each in self.members)
        return f"{self.keyword} {self.tag} {{\n{lines}}} {self.attribute}"


@dataclass
class Header:
    """Declarations, and the types that are tested."""

    lines: list[str] = field(default_factory=list)
    types: list[object] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    def __repr__(self) -> str:
        return f"{self.text}// {len(self.types)} types: {', '.join(declare(each, '') for each in self.types)}"


def bare(kind: object) -> object:
    """Look through typedefs and qualifiers."""
    while isinstance(kind, (Named, Qualified)):
        kind = kind.target
    return kind


def declare(kind: object, name: str, width: int | None = None) -> str:
    """Write a declaration."""
    if width is not None:
        name = f"{name} : {width}"
    if isinstance(kind, Scalar):
        return kind.text % name
    if isinstance(kind, Named):
        return f"{kind.name} {name}"
    if isinstance(kind, Qualified):
        return f"{kind.qualifier} {declare(kind.target, name)}"
    if isinstance(kind, Array):
        return declare(kind.element, f"{name}[{'' if kind.count is None else kind.count}]")
    assert isinstance(kind, Composite)
    return f"{kind.keyword} {kind.tag} {name}" if kind.tag else f"{kind.body} {name}"


INTS = [
    Scalar("int", f"{name} %s", size, signed)
    for name, size, signed in [
        ("unsigned char", 1, False), ("signed char", 1, True), ("short", 2, True), ("unsigned short", 2, False),
        ("int", 4, True), ("unsigned int", 4, False), ("long", 8, True), ("unsigned long", 8, False),
        ("long long", 8, True), ("unsigned long long", 8, False),
    ]
]  # fmt: skip
CHAR = Scalar("char", "char %s", 1, True)
BOOL = Scalar("bool", "_Bool %s", 1)
WIDE = [Scalar("int", "__int128 %s", 16, True), Scalar("int", "unsigned __int128 %s", 16, False)]
FLOATS = [Scalar("float", "float %s", 4), Scalar("float", "double %s", 8)]
POINTERS = [
    Scalar("pointer", text, 8)
    for text in ["void *%s", "const char *%s", "struct unknown *%s", "int (*%s)(int, ...)", "union u_unknown **%s"]
]

SPECIAL_NAMES = [
    "count", "index", "class", "def", "None", "lambda", "self", "cls", "_fields", "_asdict", "_replace", "_name",
    "_elements", "__slots__", "__class__", "__dict__", "__new__", "__reduce__", "__private", "_", "__", "mro", "v0",
    "c0", "new", "_bytes", "_values", "data", "size", "unpack_from", "buffer", "offset",
]  # fmt: skip


class Draw:
    """One header in the making."""

    def __init__(self, draw, *, odd: bool) -> None:
        self.draw = draw
        self.header = Header()
        self.header.lines += ["struct unknown;", "union u_unknown;"]
        self.pool: list[object] = []
        self.number = 0
        self.odd = odd
        self.scalars = [*INTS, *INTS[4:8], CHAR, BOOL, *POINTERS, *WIDE, *FLOATS]
        if not odd:
            self.scalars = [each for each in self.scalars if each.size > 1]

    def pick(self, choices):
        return self.draw(st.sampled_from(choices))

    def fresh(self, prefix: str) -> str:
        self.number += 1
        return f"{prefix}{self.number}"

    def member_name(self, used: set[str]) -> str:
        name = self.pick(SPECIAL_NAMES) if self.draw(st.integers(0, 9)) == 9 else ""
        if not name or name in used:
            name = self.fresh("m")
        used.add(name)
        return name

    def enum(self) -> Scalar:
        """Declare an enumeration."""
        ranges = [st.integers(0, 10), st.integers(-128, 127)]
        for bits in (32, 64):
            ranges += [st.integers(0, (1 << bits) - 1), st.integers(-1 << bits - 1, (1 << bits - 1) - 1)]
        values = self.draw(st.lists(st.one_of(ranges), min_size=1, max_size=4))
        # Of both signs, one of 64 bits is in no type.
        if min(values) < 0:
            values = [value if value < 1 << 63 else value - (1 << 64) for value in values]
        signed = min(values) < 0
        packed = self.draw(st.integers(0, 3)) == 3
        bits = max((value.bit_length() if value >= 0 else (~value).bit_length()) + signed for value in values)
        size = next(size for size in ((1, 2, 4, 8) if packed else (4, 8)) if size * 8 >= bits)
        tag = self.fresh("e")
        names = ", ".join(f"{tag}_{index} = {c_number(value)}" for index, value in enumerate(values))
        attribute = "__attribute__((packed))" if packed else ""
        self.header.lines.append(f"enum {attribute} {tag} {{ {names} }};")
        return Scalar("enum", f"enum {tag} %s", size, signed)

    def type(self, depth: int) -> object:
        """Give the type of a member."""
        choice = self.draw(st.integers(0, 14))
        if choice <= 5 or (choice <= 8 and depth >= 3):
            kind = self.pick(self.scalars)
        elif choice <= 8:
            count = self.pick([1, 2, 3, 4, 5, 8, 16, 17, 0 if self.odd else 1])
            kind = Array(self.type(depth + 1), count)
        elif choice == 9 and self.odd:
            kind = Array(CHAR, self.pick([1, 4, 16, 7, 33]))
        elif choice == 10 and depth < 2:
            kind = self.composite("", depth + 1)
        elif choice == 11:
            kind = self.enum()
        elif choice == 12 and depth < 3:
            qualifier = self.pick(["const", "volatile"])
            kind = self.type(depth + 1)
            kind = Qualified(qualifier, kind) if not isinstance(bare(kind), Array) else kind
        else:
            kind = self.pick(self.pool) if self.pool else self.pick(self.scalars)
        return kind

    def member(self, used: set[str], depth: int, owner: str) -> Member:
        choice = self.draw(st.integers(0, 9))
        if choice <= 2:
            base = self.pick([*INTS, BOOL, *self.enums()])
            most = 1 if base.kind == "bool" else base.size * 8
            width = self.draw(st.integers(0, most))
            if width == 0 or self.draw(st.integers(0, 7)) == 7:
                return Member("", base, width)
            return Member(self.member_name(used), base, width)
        if choice == 3 and depth < 3:
            # Anonymous: its names are the owner's.
            keyword_ = self.pick(["struct", "union"])
            return Member("", self.body(keyword_, "", used, depth + 1))
        attribute = " __attribute__((aligned(16)))" if choice == 4 and self.draw(st.integers(0, 4)) == 4 else ""
        kind = self.type(depth)
        return Member(self.member_name(used), kind, None, attribute)

    def enums(self) -> list[Scalar]:
        return [each for each in map(bare, self.pool) if isinstance(each, Scalar) and each.kind == "enum"]

    def body(self, keyword_: str, tag: str, used: set[str], depth: int) -> Composite:
        most = 6 if depth == 0 else 4
        members = [self.member(used, depth, keyword_) for _ in range(self.draw(st.integers(0, most)))]
        has_names = self.odd and any(each.name for each in members)
        if depth == 0 and keyword_ == "struct" and has_names and self.draw(st.integers(0, 7)) == 7:
            element = self.type(2)
            if size_is_sure(element):
                members.append(Member(self.member_name(used), Array(element, None)))
        if depth == 0 and tag and self.draw(st.integers(0, 5)) == 5:
            members.insert(0, Member(self.member_name(used), Scalar("pointer", f"{keyword_} {tag} *%s", 8)))
        packed = "__attribute__((packed))" if self.odd else ""
        attribute = self.pick(["", "", "", "", packed, "__attribute__((aligned(32)))"])
        return Composite(keyword_, tag, tuple(members), attribute)

    def composite(self, tag: str, depth: int) -> Composite:
        return self.body(self.pick(["struct", "struct", "struct", "union"]), tag, set(), depth)

    def declare(self) -> None:
        """Declare one more type."""
        choice = self.draw(st.integers(0, 9))
        if choice <= 6 or not self.pool:
            kind = self.composite(self.fresh("s"), 0)
            self.header.lines.append(f"{kind.body};")
        elif choice == 7:
            kind = self.enum()
        else:
            target = self.type(1)
            kind = Named(self.fresh("t"), target)
            self.header.lines.append(f"typedef {declare(target, kind.name)};")
        if not is_flexible(kind):
            self.pool.append(kind)
        self.header.types.append(kind)


def is_flexible(kind: object) -> bool:
    """Tell whether a type ends in a flexible array, which may stand in no other type."""
    kind = bare(kind)
    if not isinstance(kind, Composite) or not kind.members:
        return False
    last = bare(kind.members[-1].type)
    return isinstance(last, Array) and last.count is None


def size_is_sure(kind: object) -> bool:
    """Tell whether a type has certainly a size other than 0."""
    kind = bare(kind)
    if isinstance(kind, Array):
        return bool(kind.count) and size_is_sure(kind.element)
    return isinstance(kind, Scalar) or any(each.name and not each.width and size_is_sure(each.type)
                                           for each in kind.members)  # fmt: skip


@st.composite
def headers(draw, *, odd: bool = True) -> Header:
    """Give random headers; those not `odd` have no arrays of single bytes or of nothing, and nothing packed."""
    making = Draw(draw, odd=odd)
    for _ in range(draw(st.integers(1, 5))):
        making.declare()
    return making.header


def c_number(value: int) -> str:
    """Write a number, however large."""
    if value == -1 << 63:
        return "(-0x7fffffffffffffffLL-1)"
    if -1 << 63 <= value < 0:
        return f"(-{-value:#x}LL)"
    if 0 <= value < 1 << 63:
        return f"{value:#x}LL" if value >= 1 << 31 else f"{value:#x}"
    if 0 <= value < 1 << 64:
        return f"{value:#x}ULL"
    value &= (1 << 128) - 1
    return f"((unsigned __int128){value >> 64:#x}ULL << 64 | {value & (1 << 64) - 1:#x}ULL)"


# C that reads and writes values


def named_members(kind: Composite):
    """Give the members that have a value: unnamed bit fields have none."""
    return [each for each in kind.members if each.name or each.width is None]


def path(owner: str, member: Member) -> str:
    return f"{owner}.{member.name}" if member.name else owner


def tell(kind: object, place: str, tail: str = "0", depth: int = 0) -> str:
    """Write C that prints each number in `place`, hexadecimal, as of 128 bits."""
    kind = bare(kind)
    if isinstance(kind, Array):
        index = f"i{depth}"
        count = tail if kind.count is None else kind.count
        inner = tell(kind.element, f"{place}[{index}]", tail, depth + 1)
        return f"for (unsigned long {index} = 0; {index} < {count}; {index}++) {{ {inner} }}\n"
    if isinstance(kind, Composite):
        return "".join(tell(each.type, path(place, each), tail, depth) if each.width is None
                       else f"put({place}.{each.name});\n" for each in named_members(kind))  # fmt: skip
    if kind.kind == "bool":
        return f"put(*(unsigned char *)&{place} != 0);\n"
    if kind.kind == "float":
        return f"put_bytes(&{place}, {kind.size});\n"
    if kind.kind == "pointer":
        return f"put((unsigned long){place});\n"
    if kind.kind == "char":
        return f"put((unsigned char){place});\n"
    return f"put({place});\n"


def fill(kind: object, place: str, tail: str = "0", depth: int = 0) -> str:
    """Write C that reads each number of `place`; of a union, first which member it is to be."""
    kind = bare(kind)
    if isinstance(kind, Array):
        index = f"i{depth}"
        count = tail if kind.count is None else kind.count
        inner = fill(kind.element, f"{place}[{index}]", tail, depth + 1)
        return f"for (unsigned long {index} = 0; {index} < {count}; {index}++) {{ {inner} }}\n"
    if isinstance(kind, Composite):
        each_one = [fill(each.type, path(place, each), tail, depth) if each.width is None
                    else f"{place}.{each.name} = get();\n" for each in named_members(kind)]  # fmt: skip
        if kind.keyword == "struct":
            return "".join(each_one)
        cases = "".join(f"case {index}: {{ {text} }} break;\n" for index, text in enumerate(each_one))
        return f"switch ((int)get()) {{\n{cases}}}\n"
    if kind.kind == "float":
        return f"get_bytes(&{place}, {kind.size});\n"
    if kind.kind == "pointer":
        return f"{place} = (__typeof__({place}))(unsigned long)get();\n"
    return f"{place} = get();\n"


# Values of Python


@dataclass
class Value:
    """A value: as Python has it, the numbers that `fill` reads, and an initialiser (without the braces if inline)."""

    python: object
    numbers: list[int]
    c: str


FLOAT_VALUES = [0.0, 1.5, -2.25, 0.1, float("inf"), float("-inf"), -0.0, 3e38, 1e-40]


def values(kind: object, random, width: int | None = None, tail: int = 0) -> Value:
    """Make a random value of a type; one near the limits of its range as often as not."""
    kind = bare(kind)
    if isinstance(kind, Array):
        count = tail if kind.count is None else kind.count
        if bare(kind.element) is CHAR:
            length = count if kind.count is None else random.randint(0, count)
            text = bytes(random.choice(b"abcXYZ 0\xc3\xa4") for _ in range(length))
            text = text.decode("utf-8", "surrogateescape")
            data = text.encode("utf-8", "surrogateescape").ljust(count, b"\0")
            return Value(text, list(data), "{" + ", ".join(f"(char){each}" for each in data) + "}")
        each_one = [values(kind.element, random) for _ in range(count)]
        return Value([each.python for each in each_one], [n for each in each_one for n in each.numbers],
                     "{" + ", ".join(each.c for each in each_one) + "}")  # fmt: skip
    if isinstance(kind, Composite):
        found = composite_values(kind, random, tail)
        found.c = "{" + found.c + "}"
        return found
    if kind.kind == "float":
        number = random.choice(FLOAT_VALUES) if random.random() < 0.5 else random.uniform(-1e6, 1e6)
        code = "<f" if kind.size == 4 else "<d"
        data = struct.pack(code, number)
        text = {"inf": "__builtin_inf()", "-inf": "-__builtin_inf()"}.get(str(number)) or number.hex()
        return Value(number, list(data), text)
    bits = kind.size * 8 if width is None else width
    low, high = kind.limits(bits)
    number = random.choice([low, high, 0, min(1, high), random.randint(low, high), random.randint(low, high)])
    wrapped = number & (1 << 128) - 1
    text = f"(void *){number:#x}UL" if kind.kind == "pointer" else c_number(number)
    if kind.kind == "pointer":
        text = f"(void *){number:#x}UL"
    return Value(bool(number) if kind.kind == "bool" else number, [wrapped], text)


def composite_values(kind: Composite, random, tail: int) -> Value:
    members = named_members(kind)
    numbers: list[int] = []
    if kind.keyword == "union":
        if not members:
            return Value({}, [0], "")
        index = random.randrange(len(members))
        numbers.append(index)
        members = [members[index]]
    python: dict[str, object] = {}
    texts = []
    for each in members:
        if each.name:
            found = values(each.type, random, each.width, tail)
            python[each.name] = found.python
            texts.append(f".{each.name} = {found.c}")
        else:
            found = composite_values(bare(each.type), random, tail)
            python |= found.python
            texts.append(found.c)
        numbers += found.numbers
    return Value(python, numbers, ", ".join(each for each in texts if each))


def member_of(value, name: str):
    """Read a member; its attribute, where there is one, is the same."""
    found = value._asdict()[name]
    if not name.startswith("_") and not keyword.iskeyword(name):
        assert same(getattr(value, name), found)
    return found


def same(one, other) -> bool:
    return one == other or repr(one) == repr(other)


def leaves(kind: object, value, owner=None) -> list[object]:
    """List the numbers in a decoded value (with text as bytes), in the order of `tell`."""
    kind = bare(kind)
    if isinstance(kind, Array):
        if bare(kind.element) is CHAR:
            return list(value)
        return [leaf for each in value for leaf in leaves(kind.element, each)]
    if isinstance(kind, Composite):
        found: list[object] = []
        for each in named_members(kind):
            inner = member_of(value, each.name) if each.name else value
            found += leaves(each.type, inner) if each.width is None else [inner]
        return found
    if kind.kind == "char":
        return [value & 0xFF]
    return [value]


PRELUDE = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stddef.h>
typedef unsigned __int128 wide;
static void put(wide n) { printf("%llx:%llx\n", (unsigned long long)(n >> 64), (unsigned long long)n); }
static void put_bytes(const void *p, int n) { wide v = 0; memcpy(&v, p, n); put(v); }
static wide get(void)
{
    unsigned long long high, low;
    if (scanf("%llx:%llx", &high, &low) != 2) abort();
    return (wide)high << 64 | low;
}
static void get_bytes(void *p, int n) { for (int i = 0; i < n; i++) ((unsigned char *)p)[i] = get(); }
static void put_memory(const unsigned char *p, unsigned long n)
{
    printf("=");
    for (unsigned long i = 0; i < n; i++) printf("%02x", p[i]);
    printf("\n");
}
static void get_memory(unsigned char *p, unsigned long n)
{
    for (unsigned long i = 0; i < n; i++) { unsigned v; if (scanf("%2x", &v) != 1) abort(); p[i] = v; }
}
#define const
#define volatile
"""


def program(header: Header) -> str:
    """Write a C program that answers what its input asks: see `Host`."""
    parts = [PRELUDE, header.text, "int main(void) {\nint type; char what;\n"]
    parts.append('while (scanf("%d %c", &type, &what) == 2) {\nunsigned long n = get(), size = get();\n')
    parts.append("unsigned char *memory = aligned_alloc(64, (size + 8191) / 4096 * 4096); memset(memory, 0, size);\n")
    parts.append("switch (type) {\n")
    for index, kind in enumerate(header.types):
        parts.append(f"case {index}: {{ {declare(kind, '(*p)')} = (void *)memory;\n")
        parts.append(f"if (what == 's') {{ put(sizeof(*p)); {offsets(kind)} }}\n")
        parts.append(f"if (what == 't') {{ get_memory(memory, size);\n{tell(kind, '(*p)', 'n')} }}\n")
        parts.append(f"if (what == 'f') {{ {fill(kind, '(*p)', 'n')}\nput_memory(memory, size); }}\n")
        parts.append("} break;\n")
    parts.append('}\nprintf(".\\n"); free(memory);\n}\nreturn 0;\n}\n')
    return "".join(parts)


def offsets(kind: object) -> str:
    """Write C that prints where the members are that are no bit fields."""
    kind = bare(kind)
    if not isinstance(kind, Composite):
        return ""
    return "".join(f"put(offsetof(__typeof__(*p), {name}));\n" for name in plain_names(kind))


def plain_names(kind: Composite) -> list[str]:
    """List the members with an address, those of anonymous ones too."""
    found = []
    for each in kind.members:
        if each.name and each.width is None:
            found.append(each.name)
        elif not each.name and each.width is None:
            found += plain_names(bare(each.type))
    return found
