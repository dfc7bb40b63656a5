/*
 * Proves: a native EventSource and another's parser see the same events through every server. checks.sh compares what
 * this prints for each: a line of JSON with type, lastEventId and data.
 *
 *	node eventsource.mjs events                                 the events, for `sluicectl publish --lines --json`
 *	node eventsource.mjs browser ORIGIN COOKIE TOKEN QUERY      what Chromium's own EventSource gets there
 *	node eventsource.mjs parse FILE                             what another's parser reads in those bytes
 *	node eventsource.mjs log                                    what the lines of `sluicectl tail` on stdin say
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { closeBrowser, profile, resolve } from '../browser/lib/browser.js';
import { endAll } from '../browser/lib/process.js';

const LAST = 'the last one';
const TYPES = ['message', 'note', 'Größe µ 🚰', ' blank: first', 'error', 'open', 'close'];
const DATA = [
	'one line',
	'one\ntwo\n\nfour',
	'carriage\rreturn\r\nand both',
	'a line end at the end\n',
	'\n',
	'',
	' a blank first',
	':not a comment',
	'id: 7-00000000\nevent: other\ndata: mine\nretry: 1\n\nevent: sluice:bye',
	'{"json":"\\u0000 <b> \\\\ \'"}',
	'Ångström, Ελλάδα, 漢字, עברית, 🚰🌊, e\u0301',
	'\ufeffa mark first\u2028a line\u2029a paragraph\u0085next\u000bvertical',
	Array.from({ length: 1000 }, (_, i) => `line ${i}`).join('\n'),
	'x'.repeat(256 * 1024),
	'漢'.repeat(85 * 1024),
];

/** Every type, and every data, and at last the one that tells the clients to end. */
function events() {
	const all = DATA.map((data, i) => ({ type: TYPES[i % TYPES.length], data }));
	return [...all, { type: 'message', data: LAST }];
}

/** A line; long data by its digest. Heartbeats come when they come. */
function print(seen) {
	for (const [type, id, data] of seen.filter(([type]) => type !== 'sluice:ping')) {
		const hash = createHash('sha256').update(data).digest('hex');
		const short = data.length < 200 ? data : `${data.length} characters, ${hash}`;
		console.log(JSON.stringify([type, id, short]));
	}
}

/** Runs in the page: collects all that the EventSource dispatches until the last one. */
function listen([url, types, last]) {
	const seen = [];
	const source = new EventSource(url);
	return new Promise((done, fail) => {
		const take = (event) => {
			// A lost connection is an event of the type error, too.
			if (!(event instanceof MessageEvent)) {
				if (source.readyState === EventSource.CLOSED) fail(new Error('the EventSource gave up'));
				return;
			}
			seen.push([event.type, event.lastEventId, event.data]);
			if (event.data === last) source.close();
			if (event.data === last) done(seen);
		};
		for (const type of types) source.addEventListener(type, take);
	});
}

async function browse(origin, cookie, token, query) {
	const undo = [];
	try {
		const context = await profile((last) => undo.unshift(last), origin, cookie, token);
		const page = await context.newPage();
		// Any page of that origin will do, and of this one each server knows the type.
		await page.goto(origin + '/api/health');
		const types = [...TYPES, 'sluice:hello', 'sluice:gap', 'sluice:bye', 'sluice:ping'];
		print(await page.evaluate(listen, [`/events?${query}`, types, LAST]));
	} finally {
		for (const last of undo) await last();
		await closeBrowser();
		await endAll();
	}
}

async function parse(file) {
	const { createParser } = await import(pathToFileURL(resolve('eventsource-parser')));
	const seen = [];
	let id = '';
	const parser = createParser({
		onEvent(event) {
			id = event.id ?? id;
			seen.push([event.event ?? 'message', id, event.data]);
		},
	});
	parser.feed(readFileSync(file, 'utf8'));
	print(seen);
}

/** Server-Sent Events know lines, not bytes: CR and CRLF arrive as LF. */
function log() {
	const lines = readFileSync(0, 'utf8').trim().split('\n');
	const all = lines.map((line) => JSON.parse(line));
	print(all.map(({ type, id, data }) => [type, id, data.replace(/\r\n?/g, '\n')]));
}

const [what, ...args] = process.argv.slice(2);
if (what === 'events')
	for (const event of events()) console.log(JSON.stringify({ channel: 'news/browser', ...event }));
else if (what === 'browser') await browse(...args);
else if (what === 'log') log();
else await parse(...args);
