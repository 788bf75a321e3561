// Figures: what each track has sent, its rate, and the tiles that show it.

const HISTORY = 60; // seconds in a tile's curve

/** Counters of one track. packets and bytes (of payload) left this page. */
export class TrackFigures {
	packets = 0;
	bytes = 0;
	skipped = 0; // not sent because the network was behind
	lost = 0; // under way when the session ended
	resent = 0;
	confirm = 0; // ms from the last send to the server's acknowledgement
	rate = 0; // payload bit/s over the last second
	perSecond = 0; // packets
	history = [];
	#seen = { packets: 0, bytes: 0 };

	tick(seconds) {
		this.rate = (this.bytes - this.#seen.bytes) * 8 / seconds;
		this.perSecond = (this.packets - this.#seen.packets) / seconds;
		this.#seen = { packets: this.packets, bytes: this.bytes };
		this.history.push(this.rate);
		if (this.history.length > HISTORY)
			this.history.shift();
	}

	/** The plain numbers. */
	get counts() {
		const { packets, bytes, skipped, lost, resent } = this;
		return { packets, bytes, skipped, lost, resent };
	}
}

const UNITS = ['', 'k', 'M', 'G'];

/** 1234567, 'B' to "1.23 MB". */
export function scaled(value, unit) {
	let i = 0;
	for (; value >= 999.5 && i < UNITS.length - 1; i++)
		value /= 1000;
	const digits = i === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
	return `${value.toFixed(digits)} ${UNITS[i]}${unit}`;
}

/** Seconds to "1:02:03" or "2:03". */
export function clock(seconds) {
	const whole = Math.floor(seconds);
	const parts = [Math.floor(whole / 60) % 60, whole % 60];
	if (whole >= 3600)
		parts.unshift(Math.floor(whole / 3600));
	return parts.map((n, i) => i ? String(n).padStart(2, '0') : n).join(':');
}

function drawCurve(canvas, values, color) {
	const ratio = globalThis.devicePixelRatio || 1;
	const width = canvas.clientWidth;
	const height = canvas.clientHeight;
	const context = canvas.getContext('2d');
	canvas.width = width * ratio;
	canvas.height = height * ratio;
	context.scale(ratio, ratio);
	const top = Math.max(...values, 1);
	const step = width / (HISTORY - 1);
	const x = (i) => width - (values.length - 1 - i) * step;
	const y = (value) => height - 1.5 - value / top * (height - 4);
	context.beginPath();
	values.forEach((value, i) => context.lineTo(x(i), y(value)));
	context.strokeStyle = color;
	context.lineWidth = 1.5;
	context.stroke();
	context.lineTo(width, height);
	context.lineTo(x(0), height);
	context.globalAlpha = 0.16;
	context.fillStyle = color;
	context.fill();
}

/** The tile of one track: a clone of #tile, filled in once a second. */
export class Tile {
	#figures;
	#root;
	#noun;

	constructor(parent, figures, { title, noun, hue }) {
		const template = document.getElementById('tile');
		this.#root = template.content.firstElementChild.cloneNode(true);
		this.#root.dataset.hue = hue;
		this.#figures = figures;
		this.#noun = noun;
		this.#part('.title').textContent = title;
		parent.append(this.#root);
	}

	#part(selector) {
		return this.#root.querySelector(selector);
	}

	show(active) {
		const { rate, packets, perSecond, bytes, skipped, lost, resent, history } =
			this.#figures;
		const trouble = [];
		if (skipped > 0)
			trouble.push(`${skipped} skipped`);
		if (lost > 0)
			trouble.push(`${lost} lost`);
		if (resent > 0)
			trouble.push(`${resent} resent`);
		this.#root.classList.toggle('active', active);
		this.#part('.rate').textContent = scaled(rate, 'bit/s');
		this.#part('.count').textContent =
			`${packets.toLocaleString('en')} ${this.#noun}`;
		this.#part('.per').textContent = `${perSecond.toFixed(0)}/s`;
		this.#part('.bytes').textContent = scaled(bytes, 'B');
		this.#part('.trouble').textContent = trouble.join(', ') || 'none skipped';
		this.#part('.trouble').classList.toggle('warn', trouble.length > 0);
		const canvas = this.#part('canvas');
		drawCurve(canvas, history, getComputedStyle(canvas).color);
	}
}
