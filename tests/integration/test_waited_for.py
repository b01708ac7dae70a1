"""The line that a publish gives ends whom it waits for."""

import re
import shlex
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest
from click.testing import CliRunner

from myriad import cli
from myriad.publish.options import Step
from tests.harness import wait_until
from tests.publishing import Place


def test_the_line_that_is_given_ends_who_is_waited_for(place: Place) -> None:
    file = place.write("held.csv", "id,v\n1,a\n")
    place.publish(file, keys={"held": ("id",)})
    place.write("held.csv", "id,v\n1,b\n")
    installed, tag = place.installation, uuid.uuid4().hex[:6]
    [(name, password)] = installed.people.add_people([f"-o'neil {tag}"], [f"g{tag}"])
    installed.people.grant(f"g{tag}", "public", place.database)
    server, notices = installed.server(), list[str]()

    def tell(step: Step) -> None:
        if step.notice:
            notices.append(step.notice)

    with (
        ThreadPoolExecutor(1) as pool,
        closing(
            psycopg.connect(
                host=server.host,
                port=server.port,
                user=name,
                password=password,
                dbname=place.database,
            )
        ) as idle,
    ):
        idle.execute("SELECT * FROM public.held")
        published = pool.submit(lambda: place.publish(file, progress=tell))
        wait_until(lambda: notices or published.done())
        [line] = re.findall(r"`(myriad people stop [^`]+)`", notices[0])
        there = CliRunner(env={"MYRIAD_HOME": str(installed.home.folder)})
        done = there.invoke(cli.main, shlex.split(line)[1:])
        assert (done.exit_code, done.stdout, done.stderr) == (0, "ended 1 session\n", "")
        published.result(30)
        with pytest.raises(psycopg.errors.AdminShutdown, match="people stop --disconnect"):
            idle.execute("SELECT 1")
    assert place.one("SELECT v FROM held WHERE id = 1") == "b"
    installed.people.remove([name])
