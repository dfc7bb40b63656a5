// The better-sse library on Node's own HTTP server, as its documentation has it: a channel, and a POST that
// broadcasts its body.
//
//   node better-sse.mjs NODE_MODULES PORT
import { webcrypto } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";

globalThis.crypto ??= webcrypto; // better-sse wants it there; Node has it from version 20 on
const [modules, port] = process.argv.slice(2);
const require = createRequire(join(modules, "x.js"));
const { createSession, createChannel } = require("better-sse");
const channel = createChannel();

async function subscribe(request, response) {
	const session = await createSession(request, response, { serializer: String });
	channel.register(session);
}

function publish(request, response) {
	const parts = [];
	request.on("data", (part) => parts.push(part));
	request.on("end", () => {
		channel.broadcast(Buffer.concat(parts).toString());
		response.end();
	});
}

function nothing(request, response) {
	response.statusCode = 404;
	response.end();
}

createServer((request, response) => {
	const path = request.url.split("?")[0];
	const routes = { "/events": subscribe, "/publish": publish };
	(routes[path] ?? nothing)(request, response);
}).listen({ port: Number(port), host: "127.0.0.1", backlog: 4096 });
