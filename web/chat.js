// Chat: messages as JSON (INTERFACES.md section 8) on a KeptTrack, and the
// list that shows what became of each.

const PAYLOAD_MAX = 16 * 1024; // bytes
const SHOWN_MAX = 200;

const text = new TextEncoder();

export class Chat {
	#track;
	#list;
	#note;

	/** list: where messages are shown; note: why one was not taken. */
	constructor(track, list, note) {
		this.#track = track;
		this.#list = list;
		this.#note = note;
	}

	/** False when the message was not taken; the note says why. */
	send(user, message) {
		const now = Date.now();
		const content = {
			message_id: crypto.randomUUID(),
			timestamp: now,
			user: user.trim() || 'guest',
			message: message.trim(),
			type: 'text',
		};
		const payload = text.encode(JSON.stringify(content));
		if (content.message === '')
			return false;
		if (payload.byteLength > PAYLOAD_MAX)
			return this.#refuse('Not taken: the message is over 16 KiB.');
		if (this.#track.full)
			return this.#refuse('Not taken: too many messages wait for the server.');
		const mark = this.#show(content.user, content.message, now);
		this.#note.textContent = '';
		return this.#track.post(payload, () => {
			mark.textContent = '✓ received';
			mark.className = 'mark ok';
		});
	}

	#refuse(why) {
		this.#note.textContent = why;
		return false;
	}

	#show(user, message, now) {
		const item = document.createElement('li');
		const head = document.createElement('div');
		const name = document.createElement('b');
		const time = document.createElement('time');
		const mark = document.createElement('span');
		const body = document.createElement('p');
		name.textContent = user;
		time.textContent = new Date(now).toLocaleTimeString([], { hour12: false });
		mark.textContent = '… waiting';
		mark.className = 'mark';
		body.textContent = message;
		head.append(name, time, mark);
		item.append(head, body);
		this.#list.append(item);
		while (this.#list.childElementCount > SHOWN_MAX)
			this.#list.firstElementChild.remove();
		this.#list.scrollTop = this.#list.scrollHeight;
		return mark;
	}
}
