<?php
/*
 * A site in PHP with Sluice: it signs people in, and publishes what they write. Environment: SLUICE_DIR, the
 * folder that `sluicectl init` made; SLUICE_COOKIE, the cookie's name (__Host-sluice). To try it:
 * php -S 127.0.0.1:9000 index.php, behind a web server that has Sluice; scripts/examples/run does that.
 */
declare(strict_types=1);

require __DIR__ . '/session.php';

const TTL = 900;
const FILES = [
	'/' => ['text/html', '/../page/index.html'],
	'/page.js' => ['text/javascript', '/../page/page.js'],
	'/page.css' => ['text/css', '/../page/page.css'],
	'/sluice.js' => ['text/javascript', '/../../sluice.js'],
];
const ACTIONS = ['/login' => 'login', '/renew' => 'renew', '/publish' => 'publish', '/logout' => 'logout'];

function site_dir(): string
{
	return (string) getenv('SLUICE_DIR');
}

function cookie_name(): string
{
	return getenv('SLUICE_COOKIE') ?: '__Host-sluice';
}

function finish(int $status): never
{
	http_response_code($status);
	exit;
}

/** The one who is signed in; without a session, the request ends here. */
function session(): array
{
	return open_session(site_dir() . '/keys/public.key', $_COOKIE[cookie_name()] ?? '') ?? finish(401);
}

function set_session(string $token, int $ttl): void
{
	setcookie(cookie_name(), $token, [
		'expires' => time() + $ttl,
		'path' => '/',
		'httponly' => true,
		'samesite' => 'Lax',
		'secure' => str_starts_with(cookie_name(), '__Host-'),
	]);
}

/** Signs a session. `jti` stays the same when it is renewed, so that signing out ends all its tokens. */
function start_session(string $name, string $jti): void
{
	set_session(mint(site_dir() . '/keys/secret.key', [
		'sub' => $name,
		'jti' => $jti,
		'iat' => gmdate('Y-m-d\TH:i:s\Z'),
		'exp' => gmdate('Y-m-d\TH:i:s\Z', time() + TTL),
		'channels' => ['chat/*', "user/$name"],
	]), TTL);
}

function log_db(): PDO
{
	return new PDO('sqlite:' . site_dir() . '/sluice.db');
}

// -- the actions ----------------------------------------------------------------------------------------

function login(): never
{
	$name = $_POST['name'] ?? '';
	if (!is_string($name) || !preg_match('/^[A-Za-z0-9._-]{1,32}$/D', $name)) {
		finish(400);
	}
	start_session($name, base64url(random_bytes(12)));
	header('Location: /');
	finish(303);
}

function renew(): never
{
	$claims = session();
	start_session($claims['sub'], $claims['jti']);
	finish(204);
}

function publish(): never
{
	$claims = session();
	$text = (string) file_get_contents('php://input', length: 2000);
	$data = json_encode(['from' => $claims['sub'], 'text' => $text], JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE);
	log_db()->prepare('INSERT INTO publish(channel, type, data) VALUES (?, ?, ?)')
		->execute(['chat/lobby', 'said', $data]);
	finish(204);
}

function logout(): never
{
	log_db()->prepare('INSERT INTO revocations(jti) VALUES (?)')->execute([session()['jti']]);
	set_session('', -1);
	header('Location: /');
	finish(303);
}

// -- the request ----------------------------------------------------------------------------------------

/** Only our own pages may change something: a browser names the page's origin with every POST. */
function is_own_post(): bool
{
	$host = parse_url($_SERVER['HTTP_ORIGIN'] ?? '', PHP_URL_HOST);
	$port = parse_url($_SERVER['HTTP_ORIGIN'] ?? '', PHP_URL_PORT);
	return $host !== null && $host . ($port ? ":$port" : '') === ($_SERVER['HTTP_HOST'] ?? '');
}

$path = (string) parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if ($_SERVER['REQUEST_METHOD'] === 'GET' && isset(FILES[$path])) {
	[$type, $file] = FILES[$path];
	header("Content-Type: $type; charset=utf-8");
	readfile(__DIR__ . $file);
} elseif ($_SERVER['REQUEST_METHOD'] === 'POST' && isset(ACTIONS[$path])) {
	is_own_post() ? ACTIONS[$path]() : finish(403);
} else {
	finish(404);
}
