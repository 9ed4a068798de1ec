"""TCX, with its order, and the classifiers of before; each with packets."""

from __future__ import annotations

import contextlib
import errno

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import AttachType, _net_hints, _netlink, net

INGRESS = AttachType.TCX_INGRESS


def order(obj: bpf.Object) -> str:
    """Say in what order programs have run since the last time."""
    found = obj.variables["order"][: obj.variables["ran"]]
    obj.variables["ran"] = 0
    return found


@pytest.fixture
def abc(only):
    """Load three programs for the same hook."""
    return only("attach_net", "tcx_a", "tcx_b", "tcx_c")


@pytest.fixture
def abc_programs(abc):
    """Give the three programs."""
    return [abc.programs[name] for name in ("tcx_a", "tcx_b", "tcx_c")]


# TCX


@pytest.mark.every_kernel
@pytest.mark.needs("tcx")
def test_tcx_sees_what_comes_in_until_its_link_is_closed(lab, abc):
    with abc.programs["tcx_a"].attach_tcx("eth0", netns=lab.here) as link:
        lab.exchange(3)
        assert abc.variables["first_hits"] == 3
        assert link.info.type is bpf.LinkType.TCX
        assert link.info.details == {"ifindex": lab.number(lab.here), "attach_type": INGRESS}
    lab.exchange(2)
    assert abc.variables["first_hits"] == 3
    assert net.attached("eth0", netns=lab.here) == []


@pytest.mark.every_kernel
def test_a_kernel_without_tcx_is_told_what_it_has_instead(lab, abc, kernel_has):
    without = pytest.raises(bpf.LibbpfError, match=r"no TCX \(Linux 6\.6\): net\.TcHook is the way")
    with contextlib.nullcontext() if kernel_has("tcx") else without:
        abc.programs["tcx_a"].attach_tcx("eth0", netns=lab.here).close()


@pytest.mark.needs("tcx")
def test_tcx_sees_what_goes_out(lab, only):
    obj = only("attach_net", "tcx_out")
    with obj.programs["tcx_out"].attach_tcx("eth0", netns=lab.there) as link:
        lab.exchange(3)
        assert net.attached("eth0", netns=lab.there) == [
            net.Attached("tcx/egress", obj.programs["tcx_out"].id, "tcx_out", link.info.id)
        ]
    assert obj.variables["hits"] == 3


@pytest.mark.needs("tcx")
@pytest.mark.parametrize("kind", ["program", "link", "id"])
def test_a_program_is_put_before_another(lab, abc, abc_programs, kind):
    a, b, c = abc_programs
    link = a.attach_tcx("eth0", netns=lab.here)
    b.attach_tcx("eth0", netns=lab.here)
    neighbour = {"program": a, "link": link, "id": a.id}[kind]
    c.attach_tcx("eth0", before=neighbour, netns=lab.here)
    lab.exchange()
    assert order(abc) == "cab"


@pytest.mark.needs("tcx")
@pytest.mark.parametrize("kind", ["program", "link", "id"])
def test_a_program_is_put_after_another(lab, abc, abc_programs, kind):
    a, b, c = abc_programs
    link = a.attach_tcx("eth0", netns=lab.here)
    b.attach_tcx("eth0", netns=lab.here)
    c.attach_tcx("eth0", after={"program": a, "link": link, "id": a.id}[kind], netns=lab.here)
    lab.exchange()
    assert order(abc) == "acb"


@pytest.mark.needs("tcx")
def test_a_flag_alone_puts_a_program_first(lab, abc, abc_programs):
    a, b, _ = abc_programs
    a.attach_tcx("eth0", netns=lab.here)
    b.attach_tcx("eth0", flags=bpf.AttachFlags.BEFORE, netns=lab.here)
    lab.exchange()
    assert order(abc) == "ba"


