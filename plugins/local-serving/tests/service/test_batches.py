import asyncio
import threading
import unittest

from batches import Batches


class Model:
    """Doubles numbers; remembers what it was asked. Negative ones it does not take."""

    def __init__(self):
        self.asked = []

    def predict(self, rows):
        self.asked.append(len(rows))
        if any(row < 0 for row in rows):
            raise ValueError(f"{min(rows)} is negative")
        return [row * 2 for row in rows], [[row] for row in rows]


def answers(model, requests, most_rows=256):
    async def ask():
        batches = Batches(model.predict, most_rows)
        return await asyncio.gather(*(batches.ask(rows) for rows in requests), return_exceptions=True)

    return asyncio.run(ask())


class Together(unittest.TestCase):
    def test_requests_of_one_turn_are_one_call_and_each_gets_its_own(self):
        model = Model()
        self.assertEqual(answers(model, [[1], [2, 3], [4]]), [([2], [[1]]), ([4, 6], [[2], [3]]), ([8], [[4]])])
        self.assertEqual(model.asked, [4])

    def test_a_batch_ends_where_it_would_grow_too_large(self):
        model = Model()
        self.assertEqual([found[0] for found in answers(model, [[1, 2], [3], [4, 5, 6, 7]], 3)], [[2, 4], [6], [8, 10, 12, 14]])
        self.assertEqual(model.asked, [3, 4])

    def test_a_request_that_the_model_does_not_take_harms_no_other(self):
        good, bad, other = answers(Model(), [[1], [-2], [3]])
        self.assertEqual((good[0], other[0]), ([2], [6]))
        self.assertIsInstance(bad, ValueError)
        self.assertEqual(str(bad), "-2 is negative")

    def test_a_model_that_answers_for_all_rows_at_once_is_asked_by_each(self):
        self.assertEqual(answers(Sum(), [[1, 2], [3]]), [([3], None), ([3], None)])

    def test_who_has_gone_is_not_answered(self):
        async def ask():
            batches = Batches(Model().predict, 256)
            gone, there = batches.ask([1]), batches.ask([2])
            gone.cancel()
            return await there

        self.assertEqual(asyncio.run(ask()), ([4], [[2]]))

    def test_a_model_that_looks_at_all_rows_is_asked_for_one_request_at_a_time(self):
        model = Model()
        answers(model, [[1], [2, 3], [4]], 0)
        self.assertEqual(model.asked, [1, 2, 1])


class Meanwhile(unittest.TestCase):
    def test_the_event_loop_goes_on_while_the_model_computes(self):
        model = Held()

        async def ask():
            batches = Batches(model.predict, 256)
            first = batches.ask([1])
            await asyncio.to_thread(model.began.wait, 10)
            others = [batches.ask([row]) for row in (2, 3)]
            gone = batches.ask([4])
            gone.cancel()
            # What a probe needs.
            await asyncio.sleep(0)
            self.assertFalse(first.done())
            model.released.set()
            return [found[0] for found in [await first, *[await other for other in others]]]

        self.assertEqual(asyncio.run(ask()), [[2], [4], [6]])
        self.assertEqual(model.asked, [1, 2], "who came meanwhile is the next batch")

    def test_who_goes_while_the_model_computes_harms_no_other(self):
        model = Held()

        async def ask():
            batches = Batches(model.predict, 256)
            gone, there = batches.ask([1]), batches.ask([2])
            await asyncio.to_thread(model.began.wait, 10)
            gone.cancel()
            model.released.set()
            return [await there, await batches.ask([3])]

        self.assertEqual([found[0] for found in asyncio.run(ask())], [[4], [6]])


class Held(Model):
    """Does not answer before it is released."""

    def __init__(self):
        super().__init__()
        self.began, self.released = threading.Event(), threading.Event()

    def predict(self, rows):
        self.began.set()
        if not self.released.wait(10):
            raise TimeoutError("the event loop waits for the model")
        return super().predict(rows)


class Sum:
    def predict(self, rows):
        return [sum(rows)], None


if __name__ == "__main__":
    unittest.main()
