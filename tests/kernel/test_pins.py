"""Pins: made below folders that nobody else can change, taken away again, and found by the next process."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import kernel, tracefs

NOBODY = 65534


@pytest.fixture
def things(loaded):
    """A program, a map and a link of one object, each with the names of what pins and unpins it."""
    obj = loaded("basic")
    return {
        "program": obj.programs["on_raw"],
        "map": obj.maps["events"],
        "link": obj.programs["on_raw"].attach(),
    }


def unpin(kind, thing, path):
    """Remove a pin: a link knows where it is."""
    thing.unpin(*([] if kind == "link" else [path]))


KINDS = pytest.mark.parametrize("kind", ["program", "map", "link"])


# Pinning one thing


@KINDS
def test_pin_makes_a_file_that_only_root_may_use(things, pins, kind):
    things[kind].pin(pins / "pin")
    assert stat.S_IMODE((pins / "pin").stat().st_mode) == 0o600


@KINDS
def test_unpin_takes_the_file_away(things, pins, kind):
    things[kind].pin(pins / "pin")
    unpin(kind, things[kind], pins / "pin")
    assert list(pins.iterdir()) == []


@KINDS
def test_a_path_may_be_text_or_pathlike(things, pins, kind):
    things[kind].pin(str(pins / "pin"))
    assert (pins / "pin").exists()


@KINDS
def test_missing_folders_are_made_for_root_alone(things, pins, kind):
    things[kind].pin(pins / "one" / "two" / "pin")
    assert stat.S_IMODE((pins / "one").stat().st_mode) == 0o700
    assert stat.S_IMODE((pins / "one" / "two").stat().st_mode) == 0o700


@KINDS
def test_folders_that_were_made_are_removed_again_when_pinning_fails(things, pins, kind):
    with pytest.raises(bpf.LibbpfError) as caught:
        things[kind].pin(pins / "one" / "two" / ("long" * 64))
    assert caught.value.errno == errno.ENAMETOOLONG
    assert list(pins.iterdir()) == []


def test_folders_that_were_made_stay_when_something_is_in_them(things, pins):
    things["map"].pin(pins / "one" / "kept")
    with pytest.raises(bpf.LibbpfError):
        things["program"].pin(pins / "one" / "kept")
    assert (pins / "one" / "kept").exists()


@KINDS
def test_where_something_is_pinned_already_nothing_is(things, pins, kind):
    things["map"].pin(pins / "pin")
    before = (pins / "pin").stat().st_ino
    other = things["program"] if kind == "map" else things[kind]
    with pytest.raises(bpf.LibbpfError) as caught:
        other.pin(pins / "pin")
    assert caught.value.errno == errno.EEXIST
    assert (pins / "pin").stat().st_ino == before


@pytest.mark.parametrize("kind", ["program", "map"])
def test_to_unpin_what_is_not_pinned_is_an_error(things, pins, kind):
    with pytest.raises(bpf.LibbpfError) as caught:
        things[kind].unpin(pins / "pin")
    assert caught.value.errno == errno.ENOENT


@pytest.mark.parametrize("kind", ["program", "map"])
def test_to_unpin_twice_is_an_error(things, pins, kind):
    things[kind].pin(pins / "pin")
    things[kind].unpin(pins / "pin")
    with pytest.raises(bpf.LibbpfError) as caught:
        things[kind].unpin(pins / "pin")
    assert caught.value.errno == errno.ENOENT


@KINDS
def test_outside_a_bpf_file_system_nothing_is_made(things, tmp_path, kind):
    with pytest.raises(bpf.LibbpfError, match="mount -t bpf"):
        things[kind].pin(tmp_path / "folder" / "pin")
    assert list(tmp_path.iterdir()) == []


@KINDS
@pytest.mark.parametrize("name", ["a.b", ".hidden", "x/a.b", "a.b/x"])
def test_a_dot_in_a_name_is_a_value_error(things, pins, kind, name):
    with pytest.raises(ValueError, match=r"'\.'"):
        things[kind].pin(pins / name)
    assert list(pins.iterdir()) == []


@KINDS
@pytest.mark.parametrize("path", ["", "a\0b", None, 5])
def test_what_cannot_be_a_path_is_refused(things, kind, path):
    with pytest.raises((TypeError, ValueError)):
        things[kind].pin(path)


def test_a_map_without_a_pin_path_needs_one(things):
    with pytest.raises(ValueError, match="pin_path"):
        things["map"].pin()


# Who may have been there


@KINDS
def test_a_folder_of_another_user_is_refused(things, pins, kind):
    (pins / "theirs").mkdir(mode=0o700)
    os.chown(pins / "theirs", NOBODY, NOBODY)
    with pytest.raises(bpf.LibbpfPermissionError, match="65534") as caught:
        things[kind].pin(pins / "theirs" / "pin")
    assert caught.value.errno == errno.EPERM
    assert list((pins / "theirs").iterdir()) == []


@KINDS
def test_a_folder_of_another_user_anywhere_on_the_way_is_refused(things, pins, kind):
    (pins / "theirs" / "ours").mkdir(mode=0o700, parents=True)
    os.chown(pins / "theirs", NOBODY, NOBODY)
    with pytest.raises(bpf.LibbpfPermissionError, match="theirs'"):
        things[kind].pin(pins / "theirs" / "ours" / "new" / "pin")
    assert list((pins / "theirs" / "ours").iterdir()) == []


@KINDS
def test_a_symbolic_link_of_another_user_is_refused(things, pins, kind):
    (pins / "ours").mkdir(mode=0o700)
    (pins / "link").symlink_to(pins / "ours")
    os.chown(pins / "link", NOBODY, NOBODY, follow_symlinks=False)
    with pytest.raises(bpf.LibbpfPermissionError, match="link"):
        things[kind].pin(pins / "link" / "pin")
    assert list((pins / "ours").iterdir()) == []


@KINDS
def test_a_symbolic_link_of_ours_to_a_folder_of_another_user_is_refused(things, pins, kind):
    (pins / "theirs").mkdir(mode=0o700)
    os.chown(pins / "theirs", NOBODY, NOBODY)
    (pins / "link").symlink_to(pins / "theirs")
    with pytest.raises(bpf.LibbpfPermissionError, match="theirs"):
        things[kind].pin(pins / "link" / "pin")


@KINDS
def test_a_symbolic_link_of_ours_to_a_folder_of_ours_is_followed(things, pins, kind):
    (pins / "ours").mkdir(mode=0o700)
    (pins / "link").symlink_to("ours")
    things[kind].pin(pins / "link" / "pin")
    assert (pins / "ours" / "pin").exists()


@KINDS
@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_folder_that_others_can_write_is_refused(things, pins, kind, mode):
    (pins / "open").mkdir()
    (pins / "open").chmod(mode)
    with pytest.raises(bpf.LibbpfPermissionError, match=f"{mode:04o}"):
        things[kind].pin(pins / "open" / "pin")
    assert list((pins / "open").iterdir()) == []


@KINDS
def test_a_sticky_folder_that_others_can_write_is_like_the_root_of_a_bpf_file_system(things, pins, kind):
    (pins / "sticky").mkdir()
    (pins / "sticky").chmod(0o1777)
    things[kind].pin(pins / "sticky" / "pin")
    assert (pins / "sticky" / "pin").exists()


def test_symbolic_links_that_lead_to_each_other_are_an_error(things, pins):
    (pins / "a").symlink_to("b")
    (pins / "b").symlink_to("a")
    with pytest.raises(bpf.LibbpfError) as caught:
        things["map"].pin(pins / "a" / "pin")
    assert caught.value.errno == errno.ELOOP


def test_a_file_on_the_way_is_an_error(things, pins):
    things["map"].pin(pins / "file")
    with pytest.raises(bpf.LibbpfError):
        things["program"].pin(pins / "file" / "pin")


def test_a_relative_path_is_below_the_working_folder(things, pins, monkeypatch):
    monkeypatch.chdir(pins)
    things["map"].pin("below/pin")
    assert (pins / "below" / "pin").exists()
    assert things["map"].pin_path == str(pins / "below" / "pin")


def test_a_path_with_two_dots_is_the_folder_above(things, pins):
    things["map"].pin(f"{pins}/no-such-folder/../pin")
    assert (pins / "pin").exists()


def test_the_folder_of_pins_by_name_is_checked_before_load_too(opened, pins):
    (pins / "theirs").mkdir()
    os.chown(pins / "theirs", NOBODY, NOBODY)
    obj = opened("options", pin_root_path=pins / "theirs")
    with pytest.raises(bpf.LibbpfPermissionError, match="theirs"):
        obj.load()


def test_a_planted_link_in_place_of_a_pin_by_name_is_refused(loaded, opened, pins):
    # Anybody may plant one in a sticky folder: the map that load would share is then of their choice.
    loaded("options", pin_root_path=pins / "ours")
    (pins / "sticky").mkdir()
    (pins / "sticky").chmod(0o1777)
    (pins / "sticky" / "shared").symlink_to(pins / "ours" / "shared")
    os.chown(pins / "sticky" / "shared", NOBODY, NOBODY, follow_symlinks=False)
    obj = opened("options", pin_root_path=pins / "sticky")
    with pytest.raises(bpf.LibbpfPermissionError, match="shared"):
        obj.load()


OPEN = pytest.mark.parametrize("open_pin", [bpf.Program.from_pin, bpf.Map.from_pin, bpf.Link.open])


@OPEN
def test_what_another_user_has_put_in_place_of_a_pin_is_not_opened(things, pins, open_pin):
    kind = {bpf.Program.from_pin: "program", bpf.Map.from_pin: "map"}.get(open_pin, "link")
    things[kind].pin(pins / "ours")
    (pins / "planted").symlink_to(pins / "ours")
    os.chown(pins / "planted", NOBODY, NOBODY, follow_symlinks=False)
    with pytest.raises(bpf.LibbpfPermissionError, match="belongs to user 65534"):
        open_pin(pins / "planted")


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """Be in a folder that is gone."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()


