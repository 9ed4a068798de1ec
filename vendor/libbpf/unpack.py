#!/usr/bin/env python3
"""Put the pinned libbpf's sources into `source/` beside this file.

Run it (`python3 vendor/libbpf/unpack.py`), or let setup.py call `ensure()`. The archive comes from, in this
order:

1. LIBBPF_CFFI_SOURCE, an archive or a directory;
2. upstream, unless LIBBPF_CFFI_NO_DOWNLOAD is set;
3. the Debian mirrors of this machine (`apt-get indextargets` prints them), unless LIBBPF_CFFI_NO_DOWNLOAD is
set.

Nothing is unpacked before its size and sha256 are those of `pin`. What is unpacked appears in one rename,
whole or not at all, however many builds run at once. Only the standard library is used: this runs before
anything is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import http.client
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

HERE = Path(__file__).resolve().parent

#: What of the archive is kept: the sources, the headers that they need, and the licences of both.
KEPT_FOLDERS = ("src", "include")
KEPT_FILES = re.compile(r"LICENSE[\w.-]*|README\.md")

#: What a build by libbpf's own Makefile leaves among its sources.
_BUILT = re.compile(r".*\.(o|a|so(\.[\d.]+)?|pc|d)|staticobjs|sharedobjs|\..*")

#: Seconds without an answer after which a source is given up, and seconds for the whole of one download.
TIMEOUT = 10.0
DEADLINE = 120.0

#: The release unpacks to some 4 MiB; anything far beyond is not it.
MAX_UNPACKED = 64 << 20

#: In `source/`, when it was copied from the user's directory and so is not the pinned release: the digest of
#: the copy.
MARKER = ".from-directory"

Say = Callable[[str], object]


class VendorError(Exception):
    """The pinned libbpf cannot be had; the text says why, for each source, and what to do."""


@dataclass(frozen=True)
class Pin:
    """What `pin` says."""

    version: str
    url: str
    debian: str
    size: int
    sha256: str
    tree: str

    @property
    def api_version(self) -> str:
        """The version that libbpf's own header knows: major and minor."""
        return self.version.rpartition(".")[0]


def read_pin(path: Path = HERE / "pin") -> Pin:
    """Read the pin file. Raises `VendorError` for a key that is missing, unknown, or malformed."""
    values: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals or key not in Pin.__dataclass_fields__ or key in values:
            raise VendorError(f"{path}:{number}: not one of {', '.join(Pin.__dataclass_fields__)}, once each: {line!r}")
        values[key] = value
    missing = [key for key in Pin.__dataclass_fields__ if not values.get(key)]
    if missing:
        raise VendorError(f"{path}: says nothing of {', '.join(missing)}")
    if not values["size"].isdecimal() or not all(
        re.fullmatch(r"[0-9a-f]{64}", values[key]) for key in ("sha256", "tree")
    ):
        raise VendorError(f"{path}: size must be a number of bytes, sha256 and tree 64 hexadecimal digits")
    return Pin(
        values["version"],
        values["url"],
        values["debian"],
        int(values["size"]),
        values["sha256"],
        values["tree"],
    )


# ------------------------------------------------------------------------------------------------------------
# What is there already


def kept_files(root: Path) -> list[str]:
    """List the files below `root` that belong to the pinned tree, as sorted POSIX paths.

    Raises `VendorError` for a symbolic link or a device among them.
    """
    found: list[str] = []

    def walk(folder: Path, prefix: str) -> None:
        for path in folder.iterdir():
            name = prefix + path.name
            if _BUILT.fullmatch(path.name):
                continue
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise VendorError(f"{path} is neither a plain file nor a directory")
            if path.is_dir():
                walk(path, name + "/")
            else:
                found.append(name)

    for name in KEPT_FOLDERS:
        if (root / name).is_dir():
            walk(root / name, name + "/")
    found += [path.name for path in root.iterdir() if KEPT_FILES.fullmatch(path.name) and path.is_file()]
    return sorted(found)


