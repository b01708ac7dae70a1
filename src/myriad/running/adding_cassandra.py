"""Start Cassandra beside a PostgreSQL that runs, when a command asks for it."""

import logging
from collections.abc import Callable
from typing import Any

from myriad import settings as settings_table
from myriad.engines.cassandra.keep.keeper import Keeper
from myriad.errors import MyriadError, SettingsError, Unsupported
from myriad.home.home import Home
from myriad.running import requests
from myriad.settings import Settings

log = logging.getLogger("myriad.engines")


class Adding:
    """Takes what is asked for in the home's file; `make` makes who keeps a Cassandra."""

    def __init__(
        self, home: Home, settings: Settings, make: Callable[[Settings], Keeper | None]
    ) -> None:
        self._home, self._settings, self._make = home, settings, make
        self._asked: requests.Asked | None = None
        requests.forget(home)

    def look(self, kept: Keeper | None) -> Keeper | None:
        """Return who keeps Cassandra from now on: `kept`, or one that was asked for."""
        if self._asked is not None and kept is not None:
            return self._watch(self._asked, kept)
        question = requests.take(self._home)
        if question is None:
            return kept
        try:
            return self._begin(question, kept)
        except (MyriadError, OSError) as error:
            log.error("%s", error)  # noqa: TRY400 - a person reads it
            requests.answer(self._home, question, error)
            return kept

    def _begin(self, question: requests.Asked, kept: Keeper | None) -> Keeper:
        if kept is not None:
            raise Unsupported(
                "this home has a Cassandra already",
                hint="`myriad status` shows how it is. To change it: `myriad down`, `myriad up`.",
            )
        made = self._make(self._with(question.settings))
        if made is None:
            raise SettingsError(
                "no Cassandra was asked for", hint="Say which: --cassandra 1 or --cassandra-at."
            )
        made.start()
        self._asked = question
        return made

    def _with(self, more: dict[str, Any]) -> Settings:
        own = self._settings.origins
        flags = {name: getattr(self._settings, name) for name in own if own[name] == "flag"}
        return settings_table.load(self._home.folder, flags | more)

    def _watch(self, question: requests.Asked, kept: Keeper) -> Keeper | None:
        """Answer when it is ready, or has failed."""
        if not kept.begun:
            return kept
        self._asked = None
        requests.answer(self._home, question, kept.problem)
        if kept.problem is None:
            return kept
        log.error("%s", kept.problem)
        kept.end()
        return None
