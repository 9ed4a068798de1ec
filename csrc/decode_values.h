/* Many values in a row: a list of them, or one at a time, by what decode.h has. */
#ifndef LBC_DECODE_VALUES_H
#define LBC_DECODE_VALUES_H

#include "decode.h"

#if !defined(Py_GIL_DISABLED) && !defined(PYPY_VERSION)

/* Those of one stretch of bytes, in their order: a sequence that is its own iterator. */
typedef struct {
	PyObject_HEAD
	lbc_decoder *decoder;
	PyObject *buffer;
	PyObject *pin;
	const char *data;
	Py_ssize_t offset;
	Py_ssize_t stride;
	Py_ssize_t count;
	Py_ssize_t at;
	/* The last two records, where their bytes are, and which came last. */
	PyObject *kept[2];
	const char *bytes[2];
	unsigned int last;
} lbc_values;

static PyTypeObject *lbc_decoder_type, *lbc_values_type;

/* Whether a tuple has nothing but its items: from 3.14 on it keeps its hash, which nobody but tuple.c can forget. */
static int lbc_reusable;

/* Find a buffer's bytes; `pin` is what keeps a bytearray from changing its size. */
static int lbc_find(PyObject *buffer, const char **data, Py_ssize_t *size, PyObject **pin)
{
	*pin = NULL;
	if (PyBytes_Check(buffer)) {
		*data = PyBytes_AsString(buffer);
		*size = PyBytes_Size(buffer);
		return 0;
	}
	if (!PyByteArray_Check(buffer)) {
		PyErr_SetString(PyExc_TypeError, "a decoder reads bytes or a bytearray");
		return -1;
	}
	*pin = PyMemoryView_FromObject(buffer);
	if (!*pin)
		return -1;
	*data = PyByteArray_AsString(buffer);
	*size = PyByteArray_Size(buffer);
	return 0;
}

/* Take the arguments (buffer, offset, stride, count) of what decodes many. */
static int lbc_take(const lbc_decoder *decoder, PyObject *const *arguments, Py_ssize_t number, const char **data,
		    Py_ssize_t sizes[3], PyObject **pin)
{
	Py_ssize_t size, i;

	if (number != 4) {
		PyErr_SetString(PyExc_TypeError, "a decoder takes a buffer, an offset, a stride and a count");
		return -1;
	}
	for (i = 0; i < 3; i++) {
		sizes[i] = PyLong_AsSsize_t(arguments[i + 1]);
		if (sizes[i] == -1 && PyErr_Occurred())
			return -1;
	}
	if (lbc_find(arguments[0], data, &size, pin))
		return -1;
	if (sizes[0] < 0 || sizes[1] < (Py_ssize_t)decoder->nodes->size || sizes[2] < 0 || sizes[0] > size ||
	    (sizes[2] && (sizes[1] > PY_SSIZE_T_MAX / sizes[2] || sizes[1] * sizes[2] > size - sizes[0]))) {
		Py_CLEAR(*pin);
		PyErr_SetString(PyExc_ValueError, "the values are not in the buffer");
		return -1;
	}
	*data += sizes[0];
	return 0;
}

static PyObject *lbc_list(const lbc_decoder *decoder, PyObject *buffer, const char *data, Py_ssize_t offset,
			  Py_ssize_t stride, Py_ssize_t count)
{
	int shares = decoder->nodes->kind == LBC_RECORD;
	PyObject *found = PyList_New(count), *item, *before = NULL;
	Py_ssize_t i;

	if (!found)
		return NULL;
	/* Nobody is to find it half full. */
	PyObject_GC_UnTrack(found);
	for (i = 0; i < count; i++, data += stride, offset += stride) {
		item = shares ? lbc_record_after(decoder, data, before, data - stride, NULL, NULL)
			      : lbc_make(decoder, decoder->nodes, data);
		if (!item)
			item = lbc_alone(decoder, buffer, offset);
		if (!item) {
			Py_DECREF(found);
			return NULL;
		}
		PyList_SetItem(found, i, item);
		before = item;
	}
	PyObject_GC_Track(found);
	return found;
}