def tree_digest(root: Path) -> str:
    """Return the sha256 of names and contents of the kept files below `root`; times and modes don't count."""
    digest = hashlib.sha256()
    for name in kept_files(root):
        content = (root / name).read_bytes()
        digest.update(b"%d %s\n%d\n" % (len(name.encode()), name.encode(), len(content)))
        digest.update(content)
    return digest.hexdigest()


def _state(target: Path, pin: Pin) -> str:
    """Return "pinned", "copied" (from a user's directory, unchanged since), "missing" or "changed"."""
    if not target.is_dir():
        return "missing"
    digest = tree_digest(target)
    marker = target / MARKER
    if marker.exists():
        return "copied" if marker.read_text(encoding="ascii").strip() == digest else "changed"
    return "pinned" if digest == pin.tree else "changed"


# ------------------------------------------------------------------------------------------------------------
# Archives


def verify(data: bytes, pin: Pin) -> None:
    """Check that `data` is the pinned archive. Raises `VendorError` that names both sizes or both hashes."""
    if len(data) != pin.size:
        kind = "truncated" if len(data) < pin.size else "too long"
        raise VendorError(f"{kind}: {len(data)} bytes instead of {pin.size}")
    digest = hashlib.sha256(data).hexdigest()
    if digest != pin.sha256:
        raise VendorError(f"its sha256 is {digest} instead of {pin.sha256}")


def extract(data: bytes, into: Path) -> None:
    """Unpack the kept files of the archive `data` into the empty directory `into`, without its top folder.

    Raises `VendorError` for a member that is outside the top folder or leads out of it, for a device, for a
    link among what is kept, for a member that is there twice, and for an archive that ends early.
    """
    # tarfile stops at the archive's own end and would not miss what follows; 31: with gzip's header and checksum.
    unzip = zlib.decompressobj(31)
    try:
        plain = unzip.decompress(data, MAX_UNPACKED)
        if not unzip.eof:
            raise VendorError(f"the archive is truncated, or unpacks to more than {MAX_UNPACKED >> 20} MiB")
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
            _extract_members(archive, into)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise VendorError(f"the archive cannot be unpacked: {error}") from error


def _extract_members(archive: tarfile.TarFile, into: Path) -> None:
    top = ""
    for member in archive:
        parts = _inside(member.name, f"member {member.name!r}")
        if not top:
            top = parts[0]
        if parts[0] != top:
            raise VendorError(f"member {member.name!r} is not below {top!r}, where the others are")
        if member.issym() or member.islnk():
            _check_link(member, top)
        elif not (member.isreg() or member.isdir()):
            raise VendorError(f"member {member.name!r} is a device, a pipe or something stranger")
        inner = parts[1:]
        if not inner or not (inner[0] in KEPT_FOLDERS or (len(inner) == 1 and KEPT_FILES.fullmatch(inner[0]))):
            continue
        if member.issym() or member.islnk():
            raise VendorError(f"member {member.name!r} is a link; libbpf's sources have none")
        path = into.joinpath(*inner)
        if member.isdir():
            path.mkdir(parents=True, exist_ok=True)
            continue
        content = archive.extractfile(member)
        if content is None:
            raise VendorError(f"member {member.name!r} has no content")
        path.parent.mkdir(parents=True, exist_ok=True)
        written = content.read()
        if len(written) != member.size:
            raise VendorError(f"truncated: member {member.name!r} has {len(written)} bytes instead of {member.size}")
        # "x": a member that is there twice, or that would go through another one, is refused.
        with open(path, "xb") as file:
            file.write(written)
    if not top:
        raise VendorError("the archive is empty")


