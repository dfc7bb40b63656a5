/* Proves: places in the log compare as the contract says, and waits grow within their bounds. */
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Backoff, Cursor } from './subject.js';

test('an id is a number, and perhaps an epoch of eight hex digits', () => {
	assert.deepEqual(Cursor.parse('17-9f1c2ab7'), { seq: 17, epoch: '9f1c2ab7' });
	assert.deepEqual(Cursor.parse('0'), { seq: 0, epoch: '' });
	assert.deepEqual(Cursor.parse('9007199254740991-00000000'), {
		seq: 2 ** 53 - 1,
		epoch: '00000000',
	});
	for (const bad of [
		'',
		'-1',
		'1-',
		'1-9f1c2ab',
		'1-9f1c2ab7a',
		'1-9F1C2AB7',
		'x',
		' 1',
		'1\n',
		'9007199254740992',
		null,
		undefined,
		{},
	]) {
		assert.equal(Cursor.parse(bad), null, `${bad}`);
	}
});

test('a cursor is nowhere, and then goes forward', () => {
	const cursor = new Cursor();
	assert.equal(cursor.id, '');
	assert.equal(cursor.covers('0'), false);
	assert.equal(cursor.advance('5-0a0b0c0d'), true);
	assert.equal(cursor.advance('5-0a0b0c0d'), false);
	assert.equal(cursor.advance('4-0a0b0c0d'), false);
	assert.equal(cursor.advance('nonsense'), false);
	assert.equal(cursor.id, '5-0a0b0c0d');
	assert.deepEqual(
		['4', '5', '6'].map((seq) => cursor.covers(`${seq}-0a0b0c0d`)),
		[true, true, false],
	);
});

test('ids of another log are neither before nor after', () => {
	const cursor = new Cursor();
	cursor.set('5-0a0b0c0d');
	assert.equal(cursor.isForeign('1-ffffffff'), true);
	assert.equal(cursor.covers('1-ffffffff'), false);
	assert.equal(cursor.advance('9-ffffffff'), false);
	cursor.set('1-ffffffff');
	assert.equal(cursor.id, '1-ffffffff');
});

test('a bare number is of whatever log there is, and takes its epoch with the next id', () => {
	const cursor = new Cursor();
	cursor.set('5');
	assert.equal(cursor.id, '5');
	assert.equal(cursor.covers('5-0a0b0c0d'), true);
	assert.equal(cursor.advance('6-0a0b0c0d'), true);
	assert.equal(cursor.id, '6-0a0b0c0d');
	assert.equal(cursor.covers('6'), true);
});

test('waits double up to the most, and lie in their upper half', () => {
	for (const [random, expected] of [
		[0, [50, 100, 200, 250, 250]],
		[0.999999, [100, 200, 400, 500, 500]],
	]) {
		mock.method(Math, 'random', () => random);
		const backoff = new Backoff(100, 500);
		assert.deepEqual(
			expected.map(() => Math.round(backoff.next())),
			expected,
		);
		backoff.reset();
		assert.equal(Math.round(backoff.next()), expected[0]);
		mock.restoreAll();
	}
});
