"""The pinned libbpf: where it is looked for, what is refused, and that it appears whole or not at all."""

from __future__ import annotations

import functools
import hashlib
import http.server
import importlib.util
import io
import os
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "vendor" / "libbpf" / "unpack.py"


def _load():
    spec = importlib.util.spec_from_file_location("libbpf_unpack_tested", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


unpack = _load()

#: A small libbpf: what check_directory() looks for, something that is kept, something that is not.
FILES = {
    "src/libbpf.c": b"int libbpf;\n",
    "src/libbpf.h": b"/* api */\n",
    "src/libbpf.map": b"LIBBPF_0.0.1 {\n};\nLIBBPF_1.7.0 {\n\tglobal:\n\t\tlibbpf;\n} LIBBPF_0.0.1;\n",
    "src/libbpf_version.h": b"#define LIBBPF_MAJOR_VERSION 1\n#define LIBBPF_MINOR_VERSION 7\n",
    "include/uapi/linux/bpf.h": b"/* uapi */\n",
    "LICENSE": b"LGPL-2.1 OR BSD-2-Clause\n",
    "LICENSE.BSD-2-Clause": b"text\n",
    "README.md": b"libbpf\n",
    "ci/run.sh": b"not kept\n",
    ".github/workflow": b"not kept\n",
}
KEPT = sorted(name for name in FILES if not name.startswith(("ci/", ".github/")))


def member(name, content=b"", **changes):
    """Return a member of an archive, and its content."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in changes.items():
        setattr(info, key, value)
    return info, content


def archive(*extra, files=FILES, top="libbpf-1.7.0"):
    """Return the bytes of a .tar.gz with `files` below `top`, and `extra` members after them."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w:gz") as tar:
        for info, content in [member(f"{top}/{name}", content) for name, content in files.items()] + list(extra):
            tar.addfile(info, io.BytesIO(content))
    return output.getvalue()


def write(folder, files=FILES):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def pin_for(data, tmp_path_factory_folder, **changes):
    """Return a pin that `data` satisfies: nothing that follows is due to a wrong hash."""
    tree = unpack.tree_digest(write(tmp_path_factory_folder))
    values = {
        "version": "1.7.0",
        "url": "http://127.0.0.1:9/upstream.tar.gz",
        "debian": "pool/libbpf.tar.gz",
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "tree": tree,
    }
    return unpack.Pin(**{**values, **changes})


GOOD = archive()


@pytest.fixture
def vendor(tmp_path):
    """Give a place to unpack to, a pin that GOOD satisfies, and `ensure()` for them without network."""
    folder = tmp_path / "vendor"
    folder.mkdir()
    pin = pin_for(GOOD, tmp_path / "pinned")
    said = []

    def ensure(environment=None, **options):
        options = {"pin": pin, "sites": list, "say": said.append, "timeout": 5.0, **options}
        return unpack.ensure(folder / "source", environment=environment or {}, **options)

    def contents():
        """What is in the folder, but for the lock that every run leaves."""
        return sorted(path.name for path in folder.iterdir() if path.name != ".lock")

    return SimpleNamespace(
        folder=folder, target=folder / "source", pin=pin, ensure=ensure, said=said, contents=contents
    )


@pytest.fixture
def server():
    """Serve bytes by path on 127.0.0.1: `answers[path]` is bytes, or a function of the request handler."""
    answers = {}
    requests = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            answer = answers.get(self.path)
            if answer is None:
                self.send_error(404)
            elif callable(answer):
                answer(self)
            else:
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{running.server_port}"
        yield SimpleNamespace(url=url, answers=answers, requests=requests)
        running.shutdown()
        thread.join()


