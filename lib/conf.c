#include "conf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <yaml.h>

#include "buf.h"
#include "log.h"

#define CONF_ERROR_LEN 512
#define CONF_KEY_SHOWN 64 /* bytes of each key in a path */

struct conf {
	char *name;
	struct conf_node *root;
	struct conf_link *all; /* everything allocated */
	size_t nnodes;
	char *errors[CONF_ERRORS_MAX];
	size_t nerrors;
};

/* In front of every node: the chain by which conf_free finds it. */
struct conf_link {
	struct conf_link *next;
	struct conf_node node;
};

static void *
conf_alloc(size_t n)
{
	void *p = calloc(1, n);

	if (p == NULL)
		fatal(EX_OSERR, "malloc of %zu bytes", n);
	return p;
}

static void
conf_error_add(struct conf *c, unsigned line, unsigned column,
    const char *what, const char *why)
{
	char *text;

	if (c->nerrors++ >= CONF_ERRORS_MAX)
		return;
	text = conf_alloc(CONF_ERROR_LEN);
	if (line == 0)
		snprintf(text, CONF_ERROR_LEN, "%s: %s", c->name, why);
	else
		snprintf(text, CONF_ERROR_LEN, "%s:%u:%u: %s%s%s", c->name,
		    line, column, what, what[0] != '\0' ? ": " : "", why);
	c->errors[c->nerrors - 1] = text;
}

/* "services.video.types[1]" into dst. */
static void
conf_path(const struct conf_node *node, char *dst, size_t size)
{
	const struct conf_node *chain[CONF_DEPTH_MAX + 1];
	size_t n = 0, len = 0;

	for (; node->parent != NULL && n <= CONF_DEPTH_MAX; node = node->parent)
		chain[n++] = node;
	dst[0] = '\0';
	while (n-- > 0 && len < size) {
		/* cppcheck-suppress uninitvar ; n counts what was set */
		const struct conf_node *sib = chain[n]->parent->child;
		unsigned index = 0;

		if (chain[n]->key != NULL) {
			len += (size_t)snprintf(dst + len, size - len,
			    "%s%.*s", len > 0 ? "." : "", CONF_KEY_SHOWN,
			    chain[n]->key);
			continue;
		}
		for (; sib != chain[n]; sib = sib->next)
			index++;
		len += (size_t)snprintf(dst + len, size - len, "[%u]", index);
	}
}

static void
conf_vfail(struct conf *c, const struct conf_node *node, unsigned line,
    unsigned column, const char *fmt, va_list ap)
{
	char why[CONF_ERROR_LEN], what[CONF_ERROR_LEN / 2];

	vsnprintf(why, sizeof(why), fmt, ap);
	what[0] = '\0';
	if (node != NULL)
		conf_path(node, what, sizeof(what));
	conf_error_add(c, line, column, what, why);
}

void
conf_fail(struct conf *c, const struct conf_node *node, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	conf_vfail(c, node, node != NULL ? node->value_line : 0,
	    node != NULL ? node->value_column : 0, fmt, ap);
	va_end(ap);
}

void
conf_fail_key(struct conf *c, const struct conf_node *node, const char *fmt,
    ...)
{
	va_list ap;

	va_start(ap, fmt);
	conf_vfail(c, node, node->line, node->column, fmt, ap);
	va_end(ap);
}

/* The state of one parse: a stack of open containers and a key seen. */
struct conf_parse {
	struct conf *c;
	struct conf_node *open[CONF_DEPTH_MAX];
	struct conf_node *tail[CONF_DEPTH_MAX]; /* last child of each */
	int depth;
	char *key; /* of the value that comes next; malloced */
	yaml_mark_t key_mark;
	int documents;
};

static void
conf_fail_at(struct conf *c, yaml_mark_t m, const char *why)
{
	conf_error_add(c, (unsigned)m.line + 1, (unsigned)m.column + 1, "",
	    why);
}

/* A node with its key and value behind it in one piece. */
static struct conf_node *
conf_node_new(struct conf *c, const char *key, const char *value)
{
	size_t klen = key != NULL ? strlen(key) + 1 : 0;
	size_t vlen = value != NULL ? strlen(value) + 1 : 0;
	struct conf_link *l = conf_alloc(sizeof(*l) + klen + vlen);
	char *text = (char *)(l + 1);

	if (key != NULL)
		l->node.key = memcpy(text, key, klen);
	if (value != NULL)
		l->node.value = memcpy(text + klen, value, vlen);
	l->next = c->all;
	c->all = l;
	c->nnodes++;
	return &l->node;
}