@pytest.mark.needs("tcx")
def test_the_fields_of_the_option_struct_do_the_same(lab, abc, abc_programs):
    a, b, c = abc_programs
    link = a.attach_tcx("eth0", netns=lab.here)
    flags = bpf.AttachFlags.BEFORE
    b.attach_tcx("eth0", flags=flags, relative_fd=a.fd, netns=lab.here)
    c.attach_tcx("eth0", flags=flags | bpf.AttachFlags.LINK, relative_id=link.info.id, netns=lab.here)
    lab.exchange()
    assert order(abc) == "bca"


@pytest.mark.needs("tcx")
def test_a_program_of_another_object_is_a_neighbour(lab, abc, only):
    other = only("attach_net", "tcx_b")
    other.programs["tcx_b"].attach_tcx("eth0", netns=lab.here)
    abc.programs["tcx_a"].attach_tcx("eth0", before=other.programs["tcx_b"], netns=lab.here)
    assert net.prog_query("eth0", INGRESS, netns=lab.here).prog_ids == (
        abc.programs["tcx_a"].id,
        other.programs["tcx_b"].id,
    )


@pytest.mark.needs("tcx")
def test_a_query_tells_programs_links_and_the_revision(lab, abc_programs):
    a, b, _ = abc_programs
    empty = net.prog_query("eth0", INGRESS, netns=lab.here)
    first = a.attach_tcx("eth0", netns=lab.here)
    second = b.attach_tcx("eth0", netns=lab.here)
    found = net.prog_query("eth0", INGRESS, netns=lab.here)
    assert (empty.programs, empty.attach_type) == ((), INGRESS)
    assert found.prog_ids == (a.id, b.id)
    assert found.link_ids == (first.info.id, second.info.id)
    assert found.revision == empty.revision + 2


@pytest.mark.needs("tcx")
def test_a_query_has_room_for_every_program(lab, only):
    objects = [only("attach_net", "tcx_a") for _ in range(20)]
    for obj in objects:
        obj.programs["tcx_a"].attach_tcx("eth0", netns=lab.here)
    found = net.prog_query("eth0", INGRESS, netns=lab.here)
    assert found.prog_ids == tuple(obj.programs["tcx_a"].id for obj in objects)


@pytest.mark.needs("tcx")
def test_a_revision_that_is_no_more_is_refused_with_the_one_that_is(lab, abc_programs):
    a, b, _ = abc_programs
    before = net.prog_query("eth0", INGRESS, netns=lab.here).revision
    a.attach_tcx("eth0", expected_revision=before, netns=lab.here)
    with pytest.raises(bpf.LibbpfError, match=f"have changed: their revision is {before + 1}") as caught:
        b.attach_tcx("eth0", expected_revision=before, netns=lab.here)
    assert caught.value.errno == errno.ESTALE


@pytest.mark.needs("tcx")
def test_a_neighbour_that_is_not_there_is_explained(lab, abc_programs):
    a, b, _ = abc_programs
    with pytest.raises(bpf.LibbpfError, match="the neighbour is not"):
        a.attach_tcx("eth0", before=b, netns=lab.here)


@pytest.mark.needs("tcx")
def test_a_program_is_attached_once(lab, abc_programs):
    a, *_ = abc_programs
    a.attach_tcx("eth0", netns=lab.here)
    with pytest.raises(bpf.LibbpfError, match="this program is on that hook already"):
        a.attach_tcx("eth0", netns=lab.here)


@pytest.mark.needs("tcx")
def test_a_program_without_a_link_is_attached_replaced_and_detached(lab, abc, abc_programs):
    a, b, c = abc_programs
    net.prog_attach(a, "eth0", netns=lab.here)
    net.prog_attach(b, "eth0", before=a, netns=lab.here)
    net.prog_attach(c, "eth0", replace_fd=a, netns=lab.here)
    lab.exchange()
    assert order(abc) == "bc"
    net.prog_detach(b, "eth0", netns=lab.here)
    net.prog_detach(None, "eth0", INGRESS, flags=bpf.AttachFlags.AFTER, netns=lab.here)
    assert net.attached("eth0", netns=lab.here) == []