@contextlib.contextmanager
def refused_there(action):
    with pytest.raises(bpf.LibbpfError, match=f"^cannot {action}: No such file or directory") as caught:
        yield
    assert caught.value.errno == errno.ENOENT
    assert caught.value.hint == "the current folder has been removed: give an absolute path"


@pytest.mark.parametrize("open_pin", ["map", "program", "link", "find_maps"])
def test_a_folder_in_place_of_a_pin_is_told_to_be_one(pins, open_pin):
    functions = {
        "map": bpf.Map.from_pin, "program": bpf.Program.from_pin, "link": bpf.Link.open,
        "find_maps": lambda path: kernel.find_maps(pin=path),
    }  # fmt: skip
    with pytest.raises(bpf.LibbpfError, match="is a folder: give the path of a pin in it"):
        functions[open_pin](pins)


@KINDS
def test_in_a_folder_that_is_gone_no_relative_path_is_pinned_at(things, nowhere, kind):
    with refused_there(f"pin (the )?{kind} .* at 'pin'"):
        things[kind].pin("pin")


@OPEN
def test_in_a_folder_that_is_gone_no_relative_path_is_opened(nowhere, open_pin):
    with refused_there("open the (program|map|link) pinned at 'pin'"):
        open_pin("pin")


def test_in_a_folder_that_is_gone_no_relative_path_is_set_for_a_map(opened, nowhere):
    obj = opened("basic")
    with refused_there("set pin_path of map 'events'"):
        obj.maps["events"].pin_path = "pin"


