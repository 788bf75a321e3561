/* Positions as people write them on a command line. Pure. */
#ifndef TOPIC_BUS_POSITION_H
#define TOPIC_BUS_POSITION_H

#include "bmsg.h"

/*
 * earliest, latest, LEDGER:ENTRY, @NANOSECONDS, or a time of RFC 3339 such as
 * 2024-05-01T12:00:00Z or 2024-05-01T14:00:00.5+02:00. 0, or -1.
 */
int position_parse(const char *s, struct bmsg_position *p);

#endif
