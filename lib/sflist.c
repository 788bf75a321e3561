#include "sflist.h"

#include <string.h>

/* Each skips what it knows at s and returns what is behind, NULL if s does
 * not begin with it. */
static const char *
skip_space(const char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return s;
}

/* A quoted string; unescaped into out (size bytes) unless that is NULL. */
static const char *
skip_string(const char *s, char *out, size_t size)
{
	size_t n = 0;

	if (*s++ != '"')
		return NULL;
	for (; *s != '"'; s++) {
		if (*s == '\\' && *++s != '"' && *s != '\\')
			return NULL;
		if (*s < 0x20 || *s > 0x7e || n + 1 >= size)
			return NULL;
		if (out != NULL)
			out[n] = *s;
		n++;
	}
	if (out != NULL)
		out[n] = '\0';
	return s + 1;
}

static const char *
skip_span(const char *s, const char *first, const char *rest)
{
	if (*s == '\0' || strchr(first, *s) == NULL)
		return NULL;
	s++;
	return s + strspn(s, rest);
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

/* The value of a parameter; of no interest, so the digits are not counted. */
static const char *
skip_bare_item(const char *s)
{
	switch (*s) {
	case '"':
		return skip_string(s, NULL, SF_STRING_MAX);
	case ':':
		s = skip_span(s, ":", LOWER UPPER DIGIT "+/=");
		return *s == ':' ? s + 1 : NULL;
	case '?':
		return s[1] == '0' || s[1] == '1' ? s + 2 : NULL;
	case '-':
		return skip_span(s + 1, DIGIT, DIGIT ".");
	default:
		if (*s >= '0' && *s <= '9')
			return skip_span(s, DIGIT, DIGIT ".");
		return skip_span(s, LOWER UPPER "*",
		    LOWER UPPER DIGIT "!#$%&'*+-.^_`|~:/");
	}
}

static const char *
skip_parameters(const char *s)
{
	while (s != NULL && *s == ';') {
		s++;
		while (*s == ' ')
			s++;
		s = skip_span(s, LOWER "*", LOWER DIGIT "_-.*");
		if (s != NULL && *s == '=')
			s = skip_bare_item(s + 1);
	}
	return s;
}

/* One pass over the list; the members, or -1. */
static int
list_walk(const char *s, int (*each)(void *ctx, const char *member), void *ctx)
{
	char member[SF_STRING_MAX];
	int n = 0;

	s = skip_space(s);
	if (*s == '\0')
		return 0;
	for (;;) {
		if (n == SF_LIST_MAX)
			return -1;
		s = skip_parameters(skip_string(s, member, sizeof(member)));
		if (s == NULL)
			return -1;
		n++;
		if (each != NULL && each(ctx, member) != 0)
			return n;
		s = skip_space(s);
		if (*s == '\0')
			return n;
		if (*s != ',')
			return -1;
		s = skip_space(s + 1);
	}
}

int
sf_list_each(const char *s, int (*each)(void *ctx, const char *member),
    void *ctx)
{
	int n = list_walk(s, NULL, NULL);

	if (n > 0 && each != NULL)
		list_walk(s, each, ctx);
	return n;
}

int
sf_string_get(const char *s, char *out, size_t size)
{
	s = skip_parameters(skip_string(skip_space(s), out, size));
	return s != NULL && *skip_space(s) == '\0' ? 0 : -1;
}

int
sf_string_put(char *out, size_t size, const char *value)
{
	size_t n = 0;

	if (size < 3)
		return -1;
	out[n++] = '"';
	for (; *value != '\0'; value++) {
		int escape = *value == '"' || *value == '\\';

		if (*value < 0x20 || *value > 0x7e ||
		    n + (escape ? 4 : 3) > size)
			return -1;
		if (escape)
			out[n++] = '\\';
		out[n++] = *value;
	}
	out[n++] = '"';
	out[n] = '\0';
	return 0;
}

struct choice {
	const char *const *allowed;
	int n;
	int best;
};

static int
choose(void *ctx, const char *member)
{
	struct choice *c = ctx;

	for (int i = 0; i < c->best; i++)
		if (strcmp(c->allowed[i], member) == 0)
			c->best = i;
	return c->best == 0;
}

const char *
sf_list_choose(const char *s, const char *const *allowed, int n)
{
	struct choice c = { allowed, n, n };

	if (sf_list_each(s, choose, &c) <= 0 || c.best == n)
		return NULL;
	return allowed[c.best];
}