@pytest.fixture
def closed_port():
    """Give the URL of a port on which nobody listens, and nobody else can start to."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/libbpf.tar.gz"


# ---------------------------------------------------------------------------------------------------------------
# The pin


def test_the_pin_is_libbpf_1_7_0_as_upstream_released_it():
    pin = unpack.read_pin()
    assert (pin.version, pin.size) == ("1.7.0", 1063399)
    assert pin.sha256 == "7ab5feffbf78557f626f2e3e3204788528394494715a30fc2070fcddc2051b7b"


def test_what_is_unpacked_here_has_the_pinned_digest():
    source = SCRIPT.parent / "source"
    if not source.is_dir():
        pytest.skip("libbpf's sources are not unpacked in this tree")
    assert unpack.tree_digest(source) == unpack.read_pin().tree


PIN_LINES = [f"version = 1\nurl = u\ndebian = d\nsize = 1\nsha256 = {'0' * 64}\ntree = {'0' * 64}\n"]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("size = 1\n", "", "says nothing of size"),
        ("size = 1\n", "size = one\n", "size must be a number"),
        ("sha256 = 0", "sha256 = x", "64 hexadecimal digits"),
        ("url = u\n", "url = u\nurl = v\n", "once each"),
        ("url = u\n", "hash = u\n", "not one of"),
        ("url = u\n", "url\n", "not one of"),
    ],
)
def test_a_malformed_pin_is_refused(tmp_path, old, new, complaint):
    text = PIN_LINES[0]
    assert old in text
    (tmp_path / "pin").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(unpack.VendorError, match=complaint):
        unpack.read_pin(tmp_path / "pin")


# ---------------------------------------------------------------------------------------------------------------
# Archives


def test_what_belongs_to_the_build_is_unpacked_and_nothing_else(tmp_path):
    unpack.extract(GOOD, tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == KEPT


def test_what_is_unpacked_has_the_archives_content(tmp_path):
    unpack.extract(GOOD, tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in KEPT} == {name: FILES[name] for name in KEPT}


@pytest.mark.parametrize(
    ("extra", "complaint"),
    [
        (member("libbpf-1.7.0/../../evil", b"x"), "leaves the folder"),
        (member("libbpf-1.7.0/src/../../evil", b"x"), "leaves the folder"),
        (member("../evil", b"x"), "leaves the folder"),
        (member("/etc/evil", b"x"), "leaves the folder"),
        (member("elsewhere/src/evil.c", b"x"), "is not below 'libbpf-1.7.0'"),
        (member("libbpf-1.7.0/docs/link", type=tarfile.SYMTYPE, linkname="../../evil"), "leaves the folder"),
        (member("libbpf-1.7.0/docs/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "leaves the folder"),
        (member("libbpf-1.7.0/docs/link", type=tarfile.LNKTYPE, linkname="../evil"), "leaves the folder"),
        (member("libbpf-1.7.0/docs/link", type=tarfile.LNKTYPE, linkname="/etc/passwd"), "leaves the folder"),
        (member("libbpf-1.7.0/src/link.c", type=tarfile.SYMTYPE, linkname="libbpf.c"), "sources have none"),
        (member("libbpf-1.7.0/src", type=tarfile.SYMTYPE, linkname="docs"), "sources have none"),
        (member("libbpf-1.7.0/src/disk", type=tarfile.BLKTYPE), "is a device"),
        (member("libbpf-1.7.0/docs/null", type=tarfile.CHRTYPE), "is a device"),
        (member("libbpf-1.7.0/docs/pipe", type=tarfile.FIFOTYPE), "is a device"),
        (member("libbpf-1.7.0/src/libbpf.c", b"again"), "File exists"),
        (member("libbpf-1.7.0/src/libbpf.c/below", b"x"), "cannot be unpacked"),
    ],
)
def test_a_member_that_leads_out_or_is_no_plain_file_is_refused(vendor, tmp_path, extra, complaint):
    data = archive(extra)
    (tmp_path / "archive").write_bytes(data)
    pin = pin_for(data, tmp_path / "tree")
    with pytest.raises(unpack.VendorError, match=complaint):
        vendor.ensure({"LIBBPF_CFFI_SOURCE": str(tmp_path / "archive")}, pin=pin)
    assert vendor.contents() == []
    assert not list(tmp_path.rglob("evil*"))


def test_a_link_that_stays_inside_and_is_not_kept_is_no_obstacle(tmp_path):
    unpack.extract(archive(member("libbpf-1.7.0/docs/link", type=tarfile.SYMTYPE, linkname="../README.md")), tmp_path)
    assert not (tmp_path / "docs").exists()


@pytest.mark.parametrize("keep", [10, 200, len(GOOD) // 2, len(GOOD) - 9, len(GOOD) - 1])
def test_an_archive_that_ends_early_is_refused_even_if_the_pin_agrees(vendor, tmp_path, keep):
    data = GOOD[:keep]
    (tmp_path / "archive").write_bytes(data)
    with pytest.raises(unpack.VendorError, match=r"cannot be unpacked|truncated|digest"):
        vendor.ensure({"LIBBPF_CFFI_SOURCE": str(tmp_path / "archive")}, pin=pin_for(data, tmp_path / "tree"))
    assert vendor.contents() == []


def test_an_archive_with_other_files_than_the_pin_says_is_refused(vendor, tmp_path):
    data = archive(files={**FILES, "src/extra.c": b"int extra;\n"})
    (tmp_path / "archive").write_bytes(data)
    with pytest.raises(unpack.VendorError, match=r"has the digest [0-9a-f]{64}, the pin's tree is [0-9a-f]{64}"):
        vendor.ensure({"LIBBPF_CFFI_SOURCE": str(tmp_path / "archive")}, pin=pin_for(data, tmp_path / "tree"))
    assert vendor.contents() == []


def test_an_archive_that_unpacks_to_gigabytes_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "MAX_UNPACKED", 1 << 20)
    with pytest.raises(unpack.VendorError, match="more than 1 MiB"):
        unpack.extract(archive(member("libbpf-1.7.0/src/zeros", bytes(2 << 20))), tmp_path)


def test_an_archive_without_members_is_refused(tmp_path):
    with pytest.raises(unpack.VendorError, match="empty"):
        unpack.extract(archive(files={}), tmp_path)


# ---------------------------------------------------------------------------------------------------------------
# Downloads


def test_upstream_is_asked_first(vendor, server):
    server.answers["/upstream"] = GOOD
    server.answers["/debian/pool/libbpf.tar.gz"] = GOOD
    vendor.ensure(upstream=f"{server.url}/upstream", sites=lambda: [f"{server.url}/debian"])
    assert server.requests == ["/upstream"]
    assert unpack.tree_digest(vendor.target) == vendor.pin.tree


def test_without_upstream_the_debian_mirror_is_asked(vendor, server, closed_port):
    server.answers["/debian/pool/libbpf.tar.gz"] = GOOD
    vendor.ensure(upstream=closed_port, sites=lambda: [f"{server.url}/security", f"{server.url}/debian"])
    assert server.requests == ["/security/pool/libbpf.tar.gz", "/debian/pool/libbpf.tar.gz"]
    assert vendor.contents() == ["source"]


def test_a_file_site_of_apt_is_read_too(vendor, tmp_path, closed_port):
    write(tmp_path / "mirror", {"pool/libbpf.tar.gz": GOOD})
    vendor.ensure(upstream=closed_port, sites=lambda: [f"file:{tmp_path}/mirror"])
    assert vendor.contents() == ["source"]


def test_what_is_there_is_not_downloaded_again(vendor, server):
    server.answers["/upstream"] = GOOD
    for _ in range(3):
        vendor.ensure(upstream=f"{server.url}/upstream")
    assert server.requests == ["/upstream"]


def test_no_network_is_an_error_that_lists_every_source_and_says_what_to_do(vendor, server, closed_port):
    with pytest.raises(unpack.VendorError) as caught:
        vendor.ensure(upstream=closed_port, sites=lambda: [server.url, "cdrom:disc"])
    text = str(caught.value)
    assert f"- {closed_port}: Connection refused" in text
    assert f"- {server.url}/pool/libbpf.tar.gz: HTTP 404 Not Found" in text
    assert "- cdrom:disc/pool/libbpf.tar.gz: not an http, https or file address" in text
    assert "Set LIBBPF_CFFI_SOURCE to the archive" in text
    assert vendor.pin.sha256 in text
    assert vendor.contents() == []


def test_a_machine_without_apt_is_told_so(vendor, closed_port):
    with pytest.raises(unpack.VendorError, match=r"the machine's Debian mirror: no apt-get on this machine"):
        vendor.ensure(upstream=closed_port, sites=functools.partial(_sites_with_path, "/nonexistent"))


def _sites_with_path(path):
    before = os.environ["PATH"]
    os.environ["PATH"] = str(path)
    try:
        return unpack.debian_sites()
    finally:
        os.environ["PATH"] = before


def _apt(folder, script):
    (folder / "apt-get").write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
    (folder / "apt-get").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_apts_mirrors_are_asked_once_each_in_their_order(tmp_path):
    path = _apt(tmp_path, r"printf 'http://b/debian\nhttp://a/debian/\nhttp://b/debian\n'")
    assert _sites_with_path(path) == ["http://b/debian", "http://a/debian"]


def test_without_apts_lists_the_mirrors_come_from_what_an_update_would_fetch(tmp_path):
    path = _apt(tmp_path, '[ "$1" = update ] && echo "\'http://m/debian/dists/x/InRelease\' m_debian 0" || true')
    assert _sites_with_path(path) == ["http://m/debian"]


def test_an_apt_that_fails_is_an_error(tmp_path):
    with pytest.raises(unpack.VendorError, match="cannot say which mirror"):
        _sites_with_path(_apt(tmp_path, "exit 100"))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (GOOD[:-1], rf"truncated: {len(GOOD) - 1} bytes instead of {len(GOOD)}"),
        (GOOD + b"x", rf"too long: {len(GOOD) + 1} bytes instead of {len(GOOD)}"),
        (GOOD[:-1] + b"x", rf"its sha256 is [0-9a-f]{{64}} instead of {hashlib.sha256(GOOD).hexdigest()}"),
        (b"", "truncated: 0 bytes"),
    ],
)
def test_a_download_of_another_size_or_hash_is_refused_before_it_is_unpacked(vendor, server, data, complaint):
    server.answers["/upstream"] = data
    with pytest.raises(unpack.VendorError, match=complaint):
        vendor.ensure(upstream=f"{server.url}/upstream")
    assert vendor.contents() == []


def test_a_connection_that_breaks_off_is_a_truncated_archive(vendor, server):
    def half(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(GOOD)))
        handler.end_headers()
        handler.wfile.write(GOOD[: len(GOOD) // 2])

    server.answers["/upstream"] = half
    with pytest.raises(unpack.VendorError, match=r"truncated|IncompleteRead"):
        vendor.ensure(upstream=f"{server.url}/upstream")
    assert vendor.contents() == []


def test_a_download_that_never_ends_is_cut_off_at_the_pinned_size(vendor, server):
    sent = []

    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                sent.append(handler.wfile.write(b"x" * 65536))
        except OSError:
            return

    server.answers["/upstream"] = endless
    with pytest.raises(unpack.VendorError, match="too long"):
        vendor.ensure(upstream=f"{server.url}/upstream")
    # What was in flight when the reader hung up is all that was sent for nothing.
    assert sum(sent) < 64 << 20


def test_a_server_that_does_not_answer_is_given_up_after_the_time_out(vendor):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/libbpf.tar.gz"
        begin = time.monotonic()
        with pytest.raises(unpack.VendorError, match=r"no answer for 0\.2 s|timed out"):
            vendor.ensure(upstream=url, timeout=0.2)
        assert time.monotonic() - begin < 5


def test_a_server_that_trickles_is_given_up_at_the_deadline(server):
    gone = threading.Event()

    def trickle(handler):
        handler.send_response(200)
        handler.end_headers()
        try:
            while not gone.wait(0.01):
                handler.wfile.write(b"x")
        except OSError:
            return

    server.answers["/upstream"] = trickle
    pin = SimpleNamespace(size=len(GOOD))
    try:
        with pytest.raises(unpack.VendorError, match=r"after 0\.2 s; given up"):
            unpack.download(f"{server.url}/upstream", pin, timeout=5, deadline=0.2)
    finally:
        gone.set()


def test_a_forbidden_download_is_an_error_that_says_what_to_do_and_asks_nobody(vendor, server):
    server.answers["/upstream"] = GOOD
    with pytest.raises(unpack.VendorError, match=r"LIBBPF_CFFI_NO_DOWNLOAD forbids(.|\n)*Set LIBBPF_CFFI_SOURCE"):
        vendor.ensure({"LIBBPF_CFFI_NO_DOWNLOAD": "1"}, upstream=f"{server.url}/upstream", sites=lambda: [server.url])
    assert server.requests == []
    assert vendor.contents() == []


@pytest.mark.parametrize("value", ["", "0"])
def test_a_download_is_not_forbidden_by_0(vendor, server, value):
    server.answers["/upstream"] = GOOD
    vendor.ensure({"LIBBPF_CFFI_NO_DOWNLOAD": value}, upstream=f"{server.url}/upstream")
    assert vendor.contents() == ["source"]


def test_what_is_there_is_used_when_downloads_are_forbidden(vendor, server):
    server.answers["/upstream"] = GOOD
    vendor.ensure(upstream=f"{server.url}/upstream")
    assert vendor.ensure({"LIBBPF_CFFI_NO_DOWNLOAD": "1"}) == vendor.target


def test_what_is_there_is_used_without_writing_a_file(vendor, server):
    """A build from an sdist may run in a tree that it must not write to."""
    server.answers["/upstream"] = GOOD
    vendor.ensure(upstream=f"{server.url}/upstream")
    (vendor.folder / ".lock").unlink()
    vendor.ensure()
    assert [path.name for path in vendor.folder.iterdir()] == ["source"]


# ---------------------------------------------------------------------------------------------------------------
# What the user names


def test_the_users_archive_is_used_without_the_network(vendor, tmp_path, server):
    (tmp_path / "mine.tar.gz").write_bytes(GOOD)
    environment = {"LIBBPF_CFFI_SOURCE": str(tmp_path / "mine.tar.gz"), "LIBBPF_CFFI_NO_DOWNLOAD": "1"}
    vendor.ensure(environment, upstream=f"{server.url}/upstream")
    assert server.requests == []
    assert unpack.tree_digest(vendor.target) == vendor.pin.tree


@pytest.mark.parametrize(("data", "complaint"), [(GOOD[:100], "truncated"), (GOOD[:-1] + b"x", "its sha256 is")])
def test_a_users_archive_that_is_not_the_pinned_one_is_refused(vendor, tmp_path, data, complaint):
    (tmp_path / "mine.tar.gz").write_bytes(data)
    with pytest.raises(unpack.VendorError, match=rf"mine\.tar\.gz is not the archive of libbpf 1.7.0: {complaint}"):
        vendor.ensure({"LIBBPF_CFFI_SOURCE": str(tmp_path / "mine.tar.gz")})
    assert vendor.contents() == []


def test_a_users_archive_that_is_not_there_is_an_error(vendor, tmp_path):
    with pytest.raises(unpack.VendorError, match=r"missing\.tar\.gz: No such file or directory"):
        vendor.ensure({"LIBBPF_CFFI_SOURCE": str(tmp_path / "missing.tar.gz")})


def test_a_users_directory_with_the_releases_files_is_as_good_as_the_archive(vendor, tmp_path):
    vendor.ensure({"LIBBPF_CFFI_SOURCE": str(write(tmp_path / "mine"))})
    assert vendor.said == [f"libbpf 1.7.0: {tmp_path}/mine has the files of the release, every one as pinned"]
    assert vendor.ensure() == vendor.target


def test_a_users_directory_with_other_files_is_used_and_said_to_be_unpinned(vendor, tmp_path):
    mine = write(tmp_path / "mine", {**FILES, "src/libbpf.c": b"int patched;\n"})
    vendor.ensure({"LIBBPF_CFFI_SOURCE": str(mine)})
    assert (vendor.target / "src/libbpf.c").read_bytes() == b"int patched;\n"
    assert "is not the pinned 1.7.0" in vendor.said[-1]


def test_an_edit_in_the_users_directory_is_followed(vendor, tmp_path):
    mine = write(tmp_path / "mine", {**FILES, "src/libbpf.c": b"int patched;\n"})
    vendor.ensure({"LIBBPF_CFFI_SOURCE": str(mine)})
    (mine / "src/libbpf.c").write_bytes(b"int again;\n")
    vendor.ensure({"LIBBPF_CFFI_SOURCE": str(mine)})
    assert (vendor.target / "src/libbpf.c").read_bytes() == b"int again;\n"


def test_without_the_variable_the_pinned_release_comes_back(vendor, tmp_path, server):
    mine = write(tmp_path / "mine", {**FILES, "src/libbpf.c": b"int patched;\n"})
    vendor.ensure({"LIBBPF_CFFI_SOURCE": str(mine)})
    server.answers["/upstream"] = GOOD
    vendor.ensure(upstream=f"{server.url}/upstream")
    assert unpack.tree_digest(vendor.target) == vendor.pin.tree
    assert not (vendor.target / unpack.MARKER).exists()


def test_what_libbpfs_makefile_leaves_is_not_copied(vendor, tmp_path):
    mine = write(
        tmp_path / "mine", {**FILES, "src/libbpf.o": b"", "src/libbpf.so.1.7.0": b"", "src/sharedobjs/x.o": b""}
    )
    vendor.ensure({"LIBBPF_CFFI_SOURCE": str(mine)})
    assert "every one as pinned" in vendor.said[-1]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"src/libbpf.h": None}, r"not libbpf's sources, there is no src/libbpf\.h"),
        (
            {"src/libbpf_version.h": b"#define LIBBPF_MAJOR_VERSION 1\n#define LIBBPF_MINOR_VERSION 6\n"},
            r"that is libbpf 1\.6; libbpf 1\.7 is needed",
        ),
        ({"src/libbpf_version.h": b"\n"}, "does not say which version"),
        ({"src/libbpf.map": b"LIBBPF_1.6.0 {\n};\n"}, r"exports nothing of libbpf 1\.7"),
    ],
)
def test_a_users_directory_that_is_not_this_libbpf_is_refused(vendor, tmp_path, change, complaint):
    files = {name: content for name, content in {**FILES, **change}.items() if content is not None}
    with pytest.raises(unpack.VendorError, match=complaint):
        vendor.ensure({"LIBBPF_CFFI_SOURCE": str(write(tmp_path / "mine", files))})
    assert vendor.contents() == []


def test_a_link_in_the_users_directory_is_refused(vendor, tmp_path):
    mine = write(tmp_path / "mine")
    (mine / "src/link.c").symlink_to("/etc/passwd")
    with pytest.raises(unpack.VendorError, match="neither a plain file nor a directory"):
        vendor.ensure({"LIBBPF_CFFI_SOURCE": str(mine)})


def test_the_real_release_is_a_directory_that_is_accepted(vendor):
    source = SCRIPT.parent / "source"
    if not source.is_dir():
        pytest.skip("libbpf's sources are not unpacked in this tree")
    vendor.ensure({"LIBBPF_CFFI_SOURCE": str(source)}, pin=unpack.read_pin())
    assert "every one as pinned" in vendor.said[-1]


# ---------------------------------------------------------------------------------------------------------------
# Whole or not at all


@pytest.mark.parametrize("environment", [{}, {"LIBBPF_CFFI_SOURCE": "mine"}])
def test_sources_that_somebody_changed_are_an_error_and_stay_as_they_are(vendor, tmp_path, server, environment):
    server.answers["/upstream"] = GOOD
    vendor.ensure(upstream=f"{server.url}/upstream")
    (vendor.target / "src/libbpf.c").write_bytes(b"int debugging;\n")
    write(tmp_path / "mine", {**FILES, "src/libbpf.h": b"other\n"})
    environment = {key: str(tmp_path / value) for key, value in environment.items()}
    with pytest.raises(unpack.VendorError, match=r"changed(.|\n)*elete it"):
        vendor.ensure(environment, upstream=f"{server.url}/upstream")
    assert (vendor.target / "src/libbpf.c").read_bytes() == b"int debugging;\n"


@pytest.mark.parametrize("change", ["missing", "extra"])
def test_sources_with_a_file_too_few_or_too_many_are_an_error(vendor, server, change):
    server.answers["/upstream"] = GOOD
    vendor.ensure(upstream=f"{server.url}/upstream")
    if change == "missing":
        (vendor.target / "src/libbpf.h").unlink()
    else:
        (vendor.target / "src/more.c").write_bytes(b"")
    with pytest.raises(unpack.VendorError, match="somebody changed it"):
        vendor.ensure(upstream=f"{server.url}/upstream")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_error_in_the_middle_leaves_nothing(vendor, error):
    def fill(into):
        (into / "src").mkdir()
        (into / "src/libbpf.c").write_bytes(b"half")
        raise error

    with pytest.raises(type(error)):
        unpack._install(fill, vendor.target)
    assert vendor.contents() == []


def test_an_error_in_the_middle_leaves_what_was_there(vendor, tmp_path, server):
    mine = write(tmp_path / "mine", {**FILES, "src/libbpf.c": b"int patched;\n"})
    vendor.ensure({"LIBBPF_CFFI_SOURCE": str(mine)})
    server.answers["/upstream"] = GOOD
    with pytest.raises(unpack.VendorError, match="digest"):
        vendor.ensure(upstream=f"{server.url}/upstream", pin=pin_for(GOOD, tmp_path / "t", tree="0" * 64))
    assert (vendor.target / "src/libbpf.c").read_bytes() == b"int patched;\n"
    assert vendor.contents() == ["source"]


#: Runs in a process of its own: fills half of the directory, says so and waits to be killed.
KILLED = """
import sys, time
sys.path.insert(0, {script!r})
from pathlib import Path
import unpack

