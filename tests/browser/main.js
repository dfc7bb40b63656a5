/*
 * Runs the scenarios, a few at a time, each with a server and a browser profile of its own, and prints a
 * line for each and the sum. Whatever a scenario leaves behind is ended here, also on a signal.
 */
import { closeBrowser } from './lib/browser.js';
import { endAll } from './lib/process.js';
import { unitTests } from './lib/unit.js';
import { scenarios } from './lib/scenario.js';

for (const file of [
	'basics',
	'faults',
	'order',
	'session',
	'tabs',
	'origins',
	'servers',
	'clients',
	'examples',
	'demo',
]) {
	await import(`./scenarios/${file}.js`);
}

const LIMIT_MS = 180000;
const AT_ONCE = 5; // They mostly wait.
const wanted = process.argv.slice(2);
const short = wanted.length === 1 && wanted[0] === 'short';
const sum = { passed: 0, failed: 0 };

function count(name, error, ms) {
	sum[error ? 'failed' : 'passed']++;
	console.log(`  ${error ? 'FAIL' : 'pass'}  browser/${name} (${(ms / 1000).toFixed(1)} s)`);
	if (error) console.log(String(error.stack ?? error).replace(/^/gm, '        '));
}

function isWanted({ name, inShort }) {
	if (short) return inShort;
	return wanted.length === 0 || wanted.some((part) => name.includes(part));
}

async function run({ name, body }) {
	const started = Date.now();
	const undo = [];
	let timer;
	const late = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(`took longer than ${LIMIT_MS / 1000} s`)), LIMIT_MS);
	});
	let failure = null;
	try {
		await Promise.race([body((last) => undo.unshift(last)), late]);
	} catch (error) {
		failure = error;
	}
	clearTimeout(timer);
	for (const last of undo) await Promise.resolve(last()).catch((error) => (failure ??= error));
	count(name, failure, Date.now() - started);
}

async function end() {
	await closeBrowser();
	await endAll();
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
	process.on(signal, () => end().finally(() => process.exit(1)));
}

try {
	if (short || wanted.length === 0)
		for (const test of await unitTests()) count(test.name, test.error, test.ms);
	const left = scenarios.filter(isWanted);
	const work = async () => {
		while (left.length) await run(left.shift());
	};
	await Promise.all(Array.from({ length: AT_ONCE }, work));
} finally {
	await end();
}
console.log(`${sum.passed} passed, ${sum.failed} failed`);
process.exitCode = sum.failed || !sum.passed ? 1 : 0;
