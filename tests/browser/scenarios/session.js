/* Proves: a session that ends is told once, is not asked for in a loop, and can be taken up again. */
import { signIn } from '../lib/browser.js';
import { equal, long, ok, short, texts, until } from '../lib/scenario.js';
import { gated } from '../lib/setting.js';
import { mintAt } from '../lib/mint.js';

async function ended(tab, reason, ms = 10000) {
	await until(
		'the session is told',
		async () => (await tab.notesOf('session')).some((note) => note.reason === reason),
		ms,
	);
	equal((await tab.status).state, 'session');
	equal((await tab.status).ready, 2);
}

/** Nothing more is asked of the server, although the page is looked at and the network changes. */
async function isQuiet(gate, tab) {
	const asked = [gate.opened, gate.polls.length];
	await tab.do(
		"dispatchEvent(new Event('online')); document.dispatchEvent(new Event('visibilitychange'))",
	);
	const at = Date.now();
	await until('two seconds have passed', () => Date.now() - at > 2000);
	equal([gate.opened, gate.polls.length], asked);
}

short('revoked in mid-stream, and signed in again', async (undo) => {
	const { site, gate, context, open } = await gated(undo);
	const tab = await open();
	await tab.by('stream');
	await site.publish('a', 'before');
	await tab.has(['before']);
	await site.ctl('revoke', '--sub', 'ann');
	await ended(tab, 'revoked');
	await isQuiet(gate, tab);
	equal((await tab.notesOf('session')).length, 1);
	await site.publish('a', 'meanwhile');
	await tab.do('sluice.resume()');
	await until('resume asks once more', async () => (await tab.notesOf('session')).length === 2);
	await signIn(context, gate.origin, site.cookie, await site.mint('bob'));
	await tab.do('sluice.resume()');
	await tab.has(['before', 'meanwhile']);
	await tab.by('stream');
});

short('no session, a bad one, and a channel that is not granted', async (undo) => {
	const { site, gate, context, open } = await gated(undo);
	await context.clearCookies();
	const tab = await open();
	await ended(tab, 'refused');
	equal(
		(await tab.notesOf('session')).map(({ code }) => code),
		['no_session'],
	);
	await isQuiet(gate, tab);
	await signIn(context, gate.origin, site.cookie, 'v4.public.nonsense');
	await tab.do('sluice.resume()');
	await until('it is told', async () => (await tab.notesOf('session')).at(-1).code === 'bad_session');
	await signIn(context, gate.origin, site.cookie, await site.mint('ann', ['news/*']));
	await tab.do('sluice.resume()');
	await tab.by('stream');
	const other = await open({ channels: ['secret'] });
	await ended(other, 'refused');
	equal(
		(await other.notesOf('session')).map(({ code }) => code),
		['channel'],
	);
});

long('expiry in mid-stream: announced, renewed, and then let happen', async (undo) => {
	const { site, gate, context, open } = await gated(undo);
	await signIn(context, gate.origin, site.cookie, mintAt(site, Date.now() + 10000));
	const tab = await open();
	await tab.by('stream');
	await until('it is announced', async () => (await tab.notesOf('session')).length === 1, 15000);
	const [{ reason, expires }] = await tab.notesOf('session');
	equal(reason, 'expiring');
	ok(Date.parse(expires) > Date.now(), 'before it happens');
	// Within the responder's leeway of 30 seconds: this one's stream ends in six.
	await signIn(context, gate.origin, site.cookie, mintAt(site, Date.now() - 24000));
	await tab.do('sluice.resume()');
	await tab.by('stream');
	await site.publish('a', texts(1, 3));
	await tab.has(texts(1, 3));
	await ended(tab, 'expired', 20000);
	await isQuiet(gate, tab);
	await site.publish('a', texts(4, 6));
	await signIn(context, gate.origin, site.cookie, await site.mint());
	await tab.do('sluice.resume()');
	await tab.has(texts(1, 6));
});

long('a cookie that another page renewed is used without a word', async (undo) => {
	const { site, gate, context, open } = await gated(undo);
	await signIn(context, gate.origin, site.cookie, mintAt(site, Date.now() + 4000));
	const tab = await open();
	await tab.by('stream');
	await signIn(context, gate.origin, site.cookie, await site.mint());
	await until('the stream was opened again', () => gate.opened === 2, 15000);
	await site.publish('a', 'on');
	await tab.has(['on']);
	await tab.by('stream');
	equal(
		(await tab.notesOf('session')).filter(({ reason }) => reason !== 'expiring'),
		[],
	);
});

long('revoked while it polls', async (undo) => {
	const { site, gate, open } = await gated(undo);
	gate.streamMode = 'refuse';
	const tab = await open();
	await tab.by('poll');
	await site.ctl('revoke', '--sub', 'ann');
	await ended(tab, 'revoked', 30000);
	await isQuiet(gate, tab);
});
