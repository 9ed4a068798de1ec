/*
 * libbpf's feature probes, with a way to ask again.
 *
 * libbpf keeps what the kernel lacks for the life of the process, and takes a probe that failed for another reason
 * (no descriptor left, no privilege yet, no memory) for such a lack: every later load then fails in its own way.
 * The cache is a static of libbpf's features.c, so that file is compiled through this one.
 */
#include "features.c"

void lbc_features_forget_missing(void)
{
	int i;

	for (i = 0; i < __FEAT_CNT; i++)
		if (READ_ONCE(feature_cache.res[i]) == FEAT_MISSING)
			WRITE_ONCE(feature_cache.res[i], FEAT_UNKNOWN);
}

/* libbpf asks the kernel the same in bpf_object__relocate(), and tells only its skeletons. */
int lbc_features_arena_data_at_end(void)
{
	return feat_supported(NULL, FEAT_LDIMM64_FULL_RANGE_OFF);
}