@pytest.mark.needs("tcx")
def test_what_a_link_holds_is_not_detached_without(lab, abc_programs):
    a, b, _ = abc_programs
    a.attach_tcx("eth0", netns=lab.here)
    with pytest.raises(bpf.LibbpfError, match="or by a link"):
        net.prog_detach(a, "eth0", netns=lab.here)
    with pytest.raises(bpf.LibbpfError, match="not attached there"):
        net.prog_detach(b, "eth0", netns=lab.here)


@pytest.mark.parametrize(
    ("name", "target", "advice"),
    [
        ("xdp_count", "lo", r"attach_xdp\(\), or net\.xdp_attach\(\), makes it"),
        ("lookup", None, r"attach_netns\(\) makes it"),
    ],
)
def test_what_needs_a_link_is_told_its_method(root, only, name, target, advice):
    with pytest.raises(bpf.LibbpfError, match=advice) as caught:
        net.prog_attach(only("attach_net", name).programs[name], target)
    assert caught.value.errno == errno.EINVAL


def test_what_says_no_attach_type_is_told_its_method(one_program):
    # 0 is CGROUP_INET_INGRESS, and "lo" would be the folder of a control group.
    _, program = one_program("attach_kernel", "by_plain_tracepoint")
    for step in (net.prog_attach, net.prog_detach):
        with pytest.raises(bpf.LibbpfError, match=r"says no attach type by itself: attach_tracepoint\(\) attaches it"):
            step(program, "lo")


@pytest.mark.parametrize(
    ("kind", "advice"), [("xdp", r"net\.xdp_query\(\) tells"), ("trace_iter", r"kernel\.links\(\) lists")]
)
def test_what_cannot_be_asked_for_is_told_the_other_way(root, kind, advice):
    with pytest.raises(bpf.LibbpfError, match=advice):
        net.prog_query("lo", kind)


@pytest.mark.needs("tcx")
def test_every_descriptor_of_a_neighbour_is_closed(lab, abc_programs):
    # The leak check at the end sees them.
    a, b, _ = abc_programs
    with pytest.raises(bpf.LibbpfError):
        b.attach_tcx("eht0", before=a, netns=lab.here)
    with pytest.raises(ValueError, match="expected_revision"):
        b.attach_tcx("eth0", before=a, expected_revision=-1, netns=lab.here)


@pytest.mark.parametrize(
    ("options", "error", "problem"),
    [
        ({"before": 1, "after": 2}, ValueError, "give one of the two"),
        ({"before": 1, "relative_id": 2}, ValueError, "before names a neighbour"),
        ({"relative_fd": 1, "relative_id": 2}, ValueError, "both name a neighbour"),
        ({"before": 0}, ValueError, "0 is the id of no program"),
        ({"after": "tcx_b"}, TypeError, "after is a Program, a Link or a program's id, not str"),
    ],
)
def test_places_that_cannot_be_are_refused(root, abc_programs, options, error, problem):
    with pytest.raises(error, match=problem):
        abc_programs[0].attach_tcx("lo", **options)


def test_a_section_without_a_direction_is_explained(root, only):
    with pytest.raises(bpf.LibbpfError, match=r"does not say in which direction: .*TcHook"):
        only("attach_net", "tc_count").programs["tc_count"].attach_tcx("lo")


@pytest.mark.every_kernel
def test_a_kernel_without_a_hook_is_told_from_one_that_refuses(lab):
    # No kernel knows that attach type; TCX knows the revision.
    target = lab.number(lab.here)
    lacking = lab.run(lab.here, lambda: _net_hints.mprog_hint(errno.EINVAL, target, 250, "no such hook"))
    assert lacking == "no such hook"


@pytest.mark.needs("tcx")
def test_a_kernel_that_has_a_hook_is_not_said_to_lack_it(lab):
    target = lab.number(lab.here)
    assert lab.run(lab.here, lambda: _net_hints.mprog_hint(errno.EINVAL, target, INGRESS, "no such hook")) is None


