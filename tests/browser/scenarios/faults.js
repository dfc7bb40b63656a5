/* Proves: whatever is wrong with the stream, events come by poll, and the stream is taken again later. */
import { equal, long, ok, short, texts, until } from '../lib/scenario.js';
import { gated } from '../lib/setting.js';

/** Events flow by poll while streams are broken so, and by stream again when they are well. */
async function fallsBack(undo, mode, reason, { before = 'pass', settings = {}, ms = 15000 } = {}) {
	const { site, gate, open } = await gated(undo, { settings });
	gate.streamMode = before;
	const tab = await open({ since: 0 });
	if (before === 'pass') {
		await tab.by('stream');
		await site.publish('a', texts(1, 5));
		await tab.has(texts(1, 5));
		gate.breakStreams(mode);
	}
	await tab.by('poll', ms);
	if (before !== 'pass') await site.publish('a', texts(1, 5));
	await tab.has(texts(1, 5));
	await site.publish('a', texts(6, 10));
	await tab.has(texts(1, 10), 2000);
	equal((await tab.notesOf('transport')).at(-1).reason, reason);
	gate.breakStreams('pass');
	await site.publish('a', texts(11, 15));
	await tab.by('stream', 40000);
	await site.publish('a', texts(16, 20));
	await tab.has(texts(1, 20), 2000);
	equal(await tab.notesOf('gap'), []);
	const polls = gate.polls.length;
	await until('it was quiet for two heartbeats', async () => Date.now() - gate.polls.at(-1) > 2000);
	equal(gate.polls.length, polls, 'no poll beside a stream');
	return { gate, tab };
}

short('a refused Accept header', async (undo) => {
	const { site, gate, open } = await gated(undo);
	gate.streamMode = 'noaccept';
	const tab = await open({ since: 0 });
	await site.publish('a', texts(1, 5));
	await tab.by('poll', 4000);
	await tab.has(texts(1, 5));
	equal(await tab.notesOf('session'), []);
});

long('a refused Accept header, for a while', (undo) => fallsBack(undo, 'noaccept', 'refused'));

long('502 for streams only', (undo) => fallsBack(undo, 'refuse', 'refused'));

long('a proxy in which streams are mute from the start', (undo) =>
	fallsBack(undo, 'mute', 'mute', { before: 'mute' }),
);

long('a proxy in which streams become mute', (undo) => fallsBack(undo, 'mute', 'mute'));

long('a proxy that holds each piece until the next', (undo) =>
	fallsBack(undo, 'hold', 'mute', { before: 'hold', settings: { heartbeat: '15s' } }),
);

long('a proxy that lets the hello pass and then holds each piece', async (undo) => {
	const { site, gate, open } = await gated(undo, { settings: { heartbeat: '2s' } });
	gate.streamMode = 'holdlater';
	const tab = await open();
	await tab.by('stream');
	await site.publish('a', 'held');
	// The next ping pushes it out, one heartbeat late: late, but neither lost nor out of order.
	await tab.has(['held'], 6000);
	gate.streamMode = 'mute';
	await site.publish('a', 'lost in the proxy');
	await tab.by('poll', 10000);
	await tab.has(['held', 'lost in the proxy'], 2000);
	equal(
		(await tab.notesOf('transport')).map(({ reason }) => reason),
		['', 'mute'],
	);
});

long('Retry-After is honoured, and a poll that fails backs off', async (undo) => {
	const { gate, open } = await gated(undo);
	gate.streamMode = 'refuse';
	gate.pollMode = 'too_many';
	gate.retryAfter = 3;
	const tab = await open();
	await until('it asked three times', () => gate.polls.length >= 3, 30000);
	const pauses = gate.polls.slice(1).map((at, i) => at - gate.polls[i]);
	ok(
		pauses.every((ms) => ms >= 2990),
		`no pause is shorter than asked for: ${pauses}`,
	);
	equal((await tab.status).ready, 0);
	gate.pollMode = 'refuse';
	const before = gate.polls.length;
	await until('it asked four times more', () => gate.polls.length >= before + 4, 60000);
	const [, a, b, c] = gate.polls.slice(before - 1);
	ok(c - b > (b - a) / 2, 'pauses grow');
});

long('bye: a stream that the server drains is opened again when it said', async (undo) => {
	const { site, gate, open } = await gated(undo, { settings: { retry: '2s' } });
	const tab = await open();
	await tab.by('stream');
	const stopped = site.stopResponder();
	await until('it said bye', async () =>
		(await tab.notesOf('error')).some(({ reason }) => reason === 'drain'),
	);
	const at = Date.now();
	await stopped;
	await site.publish('a', texts(1, 3));
	await site.startResponder();
	await until('it is back', () => gate.opened >= 2);
	ok(Date.now() - at >= 1400, 'not before the time');
	equal(gate.polls.length, 0);
	await tab.has(texts(1, 3));
});