/* Make the next record, of one that nobody has any more if there is one. */
static PyObject *lbc_next_record(lbc_values *values, const char *data)
{
	/* Who unpacks a record has the last one no more; who has it in a variable still does, but not the one before. */
	unsigned int last = values->last, turn = last;
	PyObject *own = values->kept[last], *before = NULL, *item;
	const char *own_at;

	if (!own || Py_REFCNT(own) != 1 || !lbc_reusable) {
		turn = !last;
		before = own;
		Py_XINCREF(before);
		own = values->kept[turn];
	}
	own_at = values->bytes[turn];
	/* Another call may come before this one ends: of a finalizer, while the garbage is collected. */
	values->kept[turn] = NULL;
	if (own && (Py_REFCNT(own) != 1 || !lbc_reusable))
		Py_CLEAR(own);
	item = lbc_record_after(values->decoder, data, before, values->bytes[last], own, own_at);
	Py_XDECREF(before);
	if (item && !values->kept[turn]) {
		Py_INCREF(item);
		values->kept[turn] = item;
		values->bytes[turn] = data;
		values->last = turn;
	}
	return item;
}

static PyObject *lbc_values_next(PyObject *self)
{
	lbc_values *values = (lbc_values *)self;
	Py_ssize_t at = values->at;
	const char *data;
	PyObject *item;

	if (at >= values->count)
		return NULL;
	/* First of all, for a call that comes before this one ends. */
	values->at = at + 1;
	data = values->data + at * values->stride;
	if (values->decoder->nodes->kind == LBC_RECORD)
		item = lbc_next_record(values, data);
	else
		item = lbc_make(values->decoder, values->decoder->nodes, data);
	if (!item)
		item = lbc_alone(values->decoder, values->buffer, values->offset + at * values->stride);
	if (!item && values->at == at + 1)
		/* It has not been handed out. */
		values->at = at;
	return item;
}

static Py_ssize_t lbc_values_length(PyObject *self)
{
	return ((lbc_values *)self)->count;
}

static PyObject *lbc_values_hint(PyObject *self, PyObject *none)
{
	(void)none;
	return PyLong_FromSsize_t(((lbc_values *)self)->count - ((lbc_values *)self)->at);
}

/* Give a part, as a list. */
static PyObject *lbc_values_part(PyObject *self, PyObject *index)
{
	lbc_values *values = (lbc_values *)self;
	Py_ssize_t start, stop, step, count, first;

	if (!PySlice_Check(index)) {
		PyErr_SetString(PyExc_TypeError, "only a slice of values can be taken");
		return NULL;
	}
	if (PySlice_Unpack(index, &start, &stop, &step))
		return NULL;
	count = PySlice_AdjustIndices(values->count, &start, &stop, step);
	if (step != 1) {
		PyErr_SetString(PyExc_ValueError, "a slice of values has no step");
		return NULL;
	}
	first = start * values->stride;
	return lbc_list(values->decoder, values->buffer, values->data + first, values->offset + first, values->stride,
			count);
}

/* Hand out no more: `del values[:]`, which is one step of the interpreter's, unlike a call. */
static int lbc_values_end(PyObject *self, PyObject *index, PyObject *value)
{
	lbc_values *values = (lbc_values *)self;

	if (!PySlice_Check(index) || value) {
		PyErr_SetString(PyExc_TypeError, "values can only be deleted, all of them");
		return -1;
	}
	values->count = values->at = 0;
	return 0;
}

static void lbc_values_dealloc(PyObject *self)
{
	lbc_values *values = (lbc_values *)self;
	PyTypeObject *type = Py_TYPE(self);

	Py_XDECREF(values->kept[0]);
	Py_XDECREF(values->kept[1]);
	Py_XDECREF(values->pin);
	Py_XDECREF(values->buffer);
	Py_XDECREF(values->decoder);
	PyObject_Free(self);
	Py_DECREF(type);
}

static PyMethodDef lbc_values_methods[] = {
	{ "__length_hint__", lbc_values_hint, METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot lbc_values_slots[] = {
	{ Py_tp_iter, PyObject_SelfIter },
	{ Py_tp_iternext, lbc_values_next },
	{ Py_mp_length, lbc_values_length },
	{ Py_mp_subscript, lbc_values_part },
	{ Py_mp_ass_subscript, lbc_values_end },
	{ Py_tp_dealloc, lbc_values_dealloc },
	{ Py_tp_methods, lbc_values_methods },
	{ 0, NULL },
};

static PyType_Spec lbc_values_spec = {
	"libbpf_cffi._libbpf.Values", sizeof(lbc_values), 0,
	Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, lbc_values_slots,
};

#endif
#endif
