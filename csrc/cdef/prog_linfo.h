/* Source lines of a loaded program. */

void bpf_prog_linfo__free(struct bpf_prog_linfo *prog_linfo);
struct bpf_prog_linfo *bpf_prog_linfo__new(const struct bpf_prog_info *info);
const struct bpf_line_info *bpf_prog_linfo__lfind_addr_func(const struct bpf_prog_linfo *prog_linfo,
    __u64 addr, __u32 func_idx, __u32 nr_skip);
const struct bpf_line_info *bpf_prog_linfo__lfind(const struct bpf_prog_linfo *prog_linfo, __u32 insn_off,
    __u32 nr_skip);
