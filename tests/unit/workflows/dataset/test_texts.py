from steward.improvement.dataset.rows import TrainingRow
from steward.workflows.dataset.texts import scrub_rows


def scrub(*messages, profile="default"):
    row = TrainingRow(id="a", origin="file", source="f", prompt=messages, completion=())
    [scrubbed], changed = scrub_rows([row], profile, lambda done, total, what: None)
    return scrubbed.prompt, changed


def test_an_address_becomes_its_kind_in_texts_parts_and_arguments():
    call = {
        "id": "bob@example.com",
        "type": "function",
        "function": {"name": "f", "arguments": '{"to":"bob@example.com"}'},
    }
    prompt, changed = scrub(
        {"role": "user", "content": "I am bob@example.com"},
        {"role": "user", "content": [{"type": "text", "text": "bob@example.com"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
    )
    assert changed == 1
    assert prompt[0]["content"] == "I am [EMAIL REDACTED]"
    assert prompt[1]["content"][0]["text"] == "[EMAIL REDACTED]"
    assert prompt[2]["tool_calls"][0]["function"]["arguments"] == '{"to":"[EMAIL REDACTED]"}'
    assert prompt[2]["tool_calls"][0]["id"] == "bob@example.com"  # ids tie calls to their answers


def test_what_holds_nothing_personal_and_what_is_not_to_be_scrubbed_stays():
    assert scrub({"role": "user", "content": "Where is it?"})[1] == 0
    assert scrub({"role": "user", "content": "bob@example.com"}, profile="off")[0][0]["content"] == "bob@example.com"