def test_in_a_folder_that_is_gone_all_programs_have_no_relative_folder(loaded, nowhere):
    obj = loaded("basic")
    with refused_there("pin the programs of object 'basic' in 'pins'"):
        obj.pin_programs("pins")


def test_in_a_folder_that_is_gone_load_pins_nothing_below_a_relative_folder(opened, nowhere):
    obj = opened("options", pin_root_path="pins")
    with refused_there("load object 'options'"):
        obj.load()


def test_in_a_folder_that_is_gone_the_folder_itself_is_no_control_group(one_program, nowhere):
    _, program = one_program("attach_cgroup", "create_a")
    with pytest.raises(bpf.LibbpfError) as caught:
        program.attach_cgroup(".")
    assert caught.value.errno == errno.EBADF


def test_in_a_folder_that_is_gone_nothing_is_mounted_at_a_relative_path(nowhere):
    with pytest.raises(tracefs.FilesystemError, match=r"^cannot mount bpf at 'here': .*\n.*folder has been removed"):
        tracefs.mount_bpffs("here")


@OPEN
def test_what_is_missing_of_the_way_to_a_pin_is_said(pins, open_pin):
    with pytest.raises(bpf.LibbpfError) as caught:
        open_pin(pins / "nobody" / "pinned")
    assert caught.value.hint == f"there is no 'nobody' in {str(pins)!r}"


