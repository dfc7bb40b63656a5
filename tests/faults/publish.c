#include "publish.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dice.h"

enum { EVENTS_MAX = 300, DATA_MAX = 1 << 20, HUSH_MS = 60000, STOP_MS = 70000 };

/* An event on its way into the log. */
struct draft {
	uint32_t tag;
	int channel;
	int64_t seq; /* 0: not in the log */
};

struct publisher {
	const struct place *place;
	struct stage *stage;
	int index;
	struct dice dice;
	uint32_t next; /* tag */
	sqlite3 *db;
	sqlite3_stmt *insert, *newest, *find;
	struct draft drafts[EVENTS_MAX];
	int n;
	struct buf data;
};

static void rest_ms(int ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
	nanosleep(&t, NULL);
}

static void close_log(struct publisher *p)
{
	sqlite3_finalize(p->insert);
	sqlite3_finalize(p->newest);
	sqlite3_finalize(p->find);
	p->insert = p->newest = p->find = NULL;
	sqlite3_close(p->db);
	p->db = NULL;
}

static int prepare(struct publisher *p, sqlite3_stmt **stmt, const char *sql)
{
	return *stmt ? 0 : sqlite3_prepare_v2(p->db, sql, -1, stmt, NULL) != SQLITE_OK;
}

/* 0 once the connection is open and its statements are ready. */
static int open_log(struct publisher *p)
{
	if (!p->db &&
	    sqlite3_open_v2(p->place->db, &p->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
		close_log(p);
		return -1;
	}
	sqlite3_busy_timeout(p->db, 1500);
	return prepare(
		   p, &p->insert, "INSERT INTO publish(channel, data, key) VALUES (?1, ?2, ?3)") ||
	       prepare(p, &p->newest, "SELECT seq FROM sqlite_sequence WHERE name = 'events'") ||
	       prepare(p, &p->find, "SELECT id FROM events WHERE channel = ?1 AND key = ?2");
}

/* Heeds a hush; false when the publisher is to end. */
static bool may_go_on(struct publisher *p)
{
	struct stage *stage = p->stage;
	while (atomic_load(&stage->hush) && !atomic_load(&stage->stop)) {
		close_log(p);
		atomic_store(&stage->quiet[p->index], 1);
		rest_ms(5);
	}
	atomic_store(&stage->quiet[p->index], 0);
	return !atomic_load(&stage->stop);
}

static int run(struct publisher *p, const char *sql)
{
	return sqlite3_exec(p->db, sql, NULL, NULL, NULL) != SQLITE_OK;
}

/* The number that the statement yields; 0: none. */
static int64_t number(sqlite3_stmt *stmt)
{
	int64_t value = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	sqlite3_reset(stmt);
	return value;
}

static void key_of(const struct draft *d, char key[16])
{
	snprintf(key, 16, "k%u", d->tag);
}

static int insert(struct publisher *p, const struct draft *d)
{
	char key[16];
	key_of(d, key);
	buf_clear(&p->data);
	stage_data(&p->data, d->tag);
	sqlite3_bind_text(p->insert, 1, stage_channels[d->channel], -1, SQLITE_STATIC);
	sqlite3_bind_text(p->insert, 2, p->data.data, (int)p->data.len, SQLITE_STATIC);
	sqlite3_bind_text(p->insert, 3, key, -1, SQLITE_STATIC);
	int rc = sqlite3_step(p->insert);
	sqlite3_reset(p->insert);
	return rc != SQLITE_DONE;
}

/* Looks for the event by its key: its id, 0 when it is not there, -1 when that cannot be said. */
static int64_t find(struct publisher *p, const struct draft *d)
{
	char key[16];
	key_of(d, key);
	sqlite3_bind_text(p->find, 1, stage_channels[d->channel], -1, SQLITE_STATIC);
	sqlite3_bind_text(p->find, 2, key, -1, SQLITE_STATIC);
	int rc = sqlite3_step(p->find);
	int64_t id = rc == SQLITE_ROW    ? sqlite3_column_int64(p->find, 0)
		     : rc == SQLITE_DONE ? 0
					 : -1;
	sqlite3_reset(p->find);
	return id;
}

/* Of a hundred events each rare channel and each user has one; the mixed channels share the rest.
 */
static int draw_channel(struct publisher *p)
{
	int share = dice_between(&p->dice, 0, 99);
	return share < STAGE_RARE + STAGE_USERS ? STAGE_MIXED + share : share % STAGE_MIXED;
}

static void draw(struct publisher *p, int n)
{
	p->n = n;
	for (int i = 0; i < n; i++)
		p->drafts[i] = (struct draft){.tag = p->next++, .channel = draw_channel(p)};
}

static void note(struct publisher *p)
{
	for (int i = 0; i < p->n; i++)
		if (p->drafts[i].seq > 0)
			stage_note(
			    p->stage, p->drafts[i].seq, p->drafts[i].tag, p->drafts[i].channel);
}

/* All of the drafts, the last `undo` of them taken back before the end. */
static int try_transaction(struct publisher *p, int undo, bool deferred)
{
	if (open_log(p) || run(p, deferred ? "BEGIN" : "BEGIN IMMEDIATE"))
		return -1;
	for (int i = 0; i < p->n; i++) {
		if (i == p->n - undo && run(p, "SAVEPOINT half"))
			return -1;
		if (insert(p, &p->drafts[i]))
			return -1;
		p->drafts[i].seq = i < p->n - undo ? number(p->newest) : 0;
	}
	if (undo && undo < p->n && run(p, "ROLLBACK TO half"))
		return -1;
	return run(p, undo == p->n ? "ROLLBACK" : "COMMIT");
}

/* After an error: whether the drafts are in the log all the same. Waits until that can be said. */
static bool is_there(struct publisher *p)
{
	int64_t id = -1;
	if (p->db && !sqlite3_get_autocommit(p->db))
		run(p, "ROLLBACK");
	while (id < 0) {
		if (!open_log(p))
			id = find(p, &p->drafts[0]);
		if (id < 0)
			rest_ms(20);
	}
	for (int i = 0; i < p->n && id; i++)
		if (p->drafts[i].seq && (p->drafts[i].seq = find(p, &p->drafts[i])) < 0)
			i--;
	return id > 0;
}

static void publish_transaction(struct publisher *p, int n, int undo)
{
	bool deferred = dice_once_in(&p->dice, 2);
	draw(p, n);
	while (may_go_on(p)) {
		if (!try_transaction(p, undo, deferred) || (undo < n && is_there(p))) {
			atomic_fetch_add(&p->stage->undone, undo);
			note(p);
			return;
		}
		if (p->db && !sqlite3_get_autocommit(p->db))
			run(p, "ROLLBACK");
		atomic_fetch_add(&p->stage->refused, 1);
		rest_ms(20);
	}
}

/* A plain insert; sometimes twice with the same key, of which the second does nothing. */
static void publish_single(struct publisher *p, bool twice)
{
	draw(p, 1);
	p->drafts[0].seq = -1;
	while (may_go_on(p)) {
		bool done = !open_log(p) && !insert(p, &p->drafts[0]);
		if (is_there(p)) {
			if (done && twice)
				insert(p, &p->drafts[0]);
			note(p);
			return;
		}
		atomic_fetch_add(&p->stage->refused, 1);
		rest_ms(20);
	}
}

static void one_by_one(struct publisher *p)
{
	publish_single(p, dice_once_in(&p->dice, 4));
}

static void small_transactions(struct publisher *p)
{
	int n = dice_between(&p->dice, 1, 8);
	int undo = dice_once_in(&p->dice, 4) ? n : dice_once_in(&p->dice, 4) ? n / 2 : 0;
	publish_transaction(p, n, undo);
}

static void large_transactions(struct publisher *p)
{
	int n = dice_once_in(&p->dice, 12) ? EVENTS_MAX : dice_between(&p->dice, 10, 40);
	publish_transaction(p, n, dice_once_in(&p->dice, 6) ? n : 0);
}

/* What the tool did is read from the log: a line whose event is there was committed. */
static void note_lines(struct publisher *p, int64_t before)
{
	sqlite3_stmt *stmt = NULL;
	int rc = SQLITE_ERROR;
	while (rc != SQLITE_DONE) {
		if (!open_log(p) && !prepare(p, &stmt,
					"SELECT id FROM events WHERE id > ?1 AND channel = ?2 AND "
					"data >= ?3 AND data < ?4")) {
			int found = 0;
			for (int i = 0; i < p->n; i++) {
				char from[16], to[16];
				snprintf(from, sizeof(from), "%010u ", p->drafts[i].tag);
				snprintf(to, sizeof(to), "%010u!", p->drafts[i].tag);
				sqlite3_bind_int64(stmt, 1, before);
				sqlite3_bind_text(stmt, 2, stage_channels[p->drafts[i].channel], -1,
				    SQLITE_STATIC);
				sqlite3_bind_text(stmt, 3, from, -1, SQLITE_TRANSIENT);
				sqlite3_bind_text(stmt, 4, to, -1, SQLITE_TRANSIENT);
				rc = sqlite3_step(stmt);
				p->drafts[i].seq =
				    rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
				found += rc == SQLITE_ROW || rc == SQLITE_DONE;
				sqlite3_reset(stmt);
			}
			rc = found == p->n ? SQLITE_DONE : SQLITE_ERROR;
		}
		if (rc != SQLITE_DONE)
			rest_ms(20);
	}
	sqlite3_finalize(stmt);
}

static void with_the_tool(struct publisher *p)
{
	char tool[PLACE_PATH + 16];
	struct buf lines;
	int64_t before;

	if (!may_go_on(p) || open_log(p) || (before = number(p->newest)) == 0)
		return;
	draw(p, dice_between(&p->dice, 1, 30));
	buf_init(&lines, DATA_MAX);
	for (int i = 0; i < p->n; i++) {
		p->drafts[i].channel = p->drafts[0].channel;
		stage_data(&lines, p->drafts[i].tag);
		buf_byte(&lines, '\n');
	}
	snprintf(tool, sizeof(tool), "%s/sluicectl", p->place->build);
	const char *const argv[] = {tool, "-c", p->place->conf, "publish", "--channel",
	    stage_channels[p->drafts[0].channel], "--lines", NULL};
	if (place_run(p->place, argv, lines.data, NULL))
		atomic_fetch_add(&p->stage->refused, 1);
	buf_free(&lines);
	note_lines(p, before);
	note(p);
}

static void (*const ways[STAGE_PUBLISHERS])(struct publisher *) = {
    one_by_one, small_transactions, one_by_one, large_transactions, with_the_tool};

/* As long as the rate says on the average; it is looked at again and again, and so is the hush. */
static void pause_between(struct publisher *p)
{
	int share = dice_between(&p->dice, 0, 2000);
	int64_t start = place_now_ms();
	while (may_go_on(p)) {
		int64_t ms = (int64_t)share * (p->n + 1) / atomic_load(&p->stage->rate);
		int64_t left = start + ms - place_now_ms();
		if (left <= 0)
			break;
		rest_ms(left < 20 ? (int)left : 20);
	}
}

static _Noreturn void work(const struct publishers *all, int index, pid_t parent)
{
	static struct publisher p;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
	/* A copy of a client's socket would hide that the client has closed it. */
	close_range(STDERR_FILENO + 1, ~0U, 0);
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL); /* the test's own handlers are not for this process */
	p.place = all->place;
	p.stage = all->stage;
	p.index = index;
	p.dice = dice_make(all->seed, 'p', (uint64_t)index);
	p.next = ((uint32_t)index + 1) << 24;
	buf_init(&p.data, DATA_MAX);
	while (may_go_on(&p)) {
		p.n = 1;
		ways[index](&p);
		pause_between(&p);
	}
	close_log(&p);
	_exit(EXIT_SUCCESS);
}

