// Camera and screen: pictures from a MediaStreamTrack, encoded as VP8 by
// WebCodecs where there is one, as JPEG otherwise or by choice. What the
// network or the encoder cannot take is skipped before it is encoded.

import { CODEC, chunkHeader } from './packet.js';

const KEY_INTERVAL_US = 2_000_000;
const ENCODING_MAX = 2; // pictures inside the encoder

export const QUALITY = {
	standard: { width: 640, height: 480, fps: 15, bitrate: 1_000_000, jpeg: 0.7 },
	high: { width: 1280, height: 720, fps: 30, bitrate: 2_500_000, jpeg: 0.8 },
};

/** MediaTrackConstraints for a camera. */
export function cameraConstraints({ width, height, fps }) {
	return {
		width: { ideal: width },
		height: { ideal: height },
		frameRate: { ideal: fps, max: fps },
	};
}

/** Whether this browser has what VP8 needs. */
export async function hasVp8() {
	if (!('VideoEncoder' in globalThis && 'MediaStreamTrackProcessor' in globalThis))
		return false;
	const answer = await VideoEncoder.isConfigSupported({
		codec: 'vp8', width: 640, height: 480,
	});
	return answer.supported;
}

// Pictures as VideoFrames. The one who takes a picture closes it.
async function* picturesOf(media) {
	const { readable } = new MediaStreamTrackProcessor({ track: media });
	const reader = readable.getReader();
	try {
		for (;;) {
			const { value, done } = await reader.read();
			if (done)
				return;
			yield value;
		}
	} finally {
		reader.cancel().catch(() => {});
	}
}

// For browsers without that: what a video element shows, in the same shape.
async function* picturesShown(media, signal) {
	const video = document.createElement('video');
	const ended = new Promise((resolve) => {
		media.addEventListener('ended', resolve);
		signal.addEventListener('abort', resolve);
	});
	video.muted = true;
	video.playsInline = true;
	video.srcObject = new MediaStream([media]);
	await Promise.race([video.play(), ended]);
	while (media.readyState === 'live' && !signal.aborted) {
		const shown = new Promise((resolve) =>
			video.requestVideoFrameCallback(resolve));
		await Promise.race([shown, ended]);
		yield {
			image: video,
			displayWidth: video.videoWidth,
			displayHeight: video.videoHeight,
			timestamp: performance.now() * 1000,
			close() {},
		};
	}
	video.srcObject = null;
}

class Vp8Encoder {
	#encoder;
	#size = '';
	#coded = { width: 0, height: 0 };
	#bitrate;
	#needKey = true;
	#lastKey = 0;
	#generation = 0;
	#track;

	constructor(track, bitrate, failed) {
		this.#track = track;
		this.#bitrate = bitrate;
		this.#encoder = new VideoEncoder({
			output: (chunk, metadata) => this.#output(chunk, metadata),
			error: failed,
		});
	}

	get busy() {
		return this.#encoder.encodeQueueSize >= ENCODING_MAX;
	}

	encode(frame) {
		const size = `${frame.displayWidth}x${frame.displayHeight}`;
		if (size !== this.#size) {
			this.#size = size;
			this.#needKey = true;
			this.#encoder.configure({
				codec: 'vp8',
				width: frame.displayWidth,
				height: frame.displayHeight,
				bitrate: this.#bitrate,
				latencyMode: 'realtime',
			});
		}
		if (this.#generation !== this.#track.generation)
			this.#needKey = true;
		const since = frame.timestamp - this.#lastKey;
		const keyFrame = this.#needKey || since < 0 || since > KEY_INTERVAL_US;
		if (keyFrame)
			this.#lastKey = frame.timestamp;
		this.#needKey = false;
		this.#generation = this.#track.generation;
		this.#encoder.encode(frame, { keyFrame });
		frame.close();
	}

	// A chunk that could not go out breaks those that build on it: all are
	// skipped up to the next key frame.
	#output(chunk, metadata) {
		const key = chunk.type === 'key';
		const config = metadata?.decoderConfig;
		if (config)
			this.#coded = { width: config.codedWidth, height: config.codedHeight };
		if (this.#needKey && !key) {
			this.#track.figures.skipped++;
			return;
		}
		const header = chunkHeader({
			codec: CODEC.vp8, key, ...this.#coded,
			timestamp: chunk.timestamp, duration: chunk.duration,
		});
		const data = new Uint8Array(chunk.byteLength);
		chunk.copyTo(data);
		if (!this.#track.offer(header, data))
			this.#needKey = true;
	}

	close() {
		if (this.#encoder.state !== 'closed')
			this.#encoder.close();
	}

	async flush() {
		if (this.#encoder.state === 'configured')
			await this.#encoder.flush();
	}
}

class JpegEncoder {
	#canvas = new OffscreenCanvas(1, 1);
	#context = this.#canvas.getContext('2d', { alpha: false });
	#working = null;
	#track;
	#quality;

	constructor(track, quality) {
		this.#track = track;
		this.#quality = quality;
	}

	get busy() {
		return this.#working !== null;
	}

	encode(frame) {
		const { displayWidth: width, displayHeight: height } = frame;
		if (this.#canvas.width !== width || this.#canvas.height !== height) {
			this.#canvas.width = width;
			this.#canvas.height = height;
		}
		this.#context.drawImage(frame.image ?? frame, 0, 0, width, height);
		frame.close();
		this.#working = this.#output().finally(() => {
			this.#working = null;
		});
	}

	async #output() {
		const blob = await this.#canvas.convertToBlob({
			type: 'image/jpeg', quality: this.#quality,
		});
		this.#track.offer(new Uint8Array(await blob.arrayBuffer()));
	}

	close() {}

	async flush() {
		await this.#working;
	}
}