def test_what_is_missing_of_the_way_to_a_pin_is_said_by_a_listing(pins):
    with pytest.raises(bpf.LibbpfError) as caught:
        kernel.find_programs(pin=pins / "nobody" / "pinned")
    assert caught.value.hint == f"there is no 'nobody' in {str(pins)!r}"


def test_a_link_that_is_opened_by_a_relative_path_is_unpinned_from_anywhere(things, pins, monkeypatch):
    things["link"].pin(pins / "link")
    monkeypatch.chdir(pins)
    with bpf.Link.open("link") as link:
        monkeypatch.chdir("/")
        link.unpin()
    assert not os.path.exists(pins / "link")


def test_a_load_that_failed_over_a_folder_can_be_tried_again(opened, pins):
    (pins / "theirs").mkdir()
    os.chown(pins / "theirs", NOBODY, NOBODY)
    obj = opened("options", pin_root_path=pins / "theirs")
    with pytest.raises(bpf.LibbpfPermissionError):
        obj.load()
    os.chown(pins / "theirs", 0, 0)
    obj.load()


# Maps


def test_a_pinned_map_knows_where(things, pins):
    assert not things["map"].is_pinned
    things["map"].pin(pins / "pin")
    assert things["map"].is_pinned
    assert things["map"].pin_path == str(pins / "pin")


def test_a_map_is_pinned_at_its_pin_path_by_load(opened, pins):
    obj = opened("basic")
    obj.maps["events"].pin_path = pins / "folder" / "events"
    assert obj.maps["events"].pin_path == str(pins / "folder" / "events")
    obj.load()
    assert obj.maps["events"].is_pinned
    assert (pins / "folder" / "events").exists()


def test_a_pin_path_may_be_taken_back(opened, pins):
    obj = opened("basic")
    obj.maps["events"].pin_path = pins / "events"
    obj.maps["events"].pin_path = None
    assert obj.maps["events"].pin_path is None
    obj.load()
    assert list(pins.iterdir()) == []


@pytest.mark.parametrize("name", ["a.b", ".hidden"])
def test_a_pin_path_with_a_dot_is_a_value_error(opened, pins, name):
    with pytest.raises(ValueError, match=r"'\.'"):
        opened("basic").maps["events"].pin_path = pins / name


def test_a_map_is_reused_by_another_object_at_its_pin_path(opened, pins):
    objects = [opened("basic"), opened("basic")]
    for obj in objects:
        obj.maps["raw_hits"].pin_path = pins / "shared"
        obj.load()
    assert objects[0].maps["raw_hits"].id == objects[1].maps["raw_hits"].id
    assert objects[0].maps["events"].id != objects[1].maps["events"].id


