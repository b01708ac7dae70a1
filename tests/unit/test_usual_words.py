"""The words that people try first."""

import pytest
from click.testing import CliRunner, Result

from myriad import cli


def invoke(*words: str) -> Result:
    return CliRunner().invoke(cli.main, list(words), prog_name="myriad")


@pytest.mark.parametrize("words", [(), ("person",), ("person", "add"), ("publish",)])
def test_help_is_a_word_too(words: tuple[str, ...]) -> None:
    wanted, said = invoke(*words, "--help"), invoke("help", *words)
    assert said.exit_code == 0
    assert said.stdout.strip() == wanted.stdout.strip()


def test_help_for_what_is_not_there_says_so() -> None:
    said = invoke("help", "person", "nothing")
    assert said.exit_code == 2
    assert "myriad person has no command 'nothing'" in said.stderr
    assert "Did you mean" in invoke("help", "persons").stderr


def test_version_is_a_word_too() -> None:
    number = invoke("--version").stdout.split()[-1]
    assert invoke("version").stdout == f"myriad {number}\n"
    assert f'"{number}"' in invoke("version", "--json").stdout


def test_a_word_of_other_programs_leads_to_ours() -> None:
    assert "Did you mean sql" in invoke("psql").stderr
    assert invoke("list", "-q", "--home", "/nowhere/at/all").exit_code == 1


def test_a_time_that_is_none_is_refused_in_words() -> None:
    said = invoke("people", "audit", "--since", "yesterday")
    assert said.exit_code == 2
    assert "'yesterday' is no time: write 2030-01-31, or '2030-01-31 17:30'" in said.stderr
    assert "%Y" not in said.stderr


@pytest.mark.parametrize("address", ["ftp://host/x.csv", "sftp://host/x.csv", "file:///x.csv"])
def test_an_address_of_another_kind_is_no_missing_file(address: str) -> None:
    said = invoke("publish", address, "--home", "/nowhere/at/all")
    assert said.exit_code == 1
    assert f"error: {address.partition(':')[0]}:// addresses are not read" in said.stderr
    assert "http://, https://, s3://, gs://, az://" in said.stderr
