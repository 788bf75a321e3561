/* PCM: every measure stays on its scale. */
#include <stdint.h>
#include <stdlib.h>

#include "../../sink-audio/pcm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pcm a;

	if (pcm_inspect(data, size, &a) != PCM_OK)
		return 0;
	if (a.samples == 0 || a.data + 2 * a.samples != data + size ||
	    a.peak > 32768 || a.clipped > a.samples || !(a.rms_dbfs <= 0) ||
	    !(a.rms_dbfs >= PCM_SILENCE_DBFS) ||
	    (a.has_header && (a.rate < PCM_RATE_MIN || a.rate > PCM_RATE_MAX)))
		abort();
	return 0;
}
