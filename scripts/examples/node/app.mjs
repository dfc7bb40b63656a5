/*
 * A site in Node with Sluice: it signs people in, and publishes what they write.
 *
 *	SLUICE_DIR=/var/lib/sluice node app.mjs 9000
 *
 * behind a web server that has Sluice; scripts/examples/run does that. Environment: SLUICE_DIR, the folder that
 * `sluicectl init` made; SLUICE_COOKIE, the cookie's name (__Host-sluice).
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { write } from './log.mjs';
import { mint, open } from './session.mjs';

const SITE = process.env.SLUICE_DIR;
const COOKIE = process.env.SLUICE_COOKIE ?? '__Host-sluice';
const LOG = `${SITE}/sluice.db`;
const TTL_S = 900;
const SECRET = readFileSync(`${SITE}/keys/secret.key`, 'utf8');
const PUBLIC = readFileSync(`${SITE}/keys/public.key`, 'utf8');

const FILES = {
	'/': ['text/html', '../page/index.html'],
	'/page.js': ['text/javascript', '../page/page.js'],
	'/page.css': ['text/css', '../page/page.css'],
	'/sluice.js': ['text/javascript', '../../sluice.js'],
};
const ACTIONS = { '/login': login, '/renew': renew, '/publish': publish, '/logout': logout };

function cookieLine(token, ttl) {
	const secure = COOKIE.startsWith('__Host-') ? '; Secure' : '';
	return `${COOKIE}=${token}; Path=/; Max-Age=${ttl}; HttpOnly; SameSite=Lax${secure}`;
}

/** The cookie of a session. `jti` stays the same when it is renewed, so that signing out ends all its tokens. */
function newSession(name, jti) {
	const time = (ms) => new Date(ms).toISOString().replace(/\.\d+/, '');
	const claims = {
		sub: name,
		jti,
		iat: time(Date.now()),
		exp: time(Date.now() + TTL_S * 1000),
		channels: ['chat/*', `user/${name}`],
	};
	return cookieLine(mint(SECRET, claims), TTL_S);
}

/** The claims of the one who is signed in, or null. */
function sessionOf(request) {
	const pairs = (request.headers.cookie ?? '').split('; ').map((pair) => pair.split('='));
	return open(PUBLIC, pairs.find(([name]) => name === COOKIE)?.[1]);
}

function login(body) {
	const name = new URLSearchParams(body).get('name') ?? '';
	if (!/^[A-Za-z0-9._-]{1,32}$/.test(name)) return [400];
	return [
		303,
		{ Location: '/', 'Set-Cookie': newSession(name, randomBytes(12).toString('base64url')) },
	];
}

function renew(body, { sub, jti }) {
	return [204, { 'Set-Cookie': newSession(sub, jti) }];
}

async function publish(body, { sub }) {
	const data = JSON.stringify({ from: sub, text: body });
	await write(
		LOG,
		'INSERT INTO publish(channel, type, data) VALUES (?, ?, ?)',
		'chat/lobby',
		'said',
		data,
	);
	return [204];
}

async function logout(body, { jti }) {
	await write(LOG, 'INSERT INTO revocations(jti) VALUES (?)', jti);
	return [303, { Location: '/', 'Set-Cookie': cookieLine('', 0) }];
}

/** Only our own pages may change something: a browser names the page's origin with every POST. */
function isOwn({ headers }) {
	return URL.canParse(headers.origin ?? '') && new URL(headers.origin).host === headers.host;
}

async function bodyOf(request) {
	let body = '';
	for await (const piece of request.setEncoding('utf8')) body = (body + piece).slice(0, 2000);
	return body;
}

/** Answers with a status, headers and a body. */
async function answer(request) {
	const { method, url } = request;
	if (method === 'GET' && Object.hasOwn(FILES, url)) {
		const [type, file] = FILES[url];
		return [
			200,
			{ 'Content-Type': `${type}; charset=utf-8` },
			readFileSync(new URL(file, import.meta.url)),
		];
	}
	if (method !== 'POST' || !Object.hasOwn(ACTIONS, url)) return [404];
	if (!isOwn(request)) return [403];
	const session = sessionOf(request);
	if (!session && url !== '/login') return [401];
	return ACTIONS[url](await bodyOf(request), session);
}

createServer(async (request, response) => {
	const [status, headers, body] = await answer(request).catch((error) => {
		console.error(error);
		return [500];
	});
	response.writeHead(status, headers).end(body);
}).listen(Number(process.argv[2]), '127.0.0.1');