def _inside(name: str, what: str) -> tuple[str, ...]:
    """Return the parts of the relative path `name`. Raises `VendorError` when it leaves the folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise VendorError(f"{what} leaves the folder that it is unpacked into")
    return path.parts


def _check_link(member: tarfile.TarInfo, top: str) -> None:
    """Refuse a link that leads out of the top folder, even one that is not kept."""
    target = member.linkname
    # A hard link names another member; a symbolic one is relative to its own folder.
    base = PurePosixPath(member.name).parent if member.issym() else PurePosixPath()
    parts: list[str] = []
    for part in (*base.parts, *PurePosixPath(target).parts):
        if part == "..":
            if not parts:
                break
            parts.pop()
        else:
            parts.append(part)
    else:
        if not PurePosixPath(target).is_absolute() and parts and parts[0] == top:
            return
    raise VendorError(f"member {member.name!r} is a link to {target!r}, which leaves the folder")


# ------------------------------------------------------------------------------------------------------------
# Where the archive comes from


def debian_sites() -> list[str]:
    """Return the Debian mirrors that apt uses on this machine. Raises `VendorError` when there is no apt."""
    sites = _apt("indextargets", "--format", "$(SITE)").splitlines()
    if not any(sites):
        # Where `apt-get update` never ran there are no index targets; what it would fetch names the mirrors
        # too.
        sites = re.findall(r"^'(.+?)/dists/", _apt("update", "--print-uris"), re.MULTILINE)
    found = list(dict.fromkeys(site.strip().rstrip("/") for site in sites if site.strip()))
    if not found:
        raise VendorError("apt-get knows no mirror")
    return found


def _apt(*arguments: str) -> str:
    """Return what apt-get prints. None of what is asked here needs root or the network."""
    try:
        done = subprocess.run(
            ["apt-get", *arguments],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
            env={**os.environ, "LC_ALL": "C"},
        )
    except FileNotFoundError:
        raise VendorError("no apt-get on this machine") from None
    except (OSError, subprocess.SubprocessError) as error:
        raise VendorError(f"apt-get cannot say which mirror this machine uses: {error}") from error
    return done.stdout


def download(url: str, pin: Pin, timeout: float = TIMEOUT, deadline: float = DEADLINE) -> bytes:
    """Return what is at `url`, never reading much more than the pinned size.

    `timeout` is seconds without an answer, `deadline` seconds for all of it. Raises `VendorError` with the
    reason.
    """
    if not url.startswith(("https://", "http://", "file:")):
        raise VendorError("not an http, https or file address")
    end = time.monotonic() + deadline
    chunks: list[bytes] = []
    size = 0
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            # One byte more than wanted tells that it is too long.
            while size <= pin.size and (
                chunk := answer.read1(65536) if hasattr(answer, "read1") else answer.read(65536)
            ):
                chunks.append(chunk)
                size += len(chunk)
                if time.monotonic() > end:
                    raise VendorError(f"{size} of {pin.size} bytes after {deadline:g} s; given up")
    except urllib.error.HTTPError as error:
        with error:
            raise VendorError(f"HTTP {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise VendorError(str(getattr(error.reason, "strerror", None) or error.reason)) from error
    except TimeoutError as error:
        raise VendorError(f"no answer for {timeout:g} s") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise VendorError(f"{type(error).__name__}: {error}") from error
    return b"".join(chunks)


def _truthy(value: str | None) -> bool:
    return value not in (None, "", "0")


def _downloaded(pin: Pin, upstream: str, sites: Callable[[], Sequence[str]], say: Say, timeout: float) -> bytes:
    """Return the pinned archive from the first source that has it. Raises `VendorError` with every reason."""
    reasons: list[str] = []

    def addresses() -> Iterator[str]:
        yield upstream
        try:
            yield from (f"{site}/{pin.debian}" for site in sites())
        except VendorError as error:
            reasons.append(f"the machine's Debian mirror: {error}")

    for url in addresses():
        say(f"libbpf {pin.version}: trying {url}")
        try:
            data = download(url, pin, timeout)
            verify(data, pin)
        except VendorError as error:
            reasons.append(f"{url}: {error}")
        else:
            return data
    raise VendorError(
        f"libbpf {pin.version} could not be downloaded:\n"
        + "\n".join(f"  - {reason}" for reason in reasons)
        + "\n"
        + _advice(pin)
    )


def _advice(pin: Pin) -> str:
    return (
        f"Set LIBBPF_CFFI_SOURCE to the archive of libbpf {pin.version} ({pin.size} bytes, sha256 {pin.sha256}), or to "
        "a directory with its sources, or build from the sdist of libbpf_cffi, which contains them."
    )


# ------------------------------------------------------------------------------------------------------------
# A directory of the user's


def check_directory(path: Path, pin: Pin) -> None:
    """Check that `path` looks like libbpf of the pinned major and minor version, or raise `VendorError`."""
    for name in (
        "src/libbpf.c",
        "src/libbpf.h",
        "src/libbpf.map",
        "src/libbpf_version.h",
        "include/uapi/linux/bpf.h",
    ):
        if not (path / name).is_file():
            raise VendorError(
                f"LIBBPF_CFFI_SOURCE={path}: not libbpf's sources, there is no {name} in it. "
                "It must be the top folder of libbpf's own repository or release."
            )
    header = (path / "src/libbpf_version.h").read_text(encoding="utf-8", errors="replace")
    numbers = [
        re.search(rf"^#define\s+LIBBPF_{part}_VERSION\s+(\d+)\s*$", header, re.MULTILINE) for part in ("MAJOR", "MINOR")
    ]
    if not all(numbers):
        raise VendorError(f"LIBBPF_CFFI_SOURCE={path}: src/libbpf_version.h does not say which version it is")
    version = ".".join(match[1] for match in numbers if match)
    if version != pin.api_version:
        raise VendorError(f"LIBBPF_CFFI_SOURCE={path}: that is libbpf {version}; libbpf {pin.api_version} is needed")
    exported = re.findall(
        r"^LIBBPF_(\d+\.\d+)\.\d+\s*\{", (path / "src/libbpf.map").read_text(encoding="utf-8"), re.MULTILINE
    )
    if pin.api_version not in exported:
        raise VendorError(
            f"LIBBPF_CFFI_SOURCE={path}: src/libbpf.map exports nothing of libbpf {pin.api_version}; "
            "is the copy incomplete?"
        )


def copy_directory(path: Path, into: Path) -> None:
    """Copy the kept files of the user's directory `path` into the empty directory `into`."""
    for name in kept_files(path):
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path / name, into / name)


