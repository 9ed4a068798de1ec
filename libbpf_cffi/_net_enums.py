"""The enumerations of attaching to the network. Not imported until one is asked for."""

from __future__ import annotations

from enum import IntFlag

from ._ffi import lib
from .enums import OpenEnum

__all__ = ["AttachFlags", "TcAttachPoint", "XdpAttachMode", "XdpFeatures", "XdpFlags"]


class AttachFlags(IntFlag):
    """Flags of attaching to a control group, to TCX and to netkit: ``BPF_F_…`` of linux/bpf.h."""

    ALLOW_OVERRIDE = lib.BPF_F_ALLOW_OVERRIDE
    ALLOW_MULTI = lib.BPF_F_ALLOW_MULTI
    REPLACE = lib.BPF_F_REPLACE
    BEFORE = lib.BPF_F_BEFORE
    AFTER = lib.BPF_F_AFTER
    ID = lib.BPF_F_ID
    PREORDER = lib.BPF_F_PREORDER
    LINK = lib.BPF_F_LINK


class XdpFlags(IntFlag):
    """Flags of attaching XDP: ``XDP_FLAGS_…`` of linux/if_link.h."""

    UPDATE_IF_NOEXIST = lib.XDP_FLAGS_UPDATE_IF_NOEXIST
    SKB_MODE = lib.XDP_FLAGS_SKB_MODE
    DRV_MODE = lib.XDP_FLAGS_DRV_MODE
    HW_MODE = lib.XDP_FLAGS_HW_MODE
    REPLACE = lib.XDP_FLAGS_REPLACE


class XdpAttachMode(OpenEnum):
    """How an interface runs its XDP program: ``XDP_ATTACHED_…`` of linux/if_link.h."""

    NONE = lib.XDP_ATTACHED_NONE
    DRV = lib.XDP_ATTACHED_DRV
    SKB = lib.XDP_ATTACHED_SKB
    HW = lib.XDP_ATTACHED_HW
    MULTI = lib.XDP_ATTACHED_MULTI


class XdpFeatures(IntFlag):
    """What a driver can do with XDP: ``enum netdev_xdp_act`` of linux/netdev.h."""

    BASIC = lib.NETDEV_XDP_ACT_BASIC
    REDIRECT = lib.NETDEV_XDP_ACT_REDIRECT
    NDO_XMIT = lib.NETDEV_XDP_ACT_NDO_XMIT
    XSK_ZEROCOPY = lib.NETDEV_XDP_ACT_XSK_ZEROCOPY
    HW_OFFLOAD = lib.NETDEV_XDP_ACT_HW_OFFLOAD
    RX_SG = lib.NETDEV_XDP_ACT_RX_SG
    NDO_XMIT_SG = lib.NETDEV_XDP_ACT_NDO_XMIT_SG


class TcAttachPoint(IntFlag):
    """Where a `TcHook` is: ``enum bpf_tc_attach_point`` of libbpf.h; both directions may be or-ed."""

    INGRESS = lib.BPF_TC_INGRESS
    EGRESS = lib.BPF_TC_EGRESS
    CUSTOM = lib.BPF_TC_CUSTOM
    QDISC = lib.BPF_TC_QDISC
