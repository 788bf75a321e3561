// Microphone: samples gathered by audio-worklet.js, sent as PCM s16le mono.

import { audioHeader } from './packet.js';

const RATE = 48_000;

// Int16Array has the machine's byte order; the packets are little-endian.
const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

function littleEndian(buffer) {
	if (!LITTLE_ENDIAN) {
		const view = new DataView(buffer);
		const samples = new Int16Array(buffer.slice(0));
		samples.forEach((sample, i) => view.setInt16(i * 2, sample, true));
	}
	return new Uint8Array(buffer);
}

export class AudioSender {
	rate = RATE;
	peak = 0; // of the last packet, 0 to 1
	#track;
	#context = null;
	#media = null;

	constructor(track) {
		this.#track = track;
	}

	get active() {
		return this.#media !== null;
	}

	/** Takes over the media track; rejects when it cannot be recorded. */
	async start(media) {
		this.#media = media;
		const context = new AudioContext({ sampleRate: RATE });
		this.#context = context;
		await context.audioWorklet.addModule('audio-worklet.js');
		await context.resume();
		if (this.#context !== context)
			return; // stopped meanwhile
		this.rate = context.sampleRate;
		this.#track.begin();
		const source = context.createMediaStreamSource(new MediaStream([media]));
		const recorder = new AudioWorkletNode(context, 'pcm-recorder', {
			numberOfInputs: 1, numberOfOutputs: 0,
		});
		recorder.port.onmessage = ({ data }) => this.#send(data);
		source.connect(recorder);
	}

	/** Resolves when the server has everything recorded. */
	async stop() {
		if (this.#media === null)
			return;
		this.#media.stop();
		this.#media = null;
		const context = this.#context;
		this.#context = null;
		this.peak = 0;
		await context?.close();
		await this.#track.end();
	}

	#send({ buffer, first, peak }) {
		if (this.#media === null)
			return;
		this.peak = peak;
		const timestamp = Math.max(0, first) * 1e6 / this.rate;
		this.#track.offer(audioHeader({ rate: this.rate, timestamp }),
			littleEndian(buffer));
	}
}
