"""Requests that arrive together are predicted together: a model takes hardly longer for thirty rows than for one.

Nobody waits for company. A request joins those that were read in the same turn of the event loop, or while the model computed for
others: the busier a worker is, the larger its batches are, and a lone request is answered at once.

The model computes in one thread of its own, so that probes are answered however long it takes. The next batch begins when the
answers of the last one are sent: a thread that computes lets the event loop have the interpreter every few milliseconds only.
"""

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor


class Batches:
    """Asks `predict` (rows in, predictions and perhaps probabilities of each out) for several requests at once."""

    def __init__(self, predict, most_rows):
        self.predict = predict
        # Of one batch. More would let its first request wait for the rows of all others. With 0, no two requests go together.
        self.most_rows = most_rows
        self.waiting = deque()
        # Whether a batch is computed, or about to be.
        self.busy = False
        # Begins with its first batch, in the worker that asks: a fork takes no threads along.
        self.thread = ThreadPoolExecutor(max_workers=1)

    def ask(self, rows):
        """A future of what `predict` answers for these rows."""
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        self.waiting.append((rows, answer))
        if not self.busy:
            self.busy = True
            loop.call_soon(self.begin)
        return answer

    def begin(self):
        """Has the next batch computed, if there is one."""
        batch = self.next_batch()
        self.busy = bool(batch)
        if batch:
            computed = asyncio.get_running_loop().run_in_executor(self.thread, self.answers, [rows for rows, _ in batch])
            computed.add_done_callback(lambda done: self.answer(batch, done))

    def next_batch(self):
        """The oldest requests, as many as go together. Who has gone is left out."""
        batch, size = [], 0
        while self.waiting and not (batch and size + len(self.waiting[0][0]) > self.most_rows):
            rows, answer = self.waiting.popleft()
            if not answer.done():
                batch.append((rows, answer))
                size += len(rows)
        return batch

    def answer(self, batch, computed):
        """Gives each request its own, and goes on."""
        try:
            for (_, answer), found in zip(batch, computed.result()):
                if answer.done():
                    continue
                if isinstance(found, Exception):
                    answer.set_exception(found)
                else:
                    answer.set_result(found)
        finally:
            # Whoever was answered comes before it.
            asyncio.get_running_loop().call_soon(self.begin)

    def answers(self, asked):
        """One call of the model, and one more for each request where that fails: the others are not to blame for its rows."""
        if len(asked) > 1:
            together = [row for rows in asked for row in rows]
            try:
                predictions, probabilities = self.predict(together)
            except Exception:  # The model's code may raise anything; each request gets its own below.
                pass
            else:
                given = [part for part in (predictions, probabilities) if part is not None]
                if all(len(part) == len(together) for part in given):
                    return list(shares(asked, predictions, probabilities))
        return [self.alone(rows) for rows in asked]

    def alone(self, rows):
        """The model's answer for one request, or what it raised."""
        try:
            return self.predict(rows)
        except Exception as error:
            return error


def shares(asked, predictions, probabilities):
    """For each request the answers of its own rows."""
    start = 0
    for rows in asked:
        end = start + len(rows)
        yield predictions[start:end], None if probabilities is None else probabilities[start:end]
        start = end
