/* The end of libbpf's comparison of types for CO-RE (core_match.c). */
#ifndef LBC_CORE_MATCH_H
#define LBC_CORE_MATCH_H

/* Begin to count, on this thread. */
void lbc_core_begin(void);

/* Tell whether so much has been compared that the rest was refused. */
int lbc_core_is_over(void);

#endif