# ------------------------------------------------------------------------------------------------------------
# All of it


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder`: one build at a time unpacks; the others wait and find it done."""
    with open(folder / ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(fill: Callable[[Path], None], target: Path) -> None:
    """Make `target` what `fill` writes into an empty directory, in one rename. The lock is held."""
    # What a killed run left behind: nobody else can be using it, for we hold the lock.
    for leftover in target.parent.glob(".unpacking-*"):
        shutil.rmtree(leftover)
    scratch = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=target.parent))
    try:
        new = scratch / "new"
        new.mkdir()
        fill(new)
        if target.exists():
            target.rename(scratch / "old")
        new.rename(target)
    finally:
        shutil.rmtree(scratch)


def ensure(
    target: Path = HERE / "source",
    *,
    pin: Pin | None = None,
    environment: dict[str, str] | os._Environ[str] = os.environ,
    upstream: str | None = None,
    sites: Callable[[], Sequence[str]] = debian_sites,
    say: Say = print,
    timeout: float = TIMEOUT,
) -> Path:
    """Make `target` the libbpf to build from, and return it.

    Without LIBBPF_CFFI_SOURCE that is the pinned release, verified by content at every call, downloaded when
    it is missing. `upstream`, `sites` and `timeout` (seconds) say where to look, `say` gets a line for each
    thing done. Raises `VendorError`, and leaves `target` as it was.
    """
    pin = pin or read_pin()
    named = environment.get("LIBBPF_CFFI_SOURCE")
    if named:
        return _from_user(Path(named).expanduser(), target, pin, say)

    if _state(target, pin) == "pinned":
        return target
    with _locked(target.parent):
        state = _state(target, pin)
        if state == "pinned":
            return target
        if state == "changed":
            raise VendorError(
                f"{target} is not libbpf {pin.version} as released, somebody changed it. Delete it to have "
                "it unpacked again, or keep your copy elsewhere and set LIBBPF_CFFI_SOURCE to it."
            )
        if _truthy(environment.get("LIBBPF_CFFI_NO_DOWNLOAD")):
            raise VendorError(
                f"libbpf {pin.version} is not in {target}, and LIBBPF_CFFI_NO_DOWNLOAD forbids to "
                f"download it.\n{_advice(pin)}"
            )
        data = _downloaded(pin, upstream or pin.url, sites, say, timeout)
        _install_archive(data, target, pin)
    say(f"libbpf {pin.version}: verified and unpacked into {target}")
    return target


def _install_archive(data: bytes, target: Path, pin: Pin) -> None:
    def fill(into: Path) -> None:
        extract(data, into)
        digest = tree_digest(into)
        if digest != pin.tree:
            raise VendorError(f"what the archive contains has the digest {digest}, the pin's tree is {pin.tree}")

    _install(fill, target)


def _from_user(source: Path, target: Path, pin: Pin, say: Say) -> Path:
    """Make `target` what the user named: the pinned archive, or a directory, which cannot be verified."""
    if source.is_dir():
        if source.resolve() != target.resolve():
            check_directory(source, pin)
            with _locked(target.parent):
                _from_directory(source, target, pin, say)
        return target
    try:
        if source.exists() and not source.is_file():
            # A device or a FIFO may never end.
            raise VendorError(f"LIBBPF_CFFI_SOURCE={source}: neither a regular file nor a directory")
        data = source.read_bytes()
    except OSError as error:
        raise VendorError(
            f"LIBBPF_CFFI_SOURCE={source}: {error.strerror}. It must name the archive of libbpf "
            f"{pin.version} or a directory with its sources."
        ) from error
    try:
        verify(data, pin)
    except VendorError as error:
        raise VendorError(f"LIBBPF_CFFI_SOURCE={source} is not the archive of libbpf {pin.version}: {error}") from error
    with _locked(target.parent):
        if _state(target, pin) != "pinned":
            _install_archive(data, target, pin)
            say(f"libbpf {pin.version}: verified {source} and unpacked it into {target}")
    return target


def _from_directory(source: Path, target: Path, pin: Pin, say: Say) -> None:
    digest = tree_digest(source)
    if not (target.is_dir() and tree_digest(target) == digest):
        if _state(target, pin) == "changed":
            raise VendorError(
                f"{target} was changed by hand; delete it to have LIBBPF_CFFI_SOURCE={source} copied there"
            )

        def fill(into: Path) -> None:
            copy_directory(source, into)
            if digest != pin.tree:
                (into / MARKER).write_text(digest + "\n", encoding="ascii")

        _install(fill, target)
    if digest == pin.tree:
        say(f"libbpf {pin.version}: {source} has the files of the release, every one as pinned")
    else:
        say(f"libbpf: building from {source}, a libbpf {pin.api_version} that is not the pinned {pin.version}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="unpack.py", description="Unpack the pinned libbpf, or check what is unpacked."
    )
    parser.add_argument(
        "--tree", metavar="DIRECTORY", type=Path, help="print the digest of a directory and do nothing else"
    )
    options = parser.parse_args(arguments)
    try:
        if options.tree:
            print(tree_digest(options.tree))
        else:
            pin = read_pin()
            print(f"libbpf {pin.version} is in {ensure(pin=pin)}")
    except VendorError as error:
        print(f"unpack.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
