/*
 * settle(waiting, function, handle, ...): calls function(handle), a callback's work, until it returns.
 *
 * What a callback of a weak reference raises, Python prints and drops. In the main thread a signal handler may raise
 * between any two of the work's instructions, so the work is begun anew, and what was raised comes behind the callback,
 * in the code that had what has gone; several of one type as one. Work that cannot be done here, near the limit of
 * recursion or of memory, is put on the list `waiting`. C alone does this, in which no handler runs.
 *
 * Included by the code that cffi writes, since only that is compiled against Python; within its limited API.
 */
#ifndef LBC_SETTLE_H
#define LBC_SETTLE_H

#include <sys/syscall.h>

/* How often the work is begun; CPython keeps at least 32 calls that are to be made. */
#define LBC_ATTEMPTS 16

/* Raise: what a call that Python makes for us at its next step does. */
static int lbc_raise(void *error)
{
	PyErr_SetObject((PyObject *)Py_TYPE((PyObject *)error), error);
	Py_DECREF((PyObject *)error);
	return -1;
}

/* Tell whether signal handlers run in this thread, and with this interpreter. */
static int lbc_handles_signals(void)
{
	return syscall(SYS_gettid) == getpid() && !PyInterpreterState_GetID(PyInterpreterState_Get());
}

/* Tell whether a module is neither ours nor Python's; not if that cannot be found out. */
static int lbc_is_others(PyObject *name)
{
	PyObject *known = PySys_GetObject("stdlib_module_names"), *dot = PyUnicode_FromString(".");
	/* Whatever class the name is of, no method of it is called. */
	PyObject *parts = dot && PyUnicode_Check(name) ? PyUnicode_Partition(name, dot) : NULL;
	PyObject *first = parts ? PyTuple_GetItem(parts, 0) : NULL;
	/* Without a dot the first part is the name itself, of its class; a piece of it never is. */
	PyObject *top = first ? PyUnicode_Substring(first, 0, PyUnicode_GetLength(first)) : NULL;
	int others = top && PyUnicode_CompareWithASCIIString(top, "libbpf_cffi");

	if (others && known)
		others = PySequence_Contains(known, top) == 0;
	Py_XDECREF(top);
	Py_XDECREF(parts);
	Py_XDECREF(dot);
	return others;
}

/*
 * Tell whether what has been raised comes of others' code, which a signal handler is, by its traceback. Where memory or
 * the stack is at its end no handler need be why.
 */
static int lbc_raised_by_others(void)
{
	PyObject *type, *error, *traceback, *at, *next;
	int others = 0;

	PyErr_Fetch(&type, &error, &traceback);
	Py_XINCREF(traceback);
	for (at = traceback; at && at != Py_None && !others; at = next) {
		PyObject *frame = PyObject_GetAttrString(at, "tb_frame");
		PyObject *globals = frame ? PyObject_GetAttrString(frame, "f_globals") : NULL;
		PyObject *name = globals ? PyDict_GetItemString(globals, "__name__") : NULL;

		others = name && lbc_is_others(name);
		Py_XDECREF(globals);
		Py_XDECREF(frame);
		PyErr_Clear();
		next = PyObject_GetAttrString(at, "tb_next");
		Py_DECREF(at);
	}
	Py_XDECREF(at);
	PyErr_Restore(type, error, traceback);
	return others;
}

/* Take what has been raised; NULL if one of its type is among those that were. */
static PyObject *lbc_take_raised(PyObject **raised, int count)
{
	PyObject *type, *error, *traceback;
	int i;

	PyErr_Fetch(&type, &error, &traceback);
	PyErr_NormalizeException(&type, &error, &traceback);
	if (error && traceback)
		PyException_SetTraceback(error, traceback);
	for (i = 0; i < count && error; i++) {
		if (raised[i] && Py_TYPE(raised[i]) == Py_TYPE(error))
			Py_CLEAR(error);
	}
	Py_XDECREF(type);
	Py_XDECREF(traceback);
	return error;
}

static PyObject *lbc_settle(PyObject *module, PyObject *args)
{
	PyObject *raised[LBC_ATTEMPTS], *waiting, *function, *handle, *gone = NULL, *result = NULL;
	int count = 0, printed = 0, ours, i;

	if (!PyArg_UnpackTuple(args, "settle", 3, 4, &waiting, &function, &handle, &gone))
		return NULL;
	while (!result && count < LBC_ATTEMPTS) {
		result = PyObject_CallFunctionObjArgs(function, handle, NULL);
		if (result)
			break;
		ours = !lbc_handles_signals() || !lbc_raised_by_others();
		if (ours && (PyErr_ExceptionMatches(PyExc_RecursionError) || PyErr_ExceptionMatches(PyExc_MemoryError))) {
			PyErr_Clear();
			break;
		}
		/* A warning that is made an error, or a fault of the work itself, which would come again. */
		printed = (ours && PyErr_ExceptionMatches(PyExc_Warning)) || !lbc_handles_signals();
		if (printed)
			break;
		raised[count] = lbc_take_raised(raised, count);
		count++;
	}
	if (!result) {
		PyObject *type, *error, *traceback;

		PyErr_Fetch(&type, &error, &traceback);
		if (PyList_Append(waiting, handle))
			PyErr_Clear();
		PyErr_Restore(type, error, traceback);
	}
	for (i = 0; i < count; i++) {
		if (raised[i] && Py_AddPendingCall(lbc_raise, raised[i])) {
			/* Too many are to be made already: Python prints it. */
			if (PyErr_Occurred())
				PyErr_WriteUnraisable(function);
			lbc_raise(raised[i]);
			printed = 1;
		}
	}
	Py_XDECREF(result);
	if (printed)
		return NULL;
	Py_RETURN_NONE;
}

static PyMethodDef lbc_settle_method = { "settle", lbc_settle, METH_VARARGS, NULL };

/* What cffi calls to make the module: by what decode_types.h has put there, if it has. */
static PyObject *lbc_init_settle(const char *name, Py_ssize_t version, const struct _cffi_type_context_s *context)
{
	PyObject *module = _cffi_init(name, version, context), *function;

	if (!module)
		return NULL;
	function = PyCFunction_New(&lbc_settle_method, NULL);
	if (!function || PyObject_SetAttrString(module, "settle", function))
		Py_CLEAR(module);
	Py_XDECREF(function);
	return module;
}

#undef _cffi_init
#define _cffi_init lbc_init_settle

#endif