@pytest.mark.every_kernel
def test_a_pinned_map_outlives_its_object(opened, pins):
    obj = opened("basic")
    obj.load()
    obj.maps["raw_hits"].pin(pins / "kept")
    number = obj.maps["raw_hits"].id
    obj.close()
    again = opened("basic")
    again.maps["raw_hits"].pin_path = pins / "kept"
    again.load()
    assert again.maps["raw_hits"].id == number


def test_a_load_that_fails_takes_its_pins_away_again(opened, pins):
    obj = opened("options", pin_root_path=pins / "made", kconfig="CONFIG_HZ=7\n")
    obj.programs["read_options"].flags = 1 << 31
    with pytest.raises(bpf.LibbpfError):
        obj.load()
    assert list(pins.iterdir()) == []


def test_a_map_whose_pin_failed_can_be_pinned_elsewhere(things, pins):
    things["program"].pin(pins / "taken")
    with pytest.raises(bpf.LibbpfError):
        things["map"].pin(pins / "taken")
    assert things["map"].pin_path is None
    things["map"].pin(pins / "free")
    assert things["map"].is_pinned


def test_a_map_is_unpinned_from_where_it_is(things, pins):
    things["map"].pin(pins / "pin")
    things["map"].unpin()
    assert not things["map"].is_pinned
    assert list(pins.iterdir()) == []


def test_a_map_is_not_unpinned_from_where_it_is_not(things, pins):
    things["map"].pin(pins / "pin")
    with pytest.raises(bpf.LibbpfError):
        things["map"].unpin(pins / "other")
    assert (pins / "pin").exists()


def test_a_map_that_was_unpinned_can_be_pinned_elsewhere_and_forgets_where_it_was(things, pins):
    for name in ("one", "two"):
        things["map"].pin(pins / name)
        assert things["map"].pin_path == str(pins / name)
        things["map"].unpin()
        assert things["map"].pin_path is None


def test_a_map_that_is_pinned_by_load_can_be_pinned_elsewhere_and_then_where_it_was(opened, pins):
    obj = opened("basic")
    events = obj.maps["events"]
    events.pin_path = pins / "declared"
    obj.load()
    events.unpin()
    assert events.pin_path == str(pins / "declared")
    events.pin(pins / "other")
    assert (events.is_pinned, events.pin_path) == (True, str(pins / "other"))
    events.unpin()
    assert (events.is_pinned, events.pin_path) == (False, str(pins / "declared"))
    events.pin()
    assert (pins / "declared").exists()


def test_a_map_that_is_pinned_is_said_to_have_one_pin(things, pins):
    things["map"].pin(pins / "one")
    with pytest.raises(bpf.LibbpfError, match=r"hint: it is pinned at '.*/one', and .* has one pin") as caught:
        things["map"].pin(pins / "two")
    assert caught.value.errno == errno.EINVAL
    assert things["map"].pin_path == str(pins / "one")
    with bpf.Map.from_fd(things["map"].fd) as other:
        other.pin(pins / "two")
    assert (pins / "two").exists()


def with_a_ctrl_c_at_each(events, files, do, *, least):
    """Do something with a Ctrl-C at one event in files after the other, of which there are more than `least`."""
    number = left = 0

    def interrupt(frame, event, called):
        nonlocal left
        if event in events and frame.f_code.co_filename.endswith(files):
            left -= 1
            if left == 0:
                raise KeyboardInterrupt

    while left <= 0:
        left = number = number + 1
        sys.setprofile(interrupt)
        try:
            with contextlib.suppress(KeyboardInterrupt):
                do()
        finally:
            sys.setprofile(None)
        yield
    assert number > least


@pytest.mark.parametrize("declared", [False, True])
def test_a_map_knows_where_it_was_to_be_wherever_a_ctrl_c_comes(opened, pins, declared):
    obj = opened("basic")
    made = obj.maps["events"]
    made.pin_path = before = str(pins / "declared") if declared else None
    obj.load()
    if declared:
        made.unpin()
    for _ in with_a_ctrl_c_at_each(("c_return",), "_pin_paths.py", lambda: made.pin(pins / "pin"), least=5):
        if made.is_pinned:
            made.unpin()
        assert (made.pin_path, names(pins)) == (before, [])


