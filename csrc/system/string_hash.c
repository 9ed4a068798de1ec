/* Stands in for csrc/string_hash.c when the system's libbpf is linked: that has its own hash, which others know. */
#include "btf.h"
