/* Stands in for csrc/btf_dedup.c when the system's libbpf is linked: nobody can count what that compares. */
#include "btf.h"
