<?php
// What is done today without a server of its own for it: a worker for each stream, that looks twice a second.
if (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH) !== '/events') {
	http_response_code(404);
	exit;
}
set_time_limit(0);
header('Content-Type: text/event-stream');
header('Cache-Control: no-cache');
while (ob_get_level()) {
	ob_end_clean();
}
$db = new PDO('sqlite:' . getenv('BENCH_DB'), null, null, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
$last = (int) $db->query('SELECT coalesce(max(id), 0) FROM events')->fetchColumn();
$next = $db->prepare('SELECT id, data FROM events WHERE id > ? ORDER BY id LIMIT 1000');
echo ": open\n\n";
flush();
while (!connection_aborted()) {
	$next->execute([$last]);
	foreach ($next->fetchAll() as [$id, $data]) {
		echo "id: $id\ndata: $data\n\n";
		$last = $id;
	}
	flush();
	usleep(500000);
}
