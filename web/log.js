// The log panel: the newest lines last, a bounded number of them.

const LINES_MAX = 300;

export class Log {
	#list;

	constructor(list) {
		this.#list = list;
	}

	/** level: info, good, warn or bad. */
	add(level, message) {
		const list = this.#list;
		const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 30;
		const item = document.createElement('li');
		const time = document.createElement('time');
		const text = document.createElement('span');
		time.textContent = new Date().toLocaleTimeString([], { hour12: false });
		text.textContent = message;
		item.className = level;
		item.append(time, text);
		list.append(item);
		while (list.childElementCount > LINES_MAX)
			list.firstElementChild.remove();
		if (atEnd)
			list.scrollTop = list.scrollHeight;
	}
}