@pytest.mark.every_kernel
def test_a_map_whose_pin_another_has_removed_is_pinned_there_again(things, pins):
    made = things["map"]
    for name in ("one", "two"):
        made.pin(pins / name)
        (pins / name).unlink()
        made.pin()
        assert names(pins) == [name]
        made.unpin()
        assert (made.is_pinned, made.pin_path, names(pins)) == (False, None, [])


@pytest.mark.every_kernel
def test_a_map_whose_pin_another_has_removed_is_said_to_have_lost_it(loaded, pins):
    obj = loaded("basic")
    made = obj.maps["events"]
    made.pin(pins / "one")
    (pins / "one").unlink()
    for use in (made.unpin, lambda: made.pin(pins / "two"), lambda: obj.pin_maps(pins / "all")):
        with pytest.raises(bpf.LibbpfError, match=r"its pin at '.*/one' has been removed by another"):
            use()
    assert names(pins) == []


# Objects


def names(folder):
    """What is in a folder, sorted."""
    return sorted(each.name for each in Path(folder).iterdir())


PROGRAMS = ["on_raw", "on_tracepoint", "pass"]
MAPS = ["basic_bss", "basic_rodata", "events", "raw_hits", "tracepoint_hits"]


def test_an_object_is_pinned_whole_by_names_without_dots(opened, pins):
    obj = opened("basic")
    obj.programs["optional"].autoload = True
    obj.load()
    obj.pin(pins / "all")
    assert names(pins / "all") == sorted([*PROGRAMS, "optional", *MAPS])
    obj.unpin(pins / "all")
    assert names(pins / "all") == []


def test_an_object_with_a_program_that_was_not_loaded_is_not_pinned(loaded, pins):
    with pytest.raises(bpf.LibbpfError, match="'optional': can't pin program that wasn't loaded"):
        loaded("basic").pin(pins / "all")
    assert names(pins) == []


def test_maps_are_pinned_without_programs(loaded, pins):
    obj = loaded("basic")
    obj.pin_maps(pins / "maps")
    assert names(pins / "maps") == MAPS
    obj.unpin_maps(pins / "maps")
    assert names(pins / "maps") == []


def test_maps_can_be_pinned_once_they_are_prepared(opened, pins):
    obj = opened("basic")
    obj.prepare()
    obj.pin_maps(pins / "maps")
    assert names(pins / "maps") == MAPS


def test_programs_are_pinned_without_maps(opened, pins):
    obj = opened("basic")
    obj.programs["optional"].autoload = True
    obj.load()
    obj.pin_programs(pins / "programs")
    assert names(pins / "programs") == sorted([*PROGRAMS, "optional"])
    obj.unpin_programs(pins / "programs")
    assert names(pins / "programs") == []


def test_maps_without_a_path_are_pinned_where_each_wants(loaded, pins):
    obj = loaded("options", pin_root_path=pins / "by_name")
    obj.unpin_maps()
    assert names(pins / "by_name") == []
    obj.pin_maps()
    assert names(pins / "by_name") == ["shared"]


def test_maps_that_were_unpinned_can_be_pinned_elsewhere(loaded, pins):
    obj = loaded("basic")
    for name in ("one", "two"):
        obj.pin_maps(pins / name)
        obj.unpin_maps()
        assert {each.pin_path for each in obj.maps.values()} == {None}
    obj.maps["events"].pin(pins / "events")
    assert obj.maps["events"].pin_path == str(pins / "events")


