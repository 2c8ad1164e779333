"""Keys say what they know and whom they may be believed by."""

import pytest
from bson import ObjectId

from leadbook.lead import keys


def test_keys_have_the_task_books_form():
    assert keys.linkedin_key("https://www.linkedin.com/in/ana") == "lead:linkedin:https://www.linkedin.com/in/ana"
    assert keys.email_key("Ana@Example.com") == "lead:email:ana@example.com"


def test_a_value_says_what_was_encoded():
    lead_id = ObjectId()
    value = keys.encode("0123456789ab", lead_id, 37).encode()
    assert keys.decode(value, "0123456789ab") == keys.Entry(lead_id, 37)


def test_a_key_of_another_collection_is_unknown():
    assert keys.decode(keys.encode("0123456789ab", ObjectId(), 1), "ba9876543210") is None


@pytest.mark.parametrize(
    "value",
    [None, b"", b"1", b"true", b"[]", b'"stored"', b"\xff\xfe", b'{"collection":"c"}',
     b'{"collection":"c","id":"x","fields":1}',
     b'{"collection":"c","id":"65f1c2ab465f1c2ab465f1c2","fields":null}'],
)  # fmt: skip
def test_somebody_elses_value_is_unknown(value):
    assert keys.decode(value, "c") is None
