import pytest

from steward.gateway.app import not_found_error
from steward.gateway.batch_endpoints import find_absent


@pytest.mark.parametrize("path", ["/v1/realtime", "/realtime", "/v1/vector_stores/vs_1/files", "//v1//threads/"])
def test_what_there_is_none_of_is_named_with_the_next_step(path: str) -> None:
    error = not_found_error(path, "POST", ())
    assert error.status == 501 and str(find_absent(path)) in error.message


@pytest.mark.parametrize("path", ["/v1/chat", "/", "/v1", "/v1/x/realtime"])
def test_other_paths_are_not_found(path: str) -> None:
    assert find_absent(path) is None and not_found_error(path, "POST", ()).status == 404
