/*
 * Configuration files: YAML (libyaml) as a small tree that knows where each
 * value stood, and table-driven getters that say what is wrong as
 * "FILE:LINE:COLUMN: path.to.key: reason". Pure but for conf_load().
 *
 * The subset is plain data: maps with text keys, lists, scalars, one document.
 * Anchors, aliases, tags and a key given twice are errors.
 */
#ifndef SLUICE_CONF_H
#define SLUICE_CONF_H

#include <stddef.h>
#include <stdint.h>

#define CONF_BYTES_MAX (8 * 1024 * 1024) /* size of a file */
#define CONF_NODES_MAX (512 * 1024)
#define CONF_DEPTH_MAX 16
#define CONF_ERRORS_MAX 20 /* kept; the rest is counted */

enum conf_type { CONF_SCALAR, CONF_LIST, CONF_MAP };

struct conf_node {
	enum conf_type type;
	unsigned line, column; /* from 1; a map's value: its key's */
	unsigned value_line, value_column;
	const char *key;   /* in a map, else NULL */
	const char *value; /* CONF_SCALAR; without NUL inside */
	struct conf_node *parent;
	struct conf_node *child; /* first of a list's or map's, in order */
	struct conf_node *next;
	uint32_t n; /* children */
};

struct conf;

/*
 * Parses n bytes; name is what errors begin with. Never NULL; look at
 * conf_nerrors(). All strings and nodes live until conf_free().
 */
struct conf *conf_parse(const char *name, const uint8_t *text, size_t n);
/* The same from a file; not being able to read it is an error like others. */
struct conf *conf_load(const char *path);
void conf_free(struct conf *c);

/* The map at the top, or NULL when the text is wrong. */
const struct conf_node *conf_root(const struct conf *c);

/* Errors so far, and the i-th of the first CONF_ERRORS_MAX as a line. */
size_t conf_nerrors(const struct conf *c);
const char *conf_error(const struct conf *c, size_t i);
/* Writes them all with log_warnx. */
void conf_log_errors(const struct conf *c);

/* Adds an error at the node's value, or at its key: fmt is the reason.
 * conf_fail with node NULL: the file as a whole. */
void conf_fail(struct conf *c, const struct conf_node *node,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void conf_fail_key(struct conf *c, const struct conf_node *node,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

enum conf_want {
	CONF_GET_STR,	 /* const char *: min..max bytes of text */
	CONF_GET_UINT,	 /* int64_t: decimal, min..max */
	CONF_GET_SIZE,	 /* int64_t: bytes, as opt_size() */
	CONF_GET_MS,	 /* int64_t: milliseconds, as opt_ms() */
	CONF_GET_BOOL,	 /* int: true, false, yes, no, on, off */
	CONF_GET_CHOICE, /* int: index in choices, "a|b|c" */
	CONF_GET_LIST,	 /* const struct conf_node *, min..max elements */
	CONF_GET_MAP	 /* the same */
};

struct conf_field {
	const char *key;
	enum conf_want want;
	void *dst; /* left as it is when the key is absent or wrong */
	int64_t min, max;
	const char *choices;
	int required;
};

/*
 * Fills in the fields of a map by a table ended by a NULL key. A key that is
 * not in the table is an error. 0, or -1 with errors added.
 */
int conf_get(struct conf *c, const struct conf_node *map,
    const struct conf_field *fields);

/* A scalar's text, min..max bytes; NULL with an error added. */
const char *conf_str(struct conf *c, const struct conf_node *node, size_t min,
    size_t max);

#endif
