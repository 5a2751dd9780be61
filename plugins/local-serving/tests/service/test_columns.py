import json
import math
import unittest

from columns import Unacceptable, columns_of_signature, rows_of

SIGNATURE = {
    "inputs": json.dumps(
        [
            {"type": "double", "name": "rate", "required": True},
            {"type": "long", "name": "orders", "required": True},
            {"type": "string", "name": "line", "required": False},
            {"type": "boolean", "name": "night", "required": True},
        ]
    )
}
COLUMNS = columns_of_signature(SIGNATURE)
TENSOR = columns_of_signature(
    {"inputs": json.dumps([{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 3]}}])}
)


class Rows(unittest.TestCase):
    def refused(self, body, field, words, columns=COLUMNS):
        with self.assertRaises(Unacceptable) as caught:
            rows_of(body, columns)
        self.assertEqual(caught.exception.field, field)
        self.assertIn(words, str(caught.exception))

    def test_rows_by_name_come_in_the_order_of_the_columns(self):
        rows = rows_of({"instances": [{"night": True, "orders": 3, "rate": 0.5, "line": "A"}]}, COLUMNS)
        self.assertEqual(rows, [[0.5, 3, "A", True]])

    def test_a_column_that_is_not_required_may_be_left_out(self):
        rows = rows_of({"instances": [{"night": False, "orders": 3, "rate": 1}]}, COLUMNS)
        self.assertEqual(rows, [[1, 3, None, False]])

    def test_a_missing_number_is_nan(self):
        self.assertTrue(math.isnan(rows_of({"features": [[None, 1, "A", True]]}, COLUMNS)[0][0]))

    def test_whole_numbers_may_be_written_with_a_point(self):
        self.assertEqual(rows_of({"features": [[1, 87.0, "A", True]]}, COLUMNS)[0][1], 87.0)

    def test_what_is_wrong_is_named(self):
        self.refused([], "", "expected an object")
        self.refused({}, "features", "expected either")
        self.refused({"features": [], "instances": []}, "features", "expected either")
        self.refused({"features": "x"}, "features", "a list of one row or more")
        self.refused({"features": []}, "features", "a list of one row or more")
        self.refused({"features": [1]}, "features[0]", "rate, orders, line, night")
        self.refused({"features": [[1.0]]}, "features[0]", "a list of 4 values (rate, orders, line, night), found 1")
        self.refused({"features": [["a", 1, "A", True]]}, "features[0][0]", 'column `rate` takes a number, found "a"')
        self.refused({"features": [[1, 1.5, "A", True]]}, "features[0][1]", "takes a whole number, found 1.5")
        self.refused({"features": [[1, None, "A", True]]}, "features[0][1]", "needs a value")
        self.refused({"features": [[1, 1, 7, True]]}, "features[0][2]", "takes a text, found 7")
        self.refused({"features": [[1, 1, "A", "yes"]]}, "features[0][3]", "takes true or false")
        self.refused({"instances": [[1]]}, "instances[0]", "an object with rate")
        self.refused({"instances": [{"rate": 1}]}, "instances[0].orders", "is missing")
        self.refused({"instances": [{"speed": 1}]}, "instances[0].speed", "unknown column `speed`")

    def test_a_model_without_names_is_asked_by_place(self):
        self.assertEqual(rows_of({"features": [[1, 2, 3]]}, TENSOR), [[1, 2, 3]])
        self.refused({"instances": [{"x0": 1}]}, "instances[0]", "without names", TENSOR)

    def test_a_model_that_tells_nothing_takes_any_row(self):
        self.assertEqual(rows_of({"features": [[1, "a"]]}, []), [[1, "a"]])


if __name__ == "__main__":
    unittest.main()