def fill(into):
    (into / "src").mkdir()
    (into / "src/libbpf.c").write_bytes(b"half")
    print("half", flush=True)
    sys.stdin.read()

with unpack._locked(Path({folder!r})):
    unpack._install(fill, Path({folder!r}, "source"))
"""


def test_a_run_that_is_killed_in_the_middle_leaves_no_sources_and_the_next_one_cleans_up(vendor, server):
    program = KILLED.format(script=str(SCRIPT.parent), folder=str(vendor.folder))
    command = [sys.executable, "-B", "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"half\n"
        process.send_signal(signal.SIGKILL)
    assert not vendor.target.exists()
    server.answers["/upstream"] = GOOD
    vendor.ensure(upstream=f"{server.url}/upstream")
    assert vendor.contents() == ["source"]


#: Runs in a process of its own: waits for a line, then makes sure of the sources.
RACER = """
import sys
sys.path.insert(0, {script!r})
from pathlib import Path
import unpack

pin = unpack.Pin(**{pin!r})
print("ready", flush=True)
sys.stdin.readline()
unpack.ensure(Path({target!r}), pin=pin, environment={{}}, upstream={url!r}, sites=list)
assert unpack.tree_digest(Path({target!r})) == pin.tree
"""


def test_of_many_builds_at_once_one_downloads_and_all_find_the_sources(vendor, server):
    server.answers["/upstream"] = GOOD
    program = RACER.format(
        script=str(SCRIPT.parent), pin=vars(vendor.pin), target=str(vendor.target), url=f"{server.url}/upstream"
    )
    command = [sys.executable, "-B", "-c", program]
    racers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(4)]
    for racer in racers:
        assert racer.stdout.readline() == b"ready\n"
    for racer in racers:
        racer.stdin.write(b"go\n")
        racer.stdin.flush()
    for racer in racers:
        with racer:
            racer.communicate(timeout=60)
    assert [racer.returncode for racer in racers] == [0, 0, 0, 0]
    assert server.requests == ["/upstream"]
    assert vendor.contents() == ["source"]


# ---------------------------------------------------------------------------------------------------------------
# The command


def test_the_command_prints_one_line_and_exits_1_when_it_fails(tmp_path):
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        env={**os.environ, "LIBBPF_CFFI_SOURCE": str(tmp_path / "missing")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"unpack.py: LIBBPF_CFFI_SOURCE={tmp_path}/missing: No such file or directory")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_the_command_prints_the_digest_of_a_directory(tmp_path):
    write(tmp_path)
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--tree", str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == unpack.tree_digest(tmp_path) + "\n"