def test_a_pin_of_all_maps_that_fails_changes_no_path_and_no_pin(loaded, pins):
    obj = loaded("basic")
    obj.maps["events"].pin(pins / "events")
    before = {each.name: each.pin_path for each in obj.maps.values()}
    with pytest.raises(bpf.LibbpfError, match=r"hint: map 'events' is pinned at '.*/events', and .* has one pin"):
        obj.pin_maps(pins / "all")
    assert names(pins) == ["events"]
    obj.programs["pass"].pin(pins / "taken" / "raw_hits")
    obj.maps["events"].unpin()
    before["events"] = None
    with pytest.raises(bpf.LibbpfError) as caught:
        obj.pin_maps(pins / "taken")
    assert caught.value.errno == errno.EEXIST
    assert {each.name: each.pin_path for each in obj.maps.values()} == before
    assert names(pins / "taken") == ["raw_hits"]


def test_maps_that_are_not_created_keep_no_others_from_being_unpinned(opened, pins):
    obj = opened("basic")
    obj.programs["on_raw"].autoload = False
    obj.maps["raw_hits"].autocreate = False
    obj.load()
    obj.pin_maps(pins / "maps")
    assert names(pins / "maps") == sorted(set(MAPS) - {"raw_hits"})
    obj.unpin_maps(pins / "maps")
    assert names(pins / "maps") == []


def test_a_pin_that_another_has_removed_is_told_when_all_others_are_unpinned(loaded, pins):
    obj = loaded("basic")
    obj.pin_maps(pins / "maps")
    os.unlink(pins / "maps" / "raw_hits")
    with pytest.raises(bpf.LibbpfError, match=r"(?s)errno 2.*map 'raw_hits': its pin .* has been removed by another"):
        obj.unpin_maps(pins / "maps")
    assert names(pins / "maps") == []


def test_a_dot_in_the_name_of_a_folder_stays_one(loaded, tmp_path, root):
    folder = tmp_path / "first.last"
    folder.mkdir(mode=0o700)
    obj = loaded("basic")
    subprocess.run(["mount", "-t", "bpf", "bpf", folder], check=True)
    try:
        obj.pin_maps(folder / "maps")
        assert names(folder / "maps") == MAPS
        obj.unpin_maps(folder / "maps")
        assert names(folder / "maps") == []
    finally:
        subprocess.run(["umount", folder], check=True)


def test_the_pins_of_all_maps_are_made_anew_where_another_has_removed_them(loaded, pins):
    obj = loaded("basic")
    obj.pin_maps(pins / "maps")
    for again in ((pins / "maps",), ()):
        for name in MAPS[:2]:
            os.unlink(pins / "maps" / name)
        obj.pin_maps(*again)
        assert names(pins / "maps") == MAPS
    obj.unpin_maps()
    assert names(pins / "maps") == []


@pytest.mark.parametrize("verb", ["pin", "pin_maps"])
def test_a_pin_that_fails_leaves_the_pins_that_were_there(opened, pins, verb):
    obj = opened("basic")
    obj.programs["optional"].autoload = True
    obj.load()
    (pins / "all").mkdir(mode=0o700)
    first, *_, last = obj.maps.values()
    first.pin(pins / "all" / first.name)
    # In the way: of the maps' last one, or of the programs, which come after the maps.
    taken = {"pin": "pass", "pin_maps": last.name.replace(".", "_")}[verb]
    obj.programs["on_raw"].pin(pins / "all" / taken)
    before = [os.stat(pins / "all" / name).st_ino for name in sorted([first.name, taken])]
    with pytest.raises(bpf.LibbpfError) as caught:
        getattr(obj, verb)(pins / "all")
    assert caught.value.errno == errno.EEXIST
    assert names(pins / "all") == sorted([first.name, taken])
    assert [os.stat(pins / "all" / name).st_ino for name in sorted([first.name, taken])] == before
    assert first.is_pinned
    assert not last.is_pinned


def test_all_or_nothing_is_pinned_wherever_a_ctrl_c_comes(opened, pins):
    obj = opened("basic")
    obj.programs["optional"].autoload = True
    obj.load()
    everything = sorted([*MAPS, *obj.programs])
    files = ("_pin_paths.py", "objects.py")
    for _ in with_a_ctrl_c_at_each(("call", "c_return"), files, lambda: obj.pin(pins / "all"), least=20):
        if (pins / "all").exists():
            assert names(pins / "all") == everything
            obj.unpin(pins / "all")
            (pins / "all").rmdir()


