"""One tree of errors, grouped by what the reader does next.

HeadraceError
├── UsageError               exit 2  mend the command, the file or an input, then run again
│   ├── PipelineFileError            the YAML: every problem at once, with file:line:column
│   ├── InputError                   a parameter, variable or option is missing or wrong
│   ├── SecretMissing                a credential was not found where it was looked for
│   ├── NotSupported                 the destination cannot do what the file asks
│   ├── NotAllowed                   who runs this does not let it reach that host, variable, file or SQL
│   └── RunRefused                   this run id exists with other parameters or another request part
│       ├── RunIsHeld                another process is running it
│       └── ScopeIsBusy              the service runs, or has queued, the same scope already
├── SourceError              exit 1  look at the API: what it answered is in the message
│   ├── RequestFailed                status or connection, after every retry that made sense
│   │   ├── AuthRefused              401 or 403
│   │   └── CursorExpired            the server no longer knows the cursor the crawl stands at
│   ├── AnswerError                  the answer came, but is not what the file describes
│   │   ├── DecodeError              the body is cut, or not the format it says
│   │   ├── PathNotFound             data_path or a cursor path leads nowhere (lists the keys there are)
│   │   ├── ErrorInAnswer            a 200 that says it failed
│   │   └── ContractBroken           a record changes a table whose contract is freeze
│   ├── LoopDetected                 the same cursor and the same body twice
│   └── OriginRefused                a redirect or next link leaves the allowed hosts
├── DestinationError         exit 1  look at the database; what was committed is safe
│   ├── CannotOpen                   unreachable, refused, not a database
│   │   └── DestinationBusy          another process holds the file
│   ├── CommitFailed                 rolled back: the cursor has not moved
│   │   └── TooManyRejected          more records than `max_rejected` could not be stored
│   ├── CommitUnknown                the connection broke during COMMIT and could not be asked again
│   ├── Fenced                       another process moved this checkpoint: stop, do not retry
│   ├── ArchiveMissing               replay needs raw pages that are not there
│   └── StorageFailed                an object could not be read or written, after every retry that made sense
├── StateError               exit 1  the state folder; deleting it never costs data
├── CredentialError          exit 1  a stored credential; the message says what stands in its way
│   ├── KeyUnavailable               the key that seals it is missing, refused or open to others
│   ├── CredentialUnreadable         it was sealed by another key, moved, rolled back, cut or altered
│   └── HostRefused                  a request would take it to a host that it does not name
└── Interrupted              exit 130  what was fetched is committed; resume
"""

from __future__ import annotations

from collections.abc import Sequence


class HeadraceError(Exception):
    """Base of every error that Headrace raises on purpose.

    ``hint`` is the sentence that says what to do next; ``str(error)`` shows both.
    ``place`` names where: a step, a field, a page, a ``file:line:column``.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", place: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.place = place

    def __str__(self) -> str:
        head = f"{self.place}: {self.message}" if self.place else self.message
        return f"{head}\n  {self.hint}" if self.hint else head


class UsageError(HeadraceError):
    """The command, the file or an input has to change before this can work."""

    exit_code = 2


class PipelineFileError(UsageError):
    """Every problem of a pipeline file at once; ``problems`` has a line for each."""

    def __init__(self, problems: Sequence[str], *, hint: str = "") -> None:
        super().__init__("\n".join(problems), hint=hint)
        self.problems = list(problems)


class InputError(UsageError):
    """A parameter, variable or option is missing or of the wrong kind."""


class SecretMissing(UsageError):
    """A credential was not found; the message lists where it was looked for."""


class NotSupported(UsageError):
    """The destination's capabilities exclude what the file asks for."""


class NotAllowed(UsageError):
    """Whoever runs this (a service) does not let it reach that; the hint names the setting that would."""


class RunRefused(UsageError):
    """A run of this id exists and differs in its parameters or its request part."""


class RunIsHeld(RunRefused):
    """Another process holds this run; the message names run, pid and heartbeat."""


class ScopeIsBusy(RunRefused):
    """A run of the same pipeline, inputs, destination and organisation is queued or running: ``request_id``."""

    def __init__(self, message: str, *, request_id: str, hint: str = "", place: str = "") -> None:
        super().__init__(message, hint=hint, place=place)
        self.request_id = request_id


class SourceError(HeadraceError):
    """The API, or what it answered."""


class RequestFailed(SourceError):
    """A request failed after every retry that made sense.

    ``status`` is ``None`` when no answer came at all; ``body`` is at most the first 2,000
    characters of the answer, with secrets masked.
    """

    def __init__(
        self, message: str, *, status: int | None = None, body: str = "", hint: str = "", place: str = ""
    ) -> None:
        super().__init__(message, hint=hint, place=place)
        self.status = status
        self.body = body


class AuthRefused(RequestFailed):
    """401 or 403: the credential is wrong, expired, or may not do this."""


class CursorExpired(RequestFailed):
    """The server refuses the cursor that the crawl stands at (400, 404, 410 or 422 on resume)."""


class AnswerError(SourceError):
    """An answer came, but it is not what the pipeline file describes."""


class DecodeError(AnswerError):
    """The body is cut short, or not in the format it claims."""


class PathNotFound(AnswerError):
    """A path of the file leads nowhere in the answer; lists the keys that there are."""


class ErrorInAnswer(AnswerError):
    """A successful status whose body reports a failure (``error_path``)."""


class ContractBroken(AnswerError):
    """A record would change a table whose contract forbids it; nothing of its page is written."""


class LoopDetected(SourceError):
    """The same cursor and the same body came twice: going on would never end."""


class OriginRefused(SourceError):
    """A redirect or a next link points to an origin that the file does not allow."""


class DestinationError(HeadraceError):
    """The database; whatever was committed before is safe."""


class CannotOpen(DestinationError):
    """The destination is unreachable, refuses us, or is not a database."""


class DestinationBusy(CannotOpen):
    """Another process holds the database file."""


class CommitFailed(DestinationError):
    """A commit was rolled back; the cursor has not moved."""


class TooManyRejected(CommitFailed):
    """More records than ``max_rejected`` allows could not be stored."""


class CommitUnknown(DestinationError):
    """The connection broke during COMMIT and its outcome could not be learnt."""


class Fenced(DestinationError):
    """Another process has moved this checkpoint: this one must stop."""


class ArchiveMissing(DestinationError):
    """Replay needs raw pages that were purged or never kept."""


class StorageFailed(DestinationError):
    """An object of a folder or bucket could not be read or written, after every retry that made sense."""


class StateError(HeadraceError):
    """The state folder cannot be used; it may be deleted without losing data."""


class CredentialError(HeadraceError):
    """A stored credential cannot be used."""


class KeyUnavailable(CredentialError):
    """The key that seals credentials is missing, revoked, not reachable, or others may read it."""


class CredentialUnreadable(CredentialError):
    """A stored credential was sealed by another key, moved, rolled back, cut short or altered."""


class HostRefused(CredentialError):
    """A request would take a credential to a host that the credential does not name."""


class Interrupted(HeadraceError):
    """Stopped on request after committing what was fetched."""

    exit_code = 130