/**
 * Sends what a media track shows over a LiveTrack. Events: "ended" when the
 * media track ended by itself (the user stopped sharing, the camera went
 * away) or the encoder failed (detail: why).
 */
export class VideoSender extends EventTarget {
	width = 0; // of the last picture
	height = 0;
	codec = '';
	#track;
	#encoder = null;
	#media = null;
	#stop = null;
	#pump = null;
	#fps = 0;
	#due = 0; // pictures that may be taken now: a token bucket of two
	#last = 0; // timestamp of the last picture seen, us

	constructor(track) {
		super();
		this.#track = track;
	}

	get active() {
		return this.#media !== null;
	}

	/** quality: of QUALITY; codec: vp8 or jpeg. Takes over the media track. */
	start(media, quality, codec) {
		this.#media = media;
		this.#track.begin();
		this.setQuality(quality, codec);
		this.#stop = new AbortController();
		this.#pump = this.#run(media, this.#stop.signal);
	}

	setQuality(quality, codec) {
		const old = this.#encoder;
		this.codec = codec;
		this.#fps = quality.fps;
		this.#encoder = codec === 'vp8'
			? new Vp8Encoder(this.#track, quality.bitrate,
				(error) => this.#ended(`encoder: ${error.message}`))
			: new JpegEncoder(this.#track, quality.jpeg);
		old?.flush().catch(() => {}).finally(() => old.close());
	}

	/** Resolves when the server has everything that was encoded. */
	async stop() {
		const media = this.#media;
		if (media === null)
			return;
		this.#media = null;
		media.stop();
		this.#stop.abort();
		await this.#pump;
		await this.#encoder.flush().catch(() => {});
		this.#encoder.close();
		this.#encoder = null;
		await this.#track.end();
	}

	async #run(media, signal) {
		const pictures = 'MediaStreamTrackProcessor' in globalThis
			? picturesOf(media) : picturesShown(media, signal);
		let why = '';
		try {
			for await (const picture of pictures) {
				if (signal.aborted) {
					picture.close();
					break;
				}
				this.#take(picture);
			}
		} catch (error) {
			why = String(error.message || error);
		}
		if (!signal.aborted)
			this.#ended(why);
	}

	#take(picture) {
		const passed = Math.max(0, picture.timestamp - this.#last) / 1e6;
		this.#last = picture.timestamp;
		this.#due = Math.min(this.#due + passed * this.#fps, 2);
		this.width = picture.displayWidth;
		this.height = picture.displayHeight;
		if (this.#due < 1) {
			picture.close(); // the camera is faster than what was asked for
			return;
		}
		this.#due--;
		if (this.#track.congested || this.#encoder.busy) {
			this.#track.figures.skipped++;
			picture.close();
			return;
		}
		this.#encoder.encode(picture);
	}

	#ended(why) {
		this.dispatchEvent(new CustomEvent('ended', { detail: why }));
	}
}
