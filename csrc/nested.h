/*
 * Names for unnamed structs inside kernel types.
 *
 * CFFI lays out a struct without a name by itself, and takes the members of a union without a name inside it
 * for members that follow one another. With a name, it asks the compiler. Used by csrc/cdef/uapi_attr.h and
 * uapi_info.h.
 */
#ifndef LBC_NESTED_H
#define LBC_NESTED_H

#include <linux/bpf.h>

typedef __typeof__(((union bpf_attr *)0)->query) lbc_bpf_attr_query;
typedef __typeof__(((union bpf_attr *)0)->link_create.tcx) lbc_bpf_attr_link_create_tcx;
typedef __typeof__(((union bpf_attr *)0)->link_create.netkit) lbc_bpf_attr_link_create_netkit;
typedef __typeof__(((union bpf_attr *)0)->link_create.cgroup) lbc_bpf_attr_link_create_cgroup;
typedef __typeof__(((union bpf_attr *)0)->link_create) lbc_bpf_attr_link_create;
typedef __typeof__(((union bpf_attr *)0)->link_update) lbc_bpf_attr_link_update;
typedef __typeof__(((struct bpf_link_info *)0)->iter) lbc_bpf_link_info_iter;
typedef __typeof__(((struct bpf_link_info *)0)->perf_event) lbc_bpf_link_info_perf_event;

#endif
