#include "tname.h"

#include <stdio.h>
#include <string.h>

#define SCHEME "persistent://"
#define SCHEME_LEN (sizeof(SCHEME) - 1)

int
tname_part_ok(const char *s, size_t n)
{
	if (n == 0 || n > TNAME_PART_MAX || (n == 1 && s[0] == '.') ||
	    (n == 2 && s[0] == '.' && s[1] == '.'))
		return 0;
	for (size_t i = 0; i < n; i++)
		if (!(s[i] >= 'A' && s[i] <= 'Z') &&
		    !(s[i] >= 'a' && s[i] <= 'z') &&
		    !(s[i] >= '0' && s[i] <= '9') && s[i] != '.' &&
		    s[i] != '_' && s[i] != '-')
			return 0;
	return 1;
}

/* Copies one part and steps over it and the slash behind it. */
static int
tname_part(const char **s, size_t *n, int last, char *dst)
{
	const char *slash = memchr(*s, '/', *n);
	size_t len = last ? *n : slash != NULL ? (size_t)(slash - *s) : 0;

	if (!tname_part_ok(*s, len))
		return -1;
	memcpy(dst, *s, len);
	dst[len] = '\0';
	*s += len + !last;
	*n -= len + !last;
	return 0;
}

int
tname_parse(const char *s, size_t n, struct tname *t)
{
	if (n > SCHEME_LEN && memcmp(s, SCHEME, SCHEME_LEN) == 0) {
		s += SCHEME_LEN;
		n -= SCHEME_LEN;
		if (tname_part(&s, &n, 0, t->tenant) == -1 ||
		    tname_part(&s, &n, 0, t->space) == -1)
			return -1;
	} else {
		strcpy(t->tenant, "public");
		strcpy(t->space, "default");
	}
	if (tname_part(&s, &n, 1, t->name) == -1)
		return -1;
	snprintf(t->full, sizeof(t->full), SCHEME "%s/%s/%s", t->tenant,
	    t->space, t->name);
	return 0;
}
