/*
 * Records to Python values: what a codec's expression does (libbpf_cffi/_codec_base.py), for the types that are made of
 * numbers, text, bytes and records and arrays of them. Per event the interpreter's own loop costs more than all else
 * that reading a ring buffer takes; `struct` makes a tuple that then becomes a record by a call.
 *
 * A `Decoder` has a program, which is the type as a list of nodes, each before its children. Nothing here calls Python
 * code, with one exception: what it cannot do (a buffer that is neither bytes nor a bytearray, an enumerator that is not
 * known yet) it leaves to the function `alone`, which the codec has compiled. Values are the same by both ways.
 *
 * A record is immutable, and of one value there need not be two objects: what a record has the same bytes for as the one
 * before it is the same object. `Values` hands out one record at a time, and makes the next one of one that nobody has
 * any more, as zip() does with its tuples.
 *
 * Included by the code that cffi writes, since only that is compiled against Python. It is within the limited API of
 * CPython 3.10. A record is a tuple whose type is set afterwards: a subclass without slots is laid out as a tuple is,
 * which make_node() checks, and tuple.__new__() copies its items once more. Builds without a lock around the
 * interpreter have no such way to set a type or to own a tuple alone, and go without: there is no `Decoder` in them.
 */
#ifndef LBC_DECODE_H
#define LBC_DECODE_H

#if !defined(Py_GIL_DISABLED) && !defined(PYPY_VERSION)

enum lbc_node_kind {
	LBC_UNSIGNED,
	LBC_SIGNED,
	LBC_TRUTH,
	LBC_FLOAT,
	LBC_BYTES,
	LBC_TEXT,
	LBC_ENUM,
	LBC_SIGNED_ENUM,
	LBC_BITS,
	LBC_SIGNED_BITS,
	LBC_TRUTH_BITS,
	LBC_ENUM_BITS,
	LBC_SIGNED_ENUM_BITS,
	LBC_ARRAY,
	LBC_RECORD,
	LBC_KINDS,
};

/* `span` nodes, this one among them, decode `size` bytes at `offset` of what they are in. */
struct lbc_node {
	uint32_t kind;
	uint32_t offset;
	uint32_t size;
	/* Children, elements; of bits: how far up they are, and (<< 8) how many. */
	uint32_t count;
	/* The number of the record's class, or the enumeration's members. */
	uint32_t constant;
	/* Whether one value may stand for several: not of floating-point numbers, since a NaN is unequal to any other. */
	uint32_t shared;
	uint32_t span;
};

#define LBC_DEEPEST 32

typedef struct {
	PyObject_HEAD
	struct lbc_node *nodes;
	PyObject *constants;
	PyObject *alone;
} lbc_decoder;

static inline uint64_t lbc_load_unsigned(const char *at, uint32_t size)
{
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;

	switch (size) {
	case 8:
		memcpy(&u64, at, 8);
		return u64;
	case 4:
		memcpy(&u32, at, 4);
		return u32;
	case 2:
		memcpy(&u16, at, 2);
		return u16;
	default:
		return *(const unsigned char *)at;
	}
}

static inline int64_t lbc_load_signed(const char *at, uint32_t size)
{
	unsigned int above = 64 - 8 * size;

	return (int64_t)(lbc_load_unsigned(at, size) << above) >> above;
}

static inline PyObject *lbc_unsigned(uint64_t value)
{
	/* The quicker function of the two. */
	return value <= LONG_MAX ? PyLong_FromLong((long)value) : PyLong_FromUnsignedLongLong(value);
}

static inline PyObject *lbc_signed(int64_t value)
{
	return PyLong_FromLongLong(value);
}

/* Give the member of an enumeration; NULL without an exception if there is none of that value. Takes the number over. */
static PyObject *lbc_member(const lbc_decoder *decoder, const struct lbc_node *node, PyObject *number)
{
	PyObject *member = NULL;

	if (number) {
		member = PyDict_GetItemWithError(PyTuple_GetItem(decoder->constants, node->constant), number);
		Py_XINCREF(member);
		Py_DECREF(number);
	}
	return member;
}

static PyObject *lbc_float(const char *at, uint32_t size)
{
	double d;
	float f;

	if (size == 8) {
		memcpy(&d, at, 8);
		return PyFloat_FromDouble(d);
	}
	memcpy(&f, at, 4);
	return PyFloat_FromDouble(f);
}

static PyObject *lbc_text(const char *at, uint32_t size)
{
	const char *end = memchr(at, 0, size);

	return PyUnicode_DecodeUTF8(at, end ? end - at : (Py_ssize_t)size, "surrogateescape");
}

static PyObject *lbc_make(const lbc_decoder *decoder, const struct lbc_node *node, const char *at);

static PyObject *lbc_bits(const lbc_decoder *decoder, const struct lbc_node *node, const char *at)
{
	unsigned int shift = node->count & 0xff, width = node->count >> 8;
	uint64_t whole = lbc_load_unsigned(at, node->size) << (64 - shift - width);

	switch (node->kind) {
	case LBC_BITS:
		return lbc_unsigned(whole >> (64 - width));
	case LBC_SIGNED_BITS:
		return lbc_signed((int64_t)whole >> (64 - width));
	case LBC_TRUTH_BITS:
		return PyBool_FromLong(whole != 0);
	case LBC_ENUM_BITS:
		return lbc_member(decoder, node, lbc_unsigned(whole >> (64 - width)));
	default:
		return lbc_member(decoder, node, lbc_signed((int64_t)whole >> (64 - width)));
	}
}