# Classifiers


@pytest.fixture
def hook(lab):
    """Make a hook at what comes in."""
    made = net.TcHook("eth0", "ingress", netns=lab.here)
    made.create()
    return made


def test_a_classifier_sees_packets_until_it_is_detached(lab, only, hook):
    obj = only("attach_net", "tc_count")
    made = hook.attach(obj.programs["tc_count"])
    assert made.prog_id == obj.programs["tc_count"].id
    lab.exchange(3)
    hook.detach(made)
    lab.exchange(2)
    assert obj.variables["hits"] == 3
    assert hook.filters() == []


@pytest.mark.every_kernel
def test_classifiers_run_by_their_priority(lab, only, hook):
    obj = only("attach_net", "tc_count", "tcx_a", "tcx_b")
    hook.attach(obj.programs["tc_count"], priority=20)
    hook.attach(obj.programs["tcx_b"], priority=10, handle=2)
    hook.attach(obj.programs["tcx_a"], priority=5)
    lab.exchange()
    # A negative verdict lets the next one see the packet.
    assert order(obj) == "abt"
    assert [each.priority for each in hook.filters()] == [5, 10, 20]


def test_a_classifier_is_replaced(lab, only, hook):
    obj = only("attach_net", "tc_count", "tc_other")
    made = hook.attach(obj.programs["tc_count"], handle=1, priority=1)
    with pytest.raises(bpf.LibbpfError, match="replace=True takes its place"):
        hook.attach(obj.programs["tc_other"], handle=1, priority=1)
    replaced = hook.attach(obj.programs["tc_other"], handle=1, priority=1, replace=True)
    assert replaced[:2] == made[:2]
    assert hook.query(made).prog_id == obj.programs["tc_other"].id
    lab.exchange()
    assert order(obj) == "u"


def test_a_classifier_that_is_not_there_is_none(lab, only, hook):
    assert hook.query(handle=1, priority=1) is None
    with pytest.raises(bpf.LibbpfError, match="nothing has that handle"):
        hook.detach(handle=1, priority=1)


def test_a_hook_that_is_there_is_no_error_unless_asked(lab):
    hook = net.TcHook("eth0", netns=lab.here)
    assert hook.create() is True
    assert hook.create() is False
    with pytest.raises(bpf.LibbpfError) as caught:
        hook.create(exist_ok=False)
    assert caught.value.errno == errno.EEXIST


@pytest.fixture
def no_traffic_control(monkeypatch):
    """Ask for what no kernel knows, as one without traffic control answers all that is asked of it."""
    monkeypatch.setattr(_netlink, "RTM_GETQDISC", 0x7FF2)
    monkeypatch.setattr(_netlink, "RTM_GETTFILTER", 0x7FF2)


def test_a_kernel_without_traffic_control_has_no_classifiers(lab, only, no_traffic_control):
    program = only("attach_net", "xdp_count").programs["xdp_count"]
    with program.attach_xdp("eth0", netns=lab.here):
        assert [each.prog_id for each in net.attached("eth0", netns=lab.here)] == [program.id]


def test_a_kernel_without_traffic_control_is_explained(lab, no_traffic_control):
    with pytest.raises(bpf.NotSupportedError, match="CONFIG_NET_SCHED"):
        net.TcHook("eth0", "ingress", netns=lab.here).filters()


def test_a_hook_that_was_not_created_is_explained(lab, only):
    program = only("attach_net", "tc_count").programs["tc_count"]
    with pytest.raises(bpf.LibbpfError, match=r"the hook is not there, create\(\) makes it"):
        net.TcHook("eth0", netns=lab.here).attach(program)


def test_destroying_a_direction_takes_its_classifiers(lab, only, hook):
    program = only("attach_net", "tc_count").programs["tc_count"]
    hook.attach(program)
    net.TcHook("eth0", "egress", netns=lab.here).attach(program)
    hook.destroy()
    assert [each.hook for each in net.attached("eth0", netns=lab.here)] == ["tc/egress"]
    net.TcHook("eth0", "both", netns=lab.here).destroy()
    assert "clsact" not in lab.tc(lab.here, "qdisc", "show", "dev", "eth0")


