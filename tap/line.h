/* A record as one line of JSON. Pure. */
#ifndef SLUICE_TAP_LINE_H
#define SLUICE_TAP_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "rec.h"

/* Bytes of r's payload that a line needs, with a preview of so many bytes. */
size_t line_want(const struct rec *r, size_t preview);

/*
 * Appends r as a line to out. have bytes of its payload are at r->payload;
 * now: ns since the epoch. The line is ASCII; what is no UTF-8 or no text is
 * replaced or left out, so it is safe to show on a terminal.
 */
void line_append(struct buf *out, const struct rec *r, size_t have,
    size_t preview, uint64_t now);

#endif
