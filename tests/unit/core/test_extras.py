from steward.core.extras import install_command


def test_the_line_names_the_extras_and_where_this_copy_came_from() -> None:
    line = install_command("data", "ray")
    assert line.startswith("pip install '") and "[data,ray]" in line