void publish_start(struct publishers *p)
{
	pid_t parent = getpid();
	fflush(NULL);
	for (int i = 0; i < STAGE_PUBLISHERS; i++) {
		p->pids[i] = fork();
		if (p->pids[i] < 0)
			place_fail(p->place, "fork failed");
		if (p->pids[i] == 0)
			work(p, i, parent);
	}
}

int publish_hush(struct publishers *p)
{
	int64_t deadline = place_now_ms() + HUSH_MS;
	int free = 0;
	while (!atomic_compare_exchange_strong(&p->stage->hush, &free, (int)getpid())) {
		if (free == getpid())
			break;
		if (place_now_ms() > deadline)
			return -1;
		free = 0;
		place_pause();
	}
	for (int i = 0; i < STAGE_PUBLISHERS; i++)
		while (!atomic_load(&p->stage->quiet[i])) {
			if (place_now_ms() > deadline)
				return -1;
			place_pause();
		}
	return 0;
}

void publish_resume(struct publishers *p)
{
	int own = (int)getpid();
	atomic_compare_exchange_strong(&p->stage->hush, &own, 0);
}

int publish_stop(struct publishers *p)
{
	int64_t deadline = place_now_ms() + STOP_MS;
	int failed = 0;
	atomic_store(&p->stage->stop, 1);
	for (int i = 0; i < STAGE_PUBLISHERS; i++) {
		int status = 0;
		while (p->pids[i] > 0 && waitpid(p->pids[i], &status, WNOHANG) == 0) {
			if (place_now_ms() > deadline)
				kill(p->pids[i], SIGKILL);
			place_pause();
		}
		p->pids[i] = 0;
		failed |= status;
	}
	return failed ? -1 : 0;
}
