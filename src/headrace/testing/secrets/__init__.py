"""The hunt for secrets: marked credentials through every failure, and a search of all that was written or shown.

For an auth kind of your own::

    case = Case("signature", {"type": "signature", "provider": "HUNTED"}, lambda secrets: secrets.new("key"))

    @pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
    def test_nothing_leaks(tmp_path, scenario):
        found = hunt(case, scenario, tmp_path)
        assert found.leaks == []
        assert found.asked  # the credential did go out

What is written on purpose is left out of the search: the state store's table of tokens, which has to hold a
rotated refresh token, and the pipeline file itself. With ``Case(stored=True)`` the tokens are searched as well: they are
sealed then.
"""

from headrace.testing.secrets.api import Asked, HostileApi, Reply
from headrace.testing.secrets.commands import COMMANDS, hunt_commands
from headrace.testing.secrets.hunt import Case, Found, hunt
from headrace.testing.secrets.marks import Leak, Secrets
from headrace.testing.secrets.scenarios import SCENARIOS, Scenario
from headrace.testing.secrets.sweep import sweep_database, sweep_folder

__all__ = [
    "COMMANDS", "SCENARIOS", "Asked", "Case", "Found", "HostileApi", "Leak", "Reply", "Scenario", "Secrets", "hunt",
    "hunt_commands", "sweep_database", "sweep_folder",
]  # fmt: skip
