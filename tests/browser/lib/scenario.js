/* The list of scenarios, and what they all use: a check by comparison, and waiting for a condition. */
import assert from 'node:assert/strict';

export const scenarios = [];

/** A scenario of the long form; its body gets a function that notes what to undo at the end. */
export function long(name, body) {
	scenarios.push({ name, body, inShort: false });
}

/** One of the short form too. */
export function short(name, body) {
	scenarios.push({ name, body, inShort: true });
}

export const equal = assert.deepEqual;
export const ok = assert.ok;

/** Asks until the answer is true, and returns it; after the deadline the last answer is the failure. */
export async function until(what, ask, ms = 10000) {
	const deadline = Date.now() + ms;
	for (;;) {
		const answer = await ask();
		if (answer) return answer;
		if (Date.now() > deadline) throw new Error(`waited ${ms / 1000} s in vain until ${what}`);
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
}

/** Waits until ask() gives what is expected, and shows the difference if it does not. */
export async function becomes(expected, ask, ms = 10000) {
	let last;
	const same = async () => {
		last = await ask();
		return JSON.stringify(last) === JSON.stringify(expected);
	};
	await until('the values agree', same, ms).catch(() => assert.deepEqual(last, expected));
}

/** The numbers from one to the other, as the texts that tests publish. */
export function texts(from, to) {
	return Array.from({ length: to - from + 1 }, (_, i) => `event ${from + i}`);
}
