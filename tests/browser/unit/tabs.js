/*
 * Several tabs in one process: the locks and channels that a browser would have between them. A message may
 * be lost on purpose, as for a tab that the browser has frozen.
 */

class FakeChannel {
	static all = [];
	static lose = () => false;

	constructor(name) {
		this.name = name;
		FakeChannel.all.push(this);
	}

	postMessage(data) {
		const others = FakeChannel.all.filter(
			(channel) => channel !== this && channel.name === this.name,
		);
		for (const other of others) {
			if (FakeChannel.lose(data)) continue;
			setImmediate(
				() =>
					FakeChannel.all.includes(other) && other.onmessage({ data: structuredClone(data) }),
			);
		}
	}

	close() {
		FakeChannel.all = FakeChannel.all.filter((channel) => channel !== this);
	}
}

/** navigator.locks: one lock, a queue, and stealing (Web Locks API, "request a lock"). */
class FakeLocks {
	holder = null;
	queue = [];

	request(name, options, callback) {
		return new Promise((resolve, reject) => {
			const request = { callback, resolve, reject };
			options.signal?.addEventListener('abort', () => {
				this.queue = this.queue.filter((other) => other !== request);
				reject(new DOMException('aborted', 'AbortError'));
			});
			if (options.steal) {
				this.holder?.reject(new DOMException('stolen', 'AbortError'));
				this.holder = null;
				this.queue.unshift(request);
			} else {
				this.queue.push(request);
			}
			setImmediate(() => this.#grant());
		});
	}

	async #grant() {
		if (this.holder || !this.queue.length) return;
		const request = (this.holder = this.queue.shift());
		request.resolve(await request.callback());
		if (this.holder === request) this.holder = null;
		this.#grant();
	}
}

/** Gives this process tabs; returns the channel's class, whose `lose` decides what is lost. */
export function beginTabs() {
	FakeChannel.all = [];
	FakeChannel.lose = () => false;
	globalThis.BroadcastChannel = FakeChannel;
	Object.defineProperty(globalThis, 'navigator', {
		value: { locks: new FakeLocks() },
		configurable: true,
	});
	return FakeChannel;
}
