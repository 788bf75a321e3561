/* Frames of a QUIC packet, as far as STOP_SENDING is looked for. */
#include <stdlib.h>

#include "quicstop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct quicstop out[QUICSTOP_MAX];
	size_t n = quicstop_find(data, size, out, QUICSTOP_MAX);

	if (n > QUICSTOP_MAX || n * 3 > size)
		abort();
	for (size_t i = 0; i < n; i++)
		if (out[i].id < 0)
			abort();
	return 0;
}
