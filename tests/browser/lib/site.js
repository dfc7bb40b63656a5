/*
 * A site: a log, a responder, a web server in front of it, and the pages of the tests. Responder and web
 * server can be stopped and started again at the same addresses.
 */
import { appendFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { end, folder, freePort, listening, run, start } from './process.js';
import { until } from './scenario.js';

export const here = dirname(dirname(fileURLToPath(import.meta.url)));
export const source = dirname(dirname(here));
export const build = process.env.BUILD;
export const sluicectl = join(build, 'sluicectl');

/** What Sluice recommends for a page that shows its events; the tests' pages all live under it. */
export const CSP =
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

// Quick, so that a scenario need not wait; the loopback address is one, and the tests are many.
const QUICK = { retry: '300ms', heartbeat: '1s' };
const LIMITS = {
	connects_per_minute_per_address: 100000,
	polls_per_minute_per_user: 6000,
	max_streams_per_user: 100,
	max_streams_per_address: 100,
};

export class Site {
	/** Starts one. server: 'lighttpd', or 'nginx' with HTTP/2 over TLS; settings are lines of sluice.conf. */
	static async start(
		undo,
		{ server = 'lighttpd', origins = [], settings = {}, connect = "'self'" } = {},
	) {
		const site = new Site();
		undo(() => site.stop());
		site.dir = folder();
		site.tls = server === 'nginx';
		site.port = await freePort();
		site.origin = `${site.tls ? 'https' : 'http'}://127.0.0.1:${site.port}`;
		site.csp = CSP.replace("connect-src 'self'", `connect-src ${connect}`);
		const args = ['init', '--dir', join(site.dir, 's')];
		for (const origin of [site.origin, ...origins]) args.push('--origin', origin);
		await run(sluicectl, site.tls ? args : [...args, '--no-tls']);
		site.conf = join(site.dir, 's/sluice.conf');
		site.db = join(site.dir, 's/sluice.db');
		site.cookie = site.tls ? '__Host-sluice' : 'sluice';
		for (const [key, value] of Object.entries({ ...QUICK, ...LIMITS, ...settings })) {
			appendFileSync(site.conf, `${key} = ${value}\n`);
		}
		site.#layOut();
		await site.#configure(server);
		await site.startResponder();
		await site.startWeb();
		return site;
	}

	async startResponder() {
		this.responder = start(join(build, 'sluice.fcgi'), ['-c', this.conf]);
		await listening(join(this.dir, 's/sluice.sock'));
	}

	async stopResponder(signal) {
		await end(this.responder, signal);
	}

	async startWeb() {
		this.web = start(...this.webCommand);
		await listening({ port: this.port, host: '127.0.0.1' });
	}

	async stopWeb() {
		await end(this.web);
	}

	async stop() {
		await this.stopWeb();
		await this.stopResponder();
	}

	/** Publishes texts to a channel in one go. */
	async publish(channel, data, type = 'message') {
		const events = [data].flat().map((text) => JSON.stringify({ channel, type, data: text }));
		await run(
			sluicectl,
			['-c', this.conf, 'publish', '--lines', '--json'],
			events.join('\n') + '\n',
		);
	}

	/** A publisher that stays: feed(texts) hands it events. */
	publisher(channel) {
		const child = start(sluicectl, ['-c', this.conf, 'publish', '--lines', '--channel', channel]);
		return {
			feed: (data) => child.stdin.write(data.map((text) => text + '\n').join('')),
			end: async () => (child.stdin.end(), child.ended),
		};
	}

	/** Runs SQL against the log, as an application does. */
	sql(text) {
		return run('sqlite3', ['-cmd', '.timeout 5000', this.db, text]);
	}

	ctl(...args) {
		return run(sluicectl, ['-c', this.conf, ...args]);
	}

	mint(sub = 'ann', channels = ['*'], ...more) {
		const args = channels.flatMap((channel) => ['--channel', channel]);
		return this.ctl('mint', '--sub', sub, ...args, ...more);
	}

	/** How many streams the responder says it has. */
	async streams() {
		const answer = await fetch(`${this.origin}/api/metrics`);
		return Number(
			/^sluice_streams_open(?:\{[^}]*\})? (\d+)$/m.exec(await answer.text())?.[1] ?? NaN,
		);
	}

	#layOut() {
		this.root = join(this.dir, 'root');
		mkdirSync(this.root);
		symlinkSync(join(source, 'scripts/sluice.js'), join(this.root, 'sluice.js'));
		symlinkSync(join(here, 'pages'), join(this.root, 'pages'));
		const npm = join(build, 'browser/node_modules/@microsoft/fetch-event-source/lib/esm');
		symlinkSync(npm, join(this.root, 'fetch-event-source'));
	}

	async #configure(server) {
		const file = join(this.dir, `${server}.conf`);
		if (server === 'nginx') await this.#makeCertificate();
		writeFileSync(file, server === 'nginx' ? this.#nginx() : this.#lighttpd());
		this.webCommand =
			server === 'nginx'
				? ['nginx', ['-p', this.dir, '-c', file, '-e', join(this.dir, 'error.log')]]
				: ['lighttpd', ['-D', '-f', file]];
	}

	#makeCertificate() {
		const out = ['-keyout', join(this.dir, 'key.pem'), '-out', join(this.dir, 'cert.pem')];
		const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
		const name = ['-days', '2', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
		return run('openssl', ['req', ...kind, ...name, ...out]);
	}

	#lighttpd() {
		return `server.modules = ("mod_setenv", "mod_rewrite", "mod_fastcgi")
server.bind = "127.0.0.1"
server.port = ${this.port}
server.document-root = "${this.root}"
server.errorlog = "${this.dir}/error.log"
server.stream-response-body = 2
mimetype.assign = (".html" => "text/html; charset=utf-8", ".js" => "text/javascript; charset=utf-8")
# A module of npm's that leaves out the suffix in its imports.
url.rewrite-once = ("^/fetch-event-source/(fetch|parse)$" => "/fetch-event-source/$1.js")
$HTTP["url"] =~ "^/(events$|api/)" {
	fastcgi.server = ("/" => ((
		"socket" => "${this.dir}/s/sluice.sock", "check-local" => "disable",
		"tcp-fin-propagate" => "enable", "disable-time" => 0,
	)))
} else {
	setenv.set-response-header = ("Content-Security-Policy" => "${this.csp}", "Cache-Control" => "no-cache")
}
`;
	}

	#nginx() {
		// As root it would serve as a user who may not enter our folder.
		const user = process.getuid() === 0 ? 'user root;' : '';
		return `daemon off;
${user}
worker_processes 1;
pid ${this.dir}/nginx.pid;
events { worker_connections 256; }
http {
	types { text/html html; text/javascript js; }
	access_log off;
	client_body_temp_path ${this.dir}/t1; fastcgi_temp_path ${this.dir}/t2; proxy_temp_path ${this.dir}/t3;
	uwsgi_temp_path ${this.dir}/t4; scgi_temp_path ${this.dir}/t5;
	server {
		listen 127.0.0.1:${this.port} ssl http2;
		ssl_certificate ${this.dir}/cert.pem;
		ssl_certificate_key ${this.dir}/key.pem;
		root ${this.root};
		add_header Content-Security-Policy "${this.csp}";
		location ~ ^/(events$|api/) {
			include /etc/nginx/fastcgi_params;
			fastcgi_pass unix:${this.dir}/s/sluice.sock;
			fastcgi_buffering off;
			fastcgi_read_timeout 60s;
		}
	}
}
`;
	}
}

/** Waits until the responder has that many streams. */
export function streamsAre(site, number, ms) {
	return until(`there are ${number} streams`, async () => (await site.streams()) === number, ms);
}
