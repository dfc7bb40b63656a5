// Holds what clients received against what was inserted: `node inject.mjs FOLDER`, called by inject.c.
//
// rows.ndjson (channel, type and data as hex), plain.bin and envelope.bin (the streams' bytes), polls.ndjson
// (a body a line), stderr.log. The streams are read with eventsource-parser, the bytes with TextDecoder: the
// cleaning that the README documents is written here once more, from its words.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { createParser } = createRequire(join(process.env.PACKAGES, 'x.js'))('eventsource-parser');
const folder = process.argv[2];
const read = (name) => readFileSync(join(folder, name));
const lines = (name) => read(name).toString('utf8').split('\n').filter(Boolean);

// As a browser decodes a stream: what is ill-formed becomes U+FFFD.
const decode = (hex) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.from(hex, 'hex'));

// "CR, LF and NUL in a type become U+FFFD, and a type that begins with sluice: arrives with a U+FFFD before it."
function cleanType(text) {
  const clean = text.replace(/[\r\n\0]/g, '\ufffd') || 'message';
  return clean.startsWith('sluice:') ? '\ufffd' + clean : clean;
}

// In pieces of odd sizes, cut inside characters too, as the network does.
function parse(bytes) {
  const events = [];
  const parser = createParser({
    onEvent: (event) => events.push(event),
    onError: (error) => assert.fail(error.message),
    onComment: (comment) => assert.fail(`a comment: ${comment}`),
  });
  const decoder = new TextDecoder('utf-8');
  for (let at = 0, n = 1; at < bytes.length; at += n, n = (n * 7 + 3) % 4001 + 1)
    parser.feed(decoder.decode(bytes.subarray(at, at + n), { stream: true }));
  return events;
}

// Without what the responder itself says; nothing else may look as if it did.
function published(events) {
  const own = events.filter((e) => e.event?.startsWith('sluice:'));
  assert.equal(own[0].event, 'sluice:hello');
  for (const e of own.slice(1)) assert.equal(e.event, 'sluice:ping');
  return events.filter((e) => !e.event?.startsWith('sluice:'));
}

const rows = lines('rows.ndjson').map((line) => JSON.parse(line));
const plain = published(parse(read('plain.bin')));
const envelope = published(parse(read('envelope.bin')));
const polls = lines('polls.ndjson').flatMap((line) => JSON.parse(line).events);

assert.equal(plain.length, rows.length, 'as many events as rows');
assert.equal(envelope.length, rows.length);
assert.equal(polls.length, rows.length);
rows.forEach((row, i) => {
  const data = decode(row.data);
  const type = cleanType(decode(row.type));
  assert.equal(plain[i].event ?? 'message', type, `type of row ${i}`);
  assert.equal(plain[i].data, data.replace(/\r\n|\r/g, '\n'), `data of row ${i}`);
  assert.match(plain[i].id, new RegExp(`^${row.id}-[0-9a-f]{8}$`));
  assert.equal(envelope[i].event ?? 'message', type);
  assert.equal(envelope[i].id, plain[i].id);
  assert.deepEqual(JSON.parse(envelope[i].data), polls[i], `envelope and poll of row ${i}`);
  const { id, channel, type: said, data: same, at } = polls[i];
  assert.deepEqual({ id, channel, said, same }, { id: plain[i].id, channel: decode(row.channel), said: type, same: data });
  assert.match(at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.ok(!envelope[i].data.includes('<'), 'no markup');
});

// One line an event, whatever was in it.
const log = read('stderr.log').toString('utf8');
for (const line of log.split('\n').slice(0, -1)) {
  const entry = JSON.parse(line);
  assert.ok(entry.time && entry.level && entry.event, line);
  assert.ok(!/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/.test(line), `a line that shows otherwise: ${line}`);
}
assert.ok(log.endsWith('\n'));
console.log(`${rows.length} rows, ${log.split('\n').length - 1} log lines`);
