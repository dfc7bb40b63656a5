/* Time that passes when the test says so; timers run in order, each at its own moment. */
const REAL = { setTimeout, clearTimeout, setInterval, clearInterval, now: Date.now };

let now = 0;
let timers = [];
let lastId = 0;

function add(run, ms, every) {
	const timer = { id: ++lastId, at: now + Math.max(1, Number(ms) || 0), run, every };
	timers.push(timer);
	return timer.id;
}

function remove(id) {
	timers = timers.filter((timer) => timer.id !== id);
}

/** Lets everything happen that waits for promises and nothing else. */
export async function settle() {
	for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Lets time pass, and what it sets off happen. */
export async function pass(ms) {
	const end = now + ms;
	for (;;) {
		const next = timers.reduce((a, b) => (b.at <= end && (!a || b.at < a.at) ? b : a), null);
		if (!next) break;
		now = Math.max(now, next.at);
		if (next.every) next.at = now + next.every;
		else remove(next.id);
		next.run();
		await settle();
	}
	now = end;
	await settle();
}

/** The computer sleeps: the clock goes on, and the timers do not. */
export function sleep(ms) {
	now += ms;
	for (const timer of timers) timer.at += ms;
}

export function stopClock(date) {
	now = Date.parse(date);
	timers = [];
	globalThis.setTimeout = (run, ms) => add(run, ms, 0);
	globalThis.setInterval = (run, ms) => add(run, ms, ms);
	globalThis.clearTimeout = globalThis.clearInterval = remove;
	Date.now = () => now;
}

export function startClock() {
	const { now: realNow, ...functions } = REAL;
	Object.assign(globalThis, functions);
	Date.now = realNow;
}
