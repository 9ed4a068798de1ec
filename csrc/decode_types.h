/* The class `Decoder`, what checks its program, and how it gets into the module; see decode.h. */
#ifndef LBC_DECODE_TYPES_H
#define LBC_DECODE_TYPES_H

#include "decode.h"
#include "decode_values.h"

#if !defined(Py_GIL_DISABLED) && !defined(PYPY_VERSION)

static PyObject *lbc_decoder_one(PyObject *self, PyObject *const *arguments, Py_ssize_t number)
{
	lbc_decoder *decoder = (lbc_decoder *)self;
	Py_ssize_t offset = number > 1 ? PyLong_AsSsize_t(arguments[1]) : 0, size = decoder->nodes->size, given;
	PyObject *buffer, *pin, *value;
	const char *data;
	char copy[256];

	if (offset == -1 && PyErr_Occurred())
		return NULL;
	if (number < 1 || number > 2) {
		PyErr_SetString(PyExc_TypeError, "a decoder takes a buffer and an offset");
		return NULL;
	}
	buffer = arguments[0];
	if (offset < 0 || !(PyBytes_Check(buffer) || PyByteArray_Check(buffer)))
		return lbc_alone(decoder, buffer, offset);
	given = PyBytes_Check(buffer) ? PyBytes_Size(buffer) : PyByteArray_Size(buffer);
	if (offset > given || given - offset < size)
		return lbc_alone(decoder, buffer, offset);
	if (PyByteArray_Check(buffer) && size <= (Py_ssize_t)sizeof(copy)) {
		/* Quicker than to keep it from changing its size. */
		memcpy(copy, PyByteArray_AsString(buffer) + offset, size);
		value = lbc_make(decoder, decoder->nodes, copy);
	} else {
		if (lbc_find(buffer, &data, &given, &pin))
			return NULL;
		value = lbc_make(decoder, decoder->nodes, data + offset);
		Py_XDECREF(pin);
	}
	return value ? value : lbc_alone(decoder, buffer, offset);
}

static PyObject *lbc_decoder_many(PyObject *self, PyObject *const *arguments, Py_ssize_t number)
{
	lbc_decoder *decoder = (lbc_decoder *)self;
	Py_ssize_t sizes[3];
	PyObject *pin, *found;
	const char *data;

	if (lbc_take(decoder, arguments, number, &data, sizes, &pin))
		return NULL;
	found = lbc_list(decoder, arguments[0], data, sizes[0], sizes[1], sizes[2]);
	Py_XDECREF(pin);
	return found;
}

static PyObject *lbc_decoder_values(PyObject *self, PyObject *const *arguments, Py_ssize_t number)
{
	lbc_decoder *decoder = (lbc_decoder *)self;
	Py_ssize_t sizes[3];
	lbc_values *values;
	const char *data;
	PyObject *pin;

	if (lbc_take(decoder, arguments, number, &data, sizes, &pin))
		return NULL;
	values = (lbc_values *)PyType_GenericAlloc(lbc_values_type, 0);
	if (!values) {
		Py_XDECREF(pin);
		return NULL;
	}
	Py_INCREF(self);
	values->decoder = decoder;
	Py_INCREF(arguments[0]);
	values->buffer = arguments[0];
	values->pin = pin;
	values->data = data;
	values->offset = sizes[0];
	values->stride = sizes[1];
	values->count = sizes[2];
	return (PyObject *)values;
}

static int lbc_decoder_traverse(PyObject *self, visitproc visit, void *arg)
{
	lbc_decoder *decoder = (lbc_decoder *)self;

	Py_VISIT(Py_TYPE(self));
	Py_VISIT(decoder->constants);
	Py_VISIT(decoder->alone);
	return 0;
}

static void lbc_decoder_dealloc(PyObject *self)
{
	lbc_decoder *decoder = (lbc_decoder *)self;
	PyTypeObject *type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	PyMem_Free(decoder->nodes);
	Py_XDECREF(decoder->constants);
	Py_XDECREF(decoder->alone);
	PyObject_GC_Del(self);
	Py_DECREF(type);
}

/* Tell whether records of a class are laid out as tuples are. */
static int lbc_is_plain_tuple(PyObject *kind)
{
	static const char *const sizes[] = { "__basicsize__", "__itemsize__", "__dictoffset__", "__weakrefoffset__" };
	size_t i;

	if (!PyType_Check(kind) || !PyType_IsSubtype((PyTypeObject *)kind, &PyTuple_Type))
		return 0;
	for (i = 0; i < 4; i++) {
		PyObject *mine = PyObject_GetAttrString(kind, sizes[i]);
		PyObject *tuples = PyObject_GetAttrString((PyObject *)&PyTuple_Type, sizes[i]);
		int same = mine && tuples ? PyObject_RichCompareBool(mine, tuples, Py_EQ) : -1;

		Py_XDECREF(mine);
		Py_XDECREF(tuples);
		if (same < 0)
			PyErr_Clear();
		if (same != 1)
			return 0;
	}
	return 1;
}

