/* WebCodecs chunks and VP8 tags: what is good comes out the same again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../sink-video/chunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t header[CHUNK_HEADER_LEN];
	struct chunk c;
	enum chunk_error e = chunk_inspect(data, size, &c);

	if (chunk_error_name(e)[0] == '?')
		abort();
	if (e < CHUNK_BAD_SIZE && e != CHUNK_OK)
		return 0;
	chunk_header_put(header, &c);
	if (memcmp(header, data, sizeof(header)) != 0 ||
	    c.data + c.len != data + size)
		abort();
	return 0;
}
