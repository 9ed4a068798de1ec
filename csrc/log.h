/*
 * A thread that works for another, which waits for it, and says what it has to say in the other's name (log.c).
 */
#ifndef LBC_LOG_H
#define LBC_LOG_H

/* The calling thread's log, or NULL; borrow it at the other thread's start, and borrow NULL before its end. */
void *lbc_log_lend(void);
void lbc_log_borrow(void *log);

#endif
