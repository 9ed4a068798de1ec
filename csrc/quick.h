/*
 * Calls for one integer, as quick as cffi can be made: those of `lbc_quick_…`.
 *
 * Behind a system call of a few hundred nanoseconds the processor's branch predictors are cold, and each indirect call
 * of the wrapper that cffi writes is dear. So here such a call keeps the interpreter's lock (releasing and taking it is a
 * tenth of the whole; the functions with these names read or write one integer, and never sleep), and takes its numbers
 * straight from Python, which refuses what is no integer (TypeError): cffi would cut a Decimal to one.
 *
 * Included by the code that cffi writes, whose functions are called `_cffi_f_` and the C function's name. The compiler
 * decides by the name, once.
 */
#ifndef LBC_QUICK_H
#define LBC_QUICK_H

#define LBC_IS_QUICK (!__builtin_strncmp(__func__, "_cffi_f_lbc_quick_", 18))

#undef Py_BEGIN_ALLOW_THREADS
#undef Py_END_ALLOW_THREADS
#define Py_BEGIN_ALLOW_THREADS                                                                  \
	{                                                                                       \
		PyThreadState *lbc_saved_ = LBC_IS_QUICK ? NULL : PyEval_SaveThread();
#define Py_END_ALLOW_THREADS                                                                    \
		if (lbc_saved_)                                                                 \
			PyEval_RestoreThread(lbc_saved_);                                       \
	}

static inline unsigned long long lbc_any_u64(PyObject *object)
{
	return _cffi_to_c_u64(object);
}

static inline long long lbc_any_i64(PyObject *object)
{
	return _cffi_to_c_i64(object);
}

#undef _cffi_to_c_u64
#undef _cffi_to_c_i64
#define _cffi_to_c_u64(object) (LBC_IS_QUICK ? PyLong_AsUnsignedLongLong(object) : lbc_any_u64(object))
#define _cffi_to_c_i64(object) (LBC_IS_QUICK ? PyLong_AsLongLong(object) : lbc_any_i64(object))

#endif