@pytest.mark.parametrize("point", ["ingress", "egress", "both"])
def test_destroying_what_is_not_there_is_explained(lab, point):
    with pytest.raises(bpf.LibbpfError, match="hint: there is no such hook, or nothing in it") as caught:
        net.TcHook("eth0", point, netns=lab.here).destroy()
    assert caught.value.errno in (errno.EINVAL, errno.ENOENT)


def test_a_hook_of_custom_is_said_not_to_be_destroyed(lab):
    hook = net.TcHook("eth0", net.TcAttachPoint.CUSTOM, parent=0x10000, netns=lab.here)
    with pytest.raises(bpf.NotSupportedError, match=r"not destroyed: detach\(\) takes a classifier away"):
        hook.destroy()


def test_a_classifier_is_attached_below_a_discipline_of_ones_own(lab, only):
    obj = only("attach_net", "tc_count")
    lab.tc(lab.there, "qdisc", "add", "dev", "eth0", "root", "handle", "1:", "htb")
    below = net.TcHook("eth0", net.TcAttachPoint.CUSTOM, parent=0x10000, netns=lab.there)
    made = below.attach(obj.programs["tc_count"])
    lab.exchange(3)
    assert obj.variables["hits"] == 3
    assert below.filters() == [made]
    assert net.attached("eth0", netns=lab.there) == [
        net.Attached("tc/1:", made.prog_id, "tc_count", None, made.handle, made.priority)
    ]
    below.detach(made)
    assert below.filters() == []


def test_a_discipline_is_created_and_destroyed(lab):
    root = bpf.lib.TC_H_ROOT
    hook = net.TcHook("eth0", net.TcAttachPoint.QDISC, parent=root, handle=0x70000, qdisc="pfifo", netns=lab.here)
    hook.create()
    assert "qdisc pfifo 7: root" in lab.tc(lab.here, "qdisc", "show", "dev", "eth0")
    hook.destroy()
    assert "pfifo" not in lab.tc(lab.here, "qdisc", "show", "dev", "eth0")


def test_an_unknown_discipline_is_told_by_the_kernel(lab):
    hook = net.TcHook("eth0", net.TcAttachPoint.QDISC, parent=bpf.lib.TC_H_ROOT, qdisc="no-such", netns=lab.here)
    with pytest.raises(bpf.LibbpfError, match=r"(?s)kind is unknown.*no queueing discipline of that name") as caught:
        hook.create()
    assert "create() makes it" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "options", "problem"),
    [
        (("up",), {}, "attach_point must be one of ingress, egress, both, or of TcAttachPoint"),
        ((8,), {}, "QDISC needs the name"),
        ((4,), {}, "CUSTOM needs the parent"),
        (("ingress",), {"parent": -1}, "parent must be from 0"),
    ],
)
def test_hooks_that_cannot_be_are_refused(root, arguments, options, problem):
    with pytest.raises(ValueError, match=problem):
        net.TcHook("lo", *arguments, **options)


def test_a_classifier_needs_both_of_its_names(root):
    with pytest.raises(ValueError, match="neither of which is 0"):
        net.TcHook("lo").detach(handle=1)


@pytest.mark.every_kernel
def test_everything_of_an_interface_is_listed_at_once(lab, only, hook):
    obj = only("attach_net", "xdp_count", "tc_count")
    with obj.programs["xdp_count"].attach_xdp("eth0", mode="skb", netns=lab.here) as link:
        made = hook.attach(obj.programs["tc_count"])
        assert net.attached("eth0", netns=lab.here) == [
            net.Attached("xdp/skb", obj.programs["xdp_count"].id, "xdp_count", link.info.id),
            net.Attached("tc/ingress", obj.programs["tc_count"].id, "tc_count", None, made.handle, made.priority),
        ]
