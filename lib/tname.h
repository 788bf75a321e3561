/*
 * Names of topics (INTERFACES.md section 5):
 * persistent://TENANT/NAMESPACE/NAME, or NAME for
 * persistent://public/default/NAME. Pure.
 */
#ifndef SLUICE_TNAME_H
#define SLUICE_TNAME_H

#include <stddef.h>

#define TNAME_PART_MAX 128 /* bytes */
#define TNAME_MAX (13 + 3 * TNAME_PART_MAX + 2) /* bytes of a full name */

struct tname {
	char full[TNAME_MAX + 1]; /* persistent://... */
	char tenant[TNAME_PART_MAX + 1];
	char space[TNAME_PART_MAX + 1]; /* the namespace */
	char name[TNAME_PART_MAX + 1];
};

/* The n bytes at s; 0, or -1 when they name no topic. No part of what passes
 * holds a slash or is "." or "..": it is safe as a file name. */
int tname_parse(const char *s, size_t n, struct tname *t);

/* 1 if the n bytes at s may be a part. */
int tname_part_ok(const char *s, size_t n);

#endif