/* Make a tuple that nobody else sees: what is in it, numbers, text and more of these, cannot be part of a cycle. */
static PyObject *lbc_new_tuple(uint32_t count)
{
	PyObject *made = PyTuple_New(count);

	if (made)
		PyObject_GC_UnTrack(made);
	return made;
}

static PyObject *lbc_as_record(const lbc_decoder *decoder, const struct lbc_node *node, PyObject *made)
{
	PyObject *kind = PyTuple_GetItem(decoder->constants, node->constant);

	Py_INCREF(kind);
	Py_SET_TYPE(made, (PyTypeObject *)kind);
	return made;
}

static PyObject *lbc_array(const lbc_decoder *decoder, const struct lbc_node *node, const char *at)
{
	const struct lbc_node *element = node + 1;
	PyObject *made = lbc_new_tuple(node->count), *item;
	uint32_t i;

	for (i = 0; made && i < node->count; i++, at += element->size) {
		item = lbc_make(decoder, element, at);
		if (!item)
			Py_CLEAR(made);
		else
			PyTuple_SetItem(made, i, item);
	}
	return made;
}

static PyObject *lbc_record(const lbc_decoder *decoder, const struct lbc_node *node, const char *at)
{
	const struct lbc_node *child = node + 1;
	PyObject *made = lbc_new_tuple(node->count), *item;
	uint32_t i;

	for (i = 0; made && i < node->count; i++, child += child->span) {
		item = lbc_make(decoder, child, at + child->offset);
		if (!item)
			Py_CLEAR(made);
		else
			PyTuple_SetItem(made, i, item);
	}
	return made ? lbc_as_record(decoder, node, made) : NULL;
}

/* Make the value of the bytes at `at`. NULL without an exception: an enumerator is not known. */
static PyObject *lbc_make(const lbc_decoder *decoder, const struct lbc_node *node, const char *at)
{
	switch (node->kind) {
	case LBC_UNSIGNED:
		return lbc_unsigned(lbc_load_unsigned(at, node->size));
	case LBC_SIGNED:
		return lbc_signed(lbc_load_signed(at, node->size));
	case LBC_TRUTH:
		return PyBool_FromLong(*at != 0);
	case LBC_FLOAT:
		return lbc_float(at, node->size);
	case LBC_BYTES:
		return PyBytes_FromStringAndSize(at, node->size);
	case LBC_TEXT:
		return lbc_text(at, node->size);
	case LBC_ENUM:
		return lbc_member(decoder, node, lbc_unsigned(lbc_load_unsigned(at, node->size)));
	case LBC_SIGNED_ENUM:
		return lbc_member(decoder, node, lbc_signed(lbc_load_signed(at, node->size)));
	case LBC_ARRAY:
		return lbc_array(decoder, node, at);
	case LBC_RECORD:
		return lbc_record(decoder, node, at);
	default:
		return lbc_bits(decoder, node, at);
	}
}

static inline int lbc_same(const struct lbc_node *node, const char *one, const char *other)
{
	one += node->offset;
	other += node->offset;
	switch (node->size) {
	case 8:
		return !memcmp(one, other, 8);
	case 4:
		return !memcmp(one, other, 4);
	default:
		return !memcmp(one, other, node->size);
	}
}

/* Give what the member is in the record before, if its bytes are the same. */
static inline PyObject *lbc_shared(const struct lbc_node *node, uint32_t index, const char *at, PyObject *before,
				   const char *before_at)
{
	PyObject *found;

	if (!before || !node->shared || !lbc_same(node, at, before_at))
		return NULL;
	found = PyTuple_GetItem(before, index);
	Py_XINCREF(found);
	return found;
}

/*
 * Make a record of the bytes at `at`, of `own` if that is given: a record made of the bytes at `own_at`, that nobody else
 * has. Takes it over.
 */
static PyObject *lbc_record_after(const lbc_decoder *decoder, const char *at, PyObject *before, const char *before_at,
				  PyObject *own, const char *own_at)
{
	const struct lbc_node *node = decoder->nodes, *child = node + 1;
	PyObject *made = own ? own : lbc_new_tuple(node->count), *item;
	uint32_t i;

	for (i = 0; made && i < node->count; i++, child += child->span) {
		if (own && child->shared && lbc_same(child, at, own_at))
			continue;
		item = lbc_shared(child, i, at, before, before_at);
		if (item) {
			/* It is the same object. */
		} else if (child->kind == LBC_UNSIGNED) {
			/* What most members are, without a call. */
			item = lbc_unsigned(lbc_load_unsigned(at + child->offset, child->size));
		} else {
			item = lbc_make(decoder, child, at + child->offset);
		}
		if (!item)
			Py_CLEAR(made);
		else
			PyTuple_SetItem(made, i, item);
	}
	return made && !own ? lbc_as_record(decoder, node, made) : made;
}

/* Have the value made by the codec, which has not been possible here. */
static PyObject *lbc_alone(const lbc_decoder *decoder, PyObject *buffer, Py_ssize_t offset)
{
	return PyErr_Occurred() ? NULL : PyObject_CallFunction(decoder->alone, "On", buffer, offset);
}

#endif
#endif
