/* .BTF.ext: function, line and relocation records. */

struct btf_ext *btf_ext__new(const __u8 *data, __u32 size);
void btf_ext__free(struct btf_ext *btf_ext);
const void *btf_ext__raw_data(const struct btf_ext *btf_ext, __u32 *size);
enum btf_endianness btf_ext__endianness(const struct btf_ext *btf_ext);
int btf_ext__set_endianness(struct btf_ext *btf_ext, enum btf_endianness endian);

const void *btf_ext__get_raw_data(const struct btf_ext *btf_ext, __u32 *size);
