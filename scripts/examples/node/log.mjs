/*
 * Writing to the log from Node: with node:sqlite, which is there since Node 22.5, or else through the sqlite3
 * program. Any other SQLite package does as well.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const sqlite = await import('node:sqlite').catch(() => null);

/** A value as it is written in SQL; a NUL would end the text for the program. */
function quote(value) {
	return `'${String(value).replaceAll('\0', '\ufffd').replaceAll("'", "''")}'`;
}

/** Runs one statement, with a value for each question mark. */
export async function write(file, statement, ...values) {
	if (sqlite) {
		const db = new sqlite.DatabaseSync(file);
		try {
			db.exec('PRAGMA busy_timeout = 5000');
			db.prepare(statement).run(...values);
		} finally {
			db.close();
		}
		return;
	}
	// Through stdin, where a dot-command begins a line: the statement does, and values keep to their quotes.
	const sql = statement.replace(/\?/g, () => quote(values.shift())) + ';\n';
	const running = promisify(execFile)('sqlite3', ['-bail', '-cmd', '.timeout 5000', file]);
	running.child.stdin.end(sql);
	await running;
}
