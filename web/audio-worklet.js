// Runs on the audio thread: mixes down to mono, gathers samples as s16 and
// hands them to audio.js in runs of 4096, with the loudest sample of each.

const RUN = 4096;

class PcmRecorder extends AudioWorkletProcessor {
	#samples = new Int16Array(RUN);
	#filled = 0;
	#peak = 0;

	process([channels]) {
		const count = channels.length;
		if (count === 0)
			return true;
		for (let i = 0; i < channels[0].length; i++) {
			let sum = 0;
			for (const channel of channels)
				sum += channel[i];
			this.#put(sum / count);
		}
		return true;
	}

	#put(value) {
		const scaled = Math.round(value * 32767);
		const sample = Math.max(-32768, Math.min(32767, scaled));
		this.#samples[this.#filled++] = sample;
		this.#peak = Math.max(this.#peak, Math.abs(sample));
		if (this.#filled < RUN)
			return;
		const { buffer } = this.#samples;
		const first = currentFrame + 128 - RUN; // about: of the first sample
		this.port.postMessage({ buffer, first, peak: this.#peak / 32768 }, [buffer]);
		this.#samples = new Int16Array(RUN);
		this.#filled = 0;
		this.#peak = 0;
	}
}

registerProcessor('pcm-recorder', PcmRecorder);
