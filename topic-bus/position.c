#include "position.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)

/* ".5", ".123456789": up to nine digits count. */
static int
position_fraction(const char **s, uint64_t *ns)
{
	uint64_t unit = NS_PER_S;

	*ns = 0;
	if (**s != '.')
		return 0;
	if (!isdigit((unsigned char)*++*s))
		return -1;
	for (; isdigit((unsigned char)**s); (*s)++) {
		unit /= 10;
		*ns += unit * (uint64_t)(**s - '0');
	}
	return 0;
}

/* "Z", "+02:00": seconds to subtract. The whole rest of s. */
static int
position_offset(const char *s, long *seconds)
{
	int sign = *s == '-' ? -1 : 1;

	*seconds = 0;
	if (strcmp(s, "Z") == 0 || strcmp(s, "z") == 0)
		return 0;
	if ((*s != '+' && *s != '-') || strlen(s) != 6 || s[3] != ':')
		return -1;
	for (int i = 1; i < 6; i++)
		if (i != 3 && !isdigit((unsigned char)s[i]))
			return -1;
	*seconds = sign * (((s[1] - '0') * 10 + s[2] - '0') * 3600L +
	    ((s[4] - '0') * 10 + s[5] - '0') * 60L);
	return 0;
}

static int
position_time(const char *s, uint64_t *time)
{
	struct tm tm = { 0 };
	long offset;
	uint64_t ns;
	time_t t;

	if (strlen(s) < 20 || (s[10] != 'T' && s[10] != 't'))
		return -1;
	s = strptime(s, "%Y-%m-%d", &tm);
	if (s == NULL || (s = strptime(s + 1, "%H:%M:%S", &tm)) == NULL ||
	    position_fraction(&s, &ns) == -1 ||
	    position_offset(s, &offset) == -1)
		return -1;
	t = timegm(&tm) - offset;
	if (t < 0)
		return -1;
	*time = (uint64_t)t * NS_PER_S + ns;
	return 0;
}

int
position_parse(const char *s, struct bmsg_position *p)
{
	if (strlen(s) <= BMSG_FROM_MAX &&
	    bmsg_position_get(bmsg_str(s), p) == 0)
		return 0;
	*p = (struct bmsg_position){ .from = BMSG_TIME };
	return position_time(s, &p->time);
}
