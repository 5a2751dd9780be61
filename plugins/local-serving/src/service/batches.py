"""Requests that arrive together are predicted together: a model takes hardly longer for thirty rows than for one.

Nobody waits for company. A request joins those that were read in the same turn of the event loop: while the model computes, others
queue up at the sockets, so the busier a worker is, the larger its batches are, and a lone request is answered at once.
"""

import asyncio


class Batches:
    """Asks `predict` (rows in, predictions and perhaps probabilities of each out) for several requests at once."""

    def __init__(self, predict, most_rows):
        self.predict = predict
        # Of one batch. More would let its first request wait for the rows of all others.
        self.most_rows = most_rows
        self.waiting = []

    def ask(self, rows):
        """A future of what `predict` answers for these rows."""
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        self.waiting.append((rows, answer))
        if len(self.waiting) == 1:
            loop.call_soon(self.answer_all)
        return answer

    def answer_all(self):
        """Predicts for all that wait."""
        waiting, self.waiting = self.waiting, []
        batch, size = [], 0
        for rows, answer in waiting:
            if batch and size + len(rows) > self.most_rows:
                self.answer_batch(batch)
                batch, size = [], 0
            batch.append((rows, answer))
            size += len(rows)
        self.answer_batch(batch)

    def answer_batch(self, batch):
        """One call of the model, and one more for each request where that fails: the others are not to blame for its rows."""
        batch = [(rows, answer) for rows, answer in batch if not answer.done()]
        if len(batch) > 1:
            together = [row for rows, _ in batch for row in rows]
            try:
                predictions, probabilities = self.predict(together)
            except Exception:  # The model's code may raise anything; each request gets its own below.
                pass
            else:
                given = [part for part in (predictions, probabilities) if part is not None]
                if all(len(part) == len(together) for part in given):
                    self.share_out(batch, predictions, probabilities)
                    return
        for rows, answer in batch:
            try:
                answer.set_result(self.predict(rows))
            except Exception as error:
                answer.set_exception(error)

    @staticmethod
    def share_out(batch, predictions, probabilities):
        """Gives each request the answers of its own rows."""
        start = 0
        for rows, answer in batch:
            end = start + len(rows)
            answer.set_result((predictions[start:end], None if probabilities is None else probabilities[start:end]))
            start = end
