/* Processes and folders that the tests own: each is ended by its id, whatever happens. */
import { spawn, execFile } from 'node:child_process';
import { createServer, connect } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from './scenario.js';

const owned = new Set();
const folders = new Set();
const given = new Set();
let isOver = false;

/** On a signal, scenarios are still on their way; what they begin then would be left behind. */
function mustGoOn() {
	if (isOver) throw new Error('the tests were ended');
}
const runFile = promisify(execFile);

/** A new folder, not below BUILD, since a unix socket's path must be short. */
export function folder() {
	mustGoOn();
	const path = mkdtempSync(join(tmpdir(), 'sluice-'));
	folders.add(path);
	return path;
}

/** Starts a program that ends with this one, should this one be killed. Its last words are in `said`. */
export function start(command, args, options = {}) {
	mustGoOn();
	const child = spawn('setpriv', ['--pdeathsig', 'TERM', command, ...args], {
		stdio: ['pipe', 'pipe', 'pipe'],
		...options,
	});
	child.said = '';
	const hear = (text) => (child.said = (child.said + text).slice(-4000));
	child.stdout.on('data', hear);
	child.stderr.on('data', hear);
	child.stdin.on('error', () => {});
	child.ended = new Promise((resolve) => child.once('exit', resolve));
	child.ended.then(() => owned.delete(child));
	owned.add(child);
	return child;
}

/** Ends a process, with force if it does not want to. */
export async function end(child, signal = 'SIGTERM') {
	if (!owned.has(child)) return;
	child.kill(signal);
	const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
	await child.ended;
	clearTimeout(timer);
}

export async function endAll() {
	isOver = true;
	await Promise.all([...owned].map((child) => end(child)));
	for (const path of folders) rmSync(path, { recursive: true, force: true });
	folders.clear();
}

/** Runs a program to its end and returns what it prints; input goes to its stdin. */
export async function run(command, args, input) {
	const running = runFile(command, args, { maxBuffer: 64 << 20 });
	if (input !== undefined) running.child.stdin.end(input);
	return (await running).stdout.trim();
}

/** A loopback port that nobody listens on, and that no other scenario was given. */
export async function freePort() {
	const server = createServer();
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	const { port } = server.address();
	await new Promise((resolve) => server.close(resolve));
	if (given.has(port)) return freePort();
	given.add(port);
	return port;
}

/** Waits until somebody listens there. */
export function listening(where) {
	const attempt = () =>
		new Promise((resolve) => {
			const socket = connect(where);
			socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
			socket.once('connect', () => socket.destroy());
		});
	return until(`${JSON.stringify(where)} listens`, attempt);
}