def test_maps_are_pinned_in_the_folder_where_they_are_already(loaded, pins):
    obj = loaded("basic")
    for _ in range(2):
        obj.pin_maps(pins / "maps")
        assert names(pins / "maps") == MAPS


def test_where_no_map_has_a_path_none_is_pinned(loaded, pins):
    loaded("basic").pin_maps()
    assert names(pins) == []


def test_an_object_that_cannot_be_pinned_whole_is_not_pinned_at_all(opened, pins):
    obj = opened("basic")
    obj.programs["optional"].autoload = True
    obj.load()
    (pins / "all").mkdir(mode=0o700)
    obj.programs["pass"].pin(pins / "all" / "pass")
    with pytest.raises(bpf.LibbpfError) as caught:
        obj.pin(pins / "all")
    assert caught.value.errno == errno.EEXIST
    assert names(pins / "all") == ["pass"]
    assert not any(each.is_pinned for each in obj.maps.values())


def test_a_folder_of_another_user_is_refused_for_a_whole_object(loaded, pins):
    (pins / "theirs").mkdir()
    os.chown(pins / "theirs", NOBODY, NOBODY)
    for verb in ("pin", "pin_maps", "pin_programs"):
        with pytest.raises(bpf.LibbpfPermissionError, match="theirs"):
            getattr(loaded("basic"), verb)(pins / "theirs")
    assert names(pins / "theirs") == []


def test_a_folder_with_a_dot_is_a_value_error_for_a_whole_object(loaded, pins):
    with pytest.raises(ValueError, match=r"'\.'"):
        loaded("basic").pin(pins / "a.b")


def test_pins_outlive_a_process(python, compiled, pins, exists):
    said = python(
        """
import sys
import libbpf_cffi as bpf
with bpf.Object.open(sys.argv[1]) as obj:
    obj.load()
    obj.programs["on_raw"].attach().pin(sys.argv[2] + "/link")
    print(obj.programs["on_raw"].id)
""",
        compiled("basic"),
        pins,
    )
    assert exists(int(said))
    with bpf.Link.open(pins / "link") as link:
        assert link.info.prog_id == int(said)


# Pinned maps that are not what the object wants


def mismatched(opened, pins, **changed):
    """Load an object twice with a map that is pinned by its name, and changed the second time; give the error."""
    opened("pinned_map", pin_root_path=pins).load()
    obj = opened("pinned_map", pin_root_path=pins)
    for name, value in changed.items():
        setattr(obj.maps["libbpf_cffi_pinned"], name, value)
    with pytest.raises(bpf.LibbpfError) as caught:
        obj.load()
    return caught.value


def test_a_pinned_map_of_another_size_is_told_by_what_differs(opened, pins):
    hint = mismatched(opened, pins, max_entries=32).hint
    assert "the pinned map has max_entries 1, 'libbpf_cffi_pinned' of the object max_entries 32: " in hint


def test_a_pinned_map_is_told_by_all_that_differs(opened, pins):
    hint = mismatched(opened, pins, max_entries=32, map_flags=bpf.MapFlags.MMAPABLE).hint
    assert "has max_entries 1, map_flags 0, 'libbpf_cffi_pinned' of the object max_entries 32, map_flags 1024" in hint


def test_a_pinned_map_of_another_size_is_taken_as_it_is_by_reuse(opened, pins):
    mismatched(opened, pins, max_entries=32)
    obj = opened("pinned_map", pin_root_path=pins)
    changed = obj.maps["libbpf_cffi_pinned"]
    changed.max_entries = 32
    with bpf.Map.from_pin(pins / "libbpf_cffi_pinned") as pinned:
        changed.reuse(pinned)
        obj.load()
        assert (changed.id, changed.max_entries) == (pinned.id, 1)