/* Check one node and its children; give how many that are, or 0. */
static uint32_t lbc_check_node(const struct lbc_node *node, uint32_t left, PyObject *constants, int depth)
{
	uint32_t span = 1, i, inner, children = 0;
	PyObject *constant;

	if (!left || node->kind >= LBC_KINDS || depth > LBC_DEEPEST || node->size > INT32_MAX)
		return 0;
	if (node->kind == LBC_RECORD || node->kind == LBC_ENUM || node->kind == LBC_SIGNED_ENUM ||
	    node->kind == LBC_ENUM_BITS || node->kind == LBC_SIGNED_ENUM_BITS) {
		if (node->constant >= (size_t)PyTuple_Size(constants))
			return 0;
		constant = PyTuple_GetItem(constants, node->constant);
		if (node->kind == LBC_RECORD ? !lbc_is_plain_tuple(constant) : !PyDict_Check(constant))
			return 0;
	}
	switch (node->kind) {
	case LBC_RECORD:
		children = node->count;
		/* The empty tuple is one for all. */
		if (!children)
			return 0;
		break;
	case LBC_ARRAY:
		children = 1;
		if (!node->count || left < 2 || !node[1].size || node[1].offset ||
		    (uint64_t)node[1].size * node->count != node->size)
			return 0;
		break;
	case LBC_TRUTH:
		if (node->size != 1)
			return 0;
		break;
	case LBC_BYTES:
	case LBC_TEXT:
		break;
	case LBC_FLOAT:
		if (node->size != 4 && node->size != 8)
			return 0;
		break;
	default:
		if (node->size != 1 && node->size != 2 && node->size != 4 && node->size != 8)
			return 0;
		if (node->kind >= LBC_BITS &&
		    (!(node->count >> 8) || (node->count & 0xff) + (node->count >> 8) > 8 * node->size))
			return 0;
	}
	for (i = 0; i < children; i++, span += inner) {
		inner = lbc_check_node(node + span, left - span, constants, depth + 1);
		if (!inner || node[span].offset > node->size || node[span].size > node->size - node[span].offset)
			return 0;
	}
	return node->span == span ? span : 0;
}

/* Decoder(program, constants, alone) */
static PyObject *lbc_decoder_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
	PyObject *program, *constants, *alone;
	lbc_decoder *decoder;
	uint32_t count;

	(void)keywords;
	if (!PyArg_ParseTuple(arguments, "SO!O", &program, &PyTuple_Type, &constants, &alone))
		return NULL;
	decoder = (lbc_decoder *)PyType_GenericAlloc(type, 0);
	if (!decoder)
		return NULL;
	Py_INCREF(constants);
	decoder->constants = constants;
	Py_INCREF(alone);
	decoder->alone = alone;
	decoder->nodes = PyMem_Malloc(PyBytes_Size(program) + 1);
	if (!decoder->nodes) {
		Py_DECREF(decoder);
		return PyErr_NoMemory();
	}
	memcpy(decoder->nodes, PyBytes_AsString(program), PyBytes_Size(program));
	count = PyBytes_Size(program) / sizeof(struct lbc_node);
	if (!count || lbc_check_node(decoder->nodes, count, constants, 0) != count || decoder->nodes->offset ||
	    !decoder->nodes->size) {
		Py_DECREF(decoder);
		PyErr_SetString(PyExc_ValueError, "this is no program of a decoder");
		return NULL;
	}
	return (PyObject *)decoder;
}

static PyMethodDef lbc_decoder_methods[] = {
	{ "one", (PyCFunction)(void (*)(void))lbc_decoder_one, METH_FASTCALL, NULL },
	{ "many", (PyCFunction)(void (*)(void))lbc_decoder_many, METH_FASTCALL, NULL },
	{ "values", (PyCFunction)(void (*)(void))lbc_decoder_values, METH_FASTCALL, NULL },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot lbc_decoder_slots[] = {
	{ Py_tp_new, lbc_decoder_new },
	{ Py_tp_traverse, lbc_decoder_traverse },
	{ Py_tp_dealloc, lbc_decoder_dealloc },
	{ Py_tp_methods, lbc_decoder_methods },
	{ 0, NULL },
};

static PyType_Spec lbc_decoder_spec = {
	"libbpf_cffi._libbpf.Decoder", sizeof(lbc_decoder), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, lbc_decoder_slots,
};

static int lbc_add_decoder(PyObject *module)
{
	PyObject *size = PyObject_GetAttrString((PyObject *)&PyTuple_Type, "__basicsize__");

	if (!size)
		return -1;
	lbc_reusable = PyLong_AsSsize_t(size) == (Py_ssize_t)sizeof(PyVarObject);
	Py_DECREF(size);
	if (!lbc_decoder_type)
		lbc_decoder_type = (PyTypeObject *)PyType_FromSpec(&lbc_decoder_spec);
	if (!lbc_values_type)
		lbc_values_type = (PyTypeObject *)PyType_FromSpec(&lbc_values_spec);
	if (!lbc_decoder_type || !lbc_values_type)
		return -1;
	return PyObject_SetAttrString(module, "Decoder", (PyObject *)lbc_decoder_type);
}

/* What cffi calls to make the module. */
static PyObject *lbc_init(const char *name, Py_ssize_t version, const struct _cffi_type_context_s *context)
{
	PyObject *module = _cffi_init(name, version, context);

	if (module && lbc_add_decoder(module))
		Py_CLEAR(module);
	return module;
}

#define _cffi_init lbc_init

#endif
#endif