/* Hangs a new node below the innermost open container. */
static struct conf_node *
conf_node_add(struct conf_parse *s, enum conf_type type, const char *value,
    yaml_mark_t mark)
{
	struct conf_node *node = conf_node_new(s->c, s->key, value);
	yaml_mark_t first = s->key != NULL ? s->key_mark : mark;

	node->type = type;
	node->line = (unsigned)first.line + 1;
	node->column = (unsigned)first.column + 1;
	node->value_line = (unsigned)mark.line + 1;
	node->value_column = (unsigned)mark.column + 1;
	free(s->key);
	s->key = NULL;
	if (s->depth == 0) {
		s->c->root = node;
		return node;
	}
	node->parent = s->open[s->depth - 1];
	node->parent->n++;
	if (s->tail[s->depth - 1] == NULL)
		node->parent->child = node;
	else
		s->tail[s->depth - 1]->next = node;
	s->tail[s->depth - 1] = node;
	return node;
}

static int
conf_wants_key(const struct conf_parse *s)
{
	return s->depth > 0 && s->open[s->depth - 1]->type == CONF_MAP &&
	    s->key == NULL;
}

static const char *
conf_scalar(struct conf_parse *s, const yaml_event_t *ev)
{
	const char *text = (const char *)ev->data.scalar.value;

	if (ev->data.scalar.anchor != NULL)
		return "anchors and aliases are not supported";
	if (ev->data.scalar.tag != NULL)
		return "tags are not supported";
	if (strlen(text) != ev->data.scalar.length)
		return "NUL in text";
	if (!conf_wants_key(s)) {
		conf_node_add(s, CONF_SCALAR, text, ev->start_mark);
		return NULL;
	}
	s->key = strdup(text);
	if (s->key == NULL)
		fatal(EX_OSERR, "malloc");
	s->key_mark = ev->start_mark;
	return NULL;
}

static const char *
conf_open(struct conf_parse *s, enum conf_type type, const void *anchor,
    const void *tag, yaml_mark_t mark)
{
	struct conf_node *node;

	if (anchor != NULL)
		return "anchors and aliases are not supported";
	if (tag != NULL)
		return "tags are not supported";
	if (conf_wants_key(s))
		return "a key is not text";
	if (s->depth == CONF_DEPTH_MAX)
		return "nested too deeply";
	node = conf_node_add(s, type, NULL, mark);
	s->tail[s->depth] = NULL;
	s->open[s->depth++] = node;
	return NULL;
}

static int
conf_key_cmp(const void *a, const void *b)
{
	const struct conf_node *const *x = a, *const *y = b;
	int rc = strcmp((*x)->key, (*y)->key);

	if (rc != 0)
		return rc;
	return (*x)->line != (*y)->line ? ((*x)->line < (*y)->line ? -1 : 1) :
	    (*x)->column < (*y)->column ? -1 : 1;
}

/* A closed map: each key once. */
static void
conf_check_unique(struct conf *c, const struct conf_node *map)
{
	const struct conf_node **v, *node = map->child;

	if (map->n < 2)
		return;
	v = conf_alloc(map->n * sizeof(*v));
	for (uint32_t i = 0; i < map->n; i++, node = node->next)
		v[i] = node;
	qsort(v, map->n, sizeof(*v), conf_key_cmp);
	for (uint32_t i = 1; i < map->n; i++) {
		if (strcmp(v[i - 1]->key, v[i]->key) != 0)
			continue;
		conf_fail_key(c, v[i], "key given twice");
	}
	free(v);
}

/* What one event asks for; NULL or what is wrong with it. */
static const char *
conf_event(struct conf_parse *s, const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (s->documents++ > 0)
			return "more than one document";
		return NULL;
	case YAML_ALIAS_EVENT:
		return "anchors and aliases are not supported";
	case YAML_SCALAR_EVENT:
		return conf_scalar(s, ev);
	case YAML_SEQUENCE_START_EVENT:
		return conf_open(s, CONF_LIST, ev->data.sequence_start.anchor,
		    ev->data.sequence_start.tag, ev->start_mark);
	case YAML_MAPPING_START_EVENT:
		return conf_open(s, CONF_MAP, ev->data.mapping_start.anchor,
		    ev->data.mapping_start.tag, ev->start_mark);
	case YAML_MAPPING_END_EVENT:
		conf_check_unique(s->c, s->open[s->depth - 1]);
		s->depth--;
		return NULL;
	case YAML_SEQUENCE_END_EVENT:
		s->depth--;
		return NULL;
	default:
		return NULL;
	}
}

