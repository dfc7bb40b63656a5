// Asks a responder over FastCGI: `node requests.mjs SOCKET TOKEN N`, N requests of every kind, eight at a time.
import { connect } from 'node:net';

const [socket, token, n] = process.argv.slice(2);

function record(type, content = Buffer.alloc(0)) {
  const header = Buffer.from([1, type, 0, 1, content.length >> 8, content.length & 255, 0, 0]);
  return Buffer.concat([header, content]);
}

function request(parameters) {
  const pair = ([name, value]) => {
    const length = (text) => {
      const size = Buffer.byteLength(text);
      if (size < 128) return Buffer.from([size]);
      const four = Buffer.alloc(4);
      four.writeUInt32BE((size | 0x80000000) >>> 0);
      return four;
    };
    return Buffer.concat([length(name), length(value), Buffer.from(name), Buffer.from(value)]);
  };
  const body = Buffer.concat(Object.entries(parameters).map(pair));
  return Buffer.concat([record(1, Buffer.from([0, 1, 0, 0, 0, 0, 0, 0])), record(4, body), record(4), record(5)]);
}

// Each leaves after its answer, a stream after its first bytes, and a waiting poll without its answer.
const kinds = [
  { REQUEST_URI: '/events?last_event_id=0' },
  { REQUEST_URI: '/events?channel=a&envelope=json' },
  { REQUEST_URI: '/events?last_event_id=x' },
  { REQUEST_URI: '/api/poll?since=0' },
  { REQUEST_URI: '/api/poll?wait=5', leaves: true },
  { REQUEST_URI: '/api/poll?wait=1' },
  { REQUEST_URI: '/api/health' },
  { REQUEST_URI: '/api/metrics', REMOTE_ADDR: '127.0.0.1' },
  { REQUEST_URI: '/nothing' },
  { REQUEST_URI: '/events?channel=%' },
  { REQUEST_URI: '/events', HTTP_COOKIE: '__Host-sluice=v4.public.AAAA' },
  { REQUEST_URI: '/events', HTTP_COOKIE: '' },
  { REQUEST_URI: '/events', HTTP_ORIGIN: 'https://evil.example' },
  { REQUEST_URI: '/events', REQUEST_METHOD: 'OPTIONS', HTTP_ORIGIN: 'https://app.example' },
  { REQUEST_URI: '/events', REQUEST_METHOD: 'DELETE' },
  { REQUEST_URI: '/api/poll', HTTP_AUTHORIZATION: `Bearer ${token}` },
  { broken: true },
];

function ask(i) {
  const { leaves, broken, ...own } = kinds[i % kinds.length];
  const parameters = {
    REQUEST_METHOD: 'GET', HTTPS: 'on', SERVER_PROTOCOL: 'HTTP/1.1', REMOTE_ADDR: '192.0.2.1',
    HTTP_ACCEPT: 'text/event-stream', HTTP_COOKIE: `__Host-sluice=${token}`, HTTP_SEC_FETCH_SITE: 'same-origin', ...own,
  };
  if (parameters.HTTP_ORIGIN) delete parameters.HTTP_SEC_FETCH_SITE;
  return new Promise((resolve) => {
    const peer = connect(socket, () => peer.write(broken ? record(9) : request(parameters)));
    if (leaves) setTimeout(() => peer.destroy(), 200);
    peer.on('data', (bytes) => { if (bytes.includes('sluice:hello')) peer.destroy(); });
    peer.on('error', () => {});
    peer.on('close', resolve);
  });
}

let next = 0;
const worker = async () => { while (next < Number(n)) await ask(next++); };
await Promise.all(Array.from({ length: 8 }, worker));