/* The place of a byte that is no character: libyaml tells its offset only. */
static yaml_mark_t
conf_mark_of(const uint8_t *text, size_t n, size_t offset)
{
	yaml_mark_t m = { 0 };

	for (size_t i = 0; i < n && i < offset; i++) {
		m.column++;
		if (text[i] == '\n') {
			m.line++;
			m.column = 0;
		}
	}
	return m;
}

static void
conf_yaml_error(struct conf *c, const yaml_parser_t *y, const uint8_t *text,
    size_t n)
{
	char why[CONF_ERROR_LEN];
	yaml_mark_t mark = y->problem_mark;

	if (y->error == YAML_MEMORY_ERROR)
		fatalx(EX_OSERR, "%s: out of memory", c->name);
	if (y->error == YAML_READER_ERROR)
		mark = conf_mark_of(text, n, y->problem_offset);
	snprintf(why, sizeof(why), "%s%s%s",
	    y->context != NULL ? y->context : "",
	    y->context != NULL ? ": " : "",
	    y->problem != NULL ? y->problem : "not YAML");
	conf_fail_at(c, mark, why);
}

struct conf *
conf_parse(const char *name, const uint8_t *text, size_t n)
{
	struct conf *c = conf_alloc(sizeof(*c));
	struct conf_parse s = { .c = c };
	const char *why = NULL;
	yaml_parser_t y;
	yaml_event_t ev;
	int done = 0;

	c->name = strdup(name);
	if (c->name == NULL || !yaml_parser_initialize(&y))
		fatal(EX_OSERR, "%s: malloc", name);
	yaml_parser_set_input_string(&y, text, n);
	yaml_parser_set_encoding(&y, YAML_UTF8_ENCODING);
	while (!done && why == NULL) {
		if (!yaml_parser_parse(&y, &ev)) {
			conf_yaml_error(c, &y, text, n);
			break;
		}
		why = conf_event(&s, &ev);
		if (why == NULL && c->nnodes > CONF_NODES_MAX)
			why = "too many values";
		if (why != NULL)
			conf_fail_at(c, ev.start_mark, why);
		done = ev.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&ev);
	}
	if (c->nerrors == 0 && c->root == NULL)
		conf_fail(c, NULL, "empty");
	else if (c->nerrors == 0 && c->root->type != CONF_MAP)
		conf_fail(c, c->root, "not a map");
	free(s.key);
	yaml_parser_delete(&y);
	return c;
}

struct conf *
conf_load(const char *path)
{
	struct buf b = { 0 };
	struct conf *c = NULL;
	uint8_t *p;
	size_t n;
	FILE *f = fopen(path, "re");

	while (f != NULL && !ferror(f) && !feof(f) &&
	    buf_len(&b) <= CONF_BYTES_MAX) {
		p = buf_reserve(&b, 65536);
		n = fread(p, 1, 65536, f);
		buf_commit(&b, n);
	}
	if (f == NULL || ferror(f)) {
		int err = errno;

		c = conf_parse(path, (const uint8_t *)"{}", 2);
		conf_fail(c, NULL, "%s", strerror(err));
	} else if (buf_len(&b) > CONF_BYTES_MAX) {
		c = conf_parse(path, (const uint8_t *)"{}", 2);
		conf_fail(c, NULL, "larger than %d bytes", CONF_BYTES_MAX);
	} else {
		c = conf_parse(path, buf_data(&b), buf_len(&b));
	}
	if (f != NULL)
		fclose(f);
	buf_free(&b);
	return c;
}

void
conf_free(struct conf *c)
{
	struct conf_link *next;

	if (c == NULL)
		return;
	for (struct conf_link *l = c->all; l != NULL; l = next) {
		next = l->next;
		free(l);
	}
	for (size_t i = 0; i < CONF_ERRORS_MAX; i++)
		free(c->errors[i]);
	free(c->name);
	free(c);
}

const struct conf_node *
conf_root(const struct conf *c)
{
	return c->nerrors == 0 ? c->root : NULL;
}

size_t
conf_nerrors(const struct conf *c)
{
	return c->nerrors;
}

const char *
conf_error(const struct conf *c, size_t i)
{
	return i < c->nerrors && i < CONF_ERRORS_MAX ? c->errors[i] : NULL;
}

void
conf_log_errors(const struct conf *c)
{
	for (size_t i = 0; conf_error(c, i) != NULL; i++)
		log_warnx("%s", conf_error(c, i));
	if (c->nerrors > CONF_ERRORS_MAX)
		log_warnx("%s: %zu more errors", c->name,
		    c->nerrors - CONF_ERRORS_MAX);
}

