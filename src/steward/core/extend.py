"""Every extension point, on one page: Protocols of one to three methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal, ParamSpec, Protocol, TypeVar, runtime_checkable

import msgspec

from steward.core.acts import AdministrativeAct
from steward.core.gpus import GpuReading
from steward.core.identity import Caller
from steward.core.records import Decision, LedgerRecord, Reservation, Scope
from steward.core.study import Rater, StudyDesign, StudyTask, Vote
from steward.core.training import TrainerProcess, TrainingJob

Task = TypeVar("Task")
Done = TypeVar("Done")
P = ParamSpec("P")
T = TypeVar("T")


class Verdict(msgspec.Struct, frozen=True):
    """What a guard decided. `texts` replace the request's fields one by one where `action` is rewrite."""

    action: Literal["allow", "rewrite", "block"]
    reason: str = ""
    texts: tuple[str, ...] = ()
    masked: Mapping[str, int] = {}  # how many values it replaced, by kind; words from a fixed list


class GuardContext(Protocol):
    """What a guard may know of the exchange; content comes only through its arguments."""

    request_id: str
    endpoint: str
    conversation: str | None
    route: str

    @property
    def key_id(self) -> str:
        """The key that asks; empty where none does."""
        ...

    @property
    def tenant(self) -> str: ...

    @property
    def project(self) -> str: ...


class DetectedSpan(msgspec.Struct, frozen=True):
    """`text[start:end]` is personal data: of which kind, and how sure that is (0 to 1).

    Without a kind or a score, and of a kind that steward does not know, it is as its detector's configuration says.
    """

    start: int
    end: int
    entity: str = ""
    score: float | None = None


class Detector(Protocol):
    """Finds personal data in a text, also from several threads at once.

    What it raises never looks like "nothing found": the guard blocks, unless the configuration says otherwise.
    """

    def detect(self, text: str) -> Iterable[DetectedSpan]:
        """Spans in any order, which may overlap; offsets are code points of `text`."""
        ...


class TextJudge(Protocol):
    """Judges requests and answers somewhere else, also from several threads at once."""

    def judge(self, direction: Literal["request", "answer"], texts: Sequence[str], request: Sequence[str] = ()) -> str:
        """Why `texts` must not pass, in words that repeat none of them; empty: they may. `request`: what an answer's
        request said.

        :raises Unavailable: no answer, or one that is no verdict
        """
        ...


class RootWrapper(Protocol):
    """A service that wraps the root key under a key of its own, which never leaves it."""

    def wrap(self, root: bytes) -> bytes:
        """:raises Unavailable: it does not answer :raises InputError: it refuses"""
        ...

    def unwrap(self, wrapped: bytes) -> bytes:
        """:raises Unavailable: it does not answer :raises InputError: it refuses, or cannot open it"""
        ...


class Guard(Protocol):
    """Sees plain text, never SSE, dialects or JSON escaping.

    An exception raised by a guard blocks the exchange: a failure never looks like a pass.
    """

    name: str

    def request(self, exchange: GuardContext, fields: Sequence[str]) -> Verdict:
        """Judge the texts of a request."""
        ...

    def delta(self, exchange: GuardContext, choice: int, field: str, text: str, last: bool) -> str:
        """The text to emit now for one choice and field; may hold back a suffix until `last`."""
        ...

    def close(self, exchange: GuardContext) -> Verdict:
        """Judge the whole answer, after its last delta."""
        ...


class RequestSender(Protocol):
    """What a request says of its sender."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case."""
        ...

    @property
    def certificate(self) -> str | None:
        """The name in the client's certificate, which the connection has checked; None: it showed none."""
        ...

    def list_hops(self) -> list[str]:
        """The addresses that the request came through, nearest first: the peer's, then those of X-Forwarded-For from
        its end, which whoever wrote them may have made up."""
        ...


@runtime_checkable
class PortableGuard(Guard, Protocol):
    """A guard that can work on a large body in another process: it can be pickled, and comes there without what it
    remembers of exchanges, which is carried apart."""

    def recall(self, exchange: GuardContext) -> Any:
        """What it remembers of an exchange, to be pickled."""
        ...

    def remember(self, exchange: GuardContext, memory: Any) -> None:
        """Know of an exchange what another process recalled."""
        ...


@runtime_checkable
class ToolGuard(Guard, Protocol):
    """A guard that is also told which tools an answer calls."""

    def tool(self, exchange: GuardContext, name: str) -> None:
        """:raises Blocked: it must not be called"""
        ...


@runtime_checkable
class ArgumentsGuard(Guard, Protocol):
    """A guard that is also told which tools a request declares, and with what arguments an answer calls them."""

    def judges_arguments(self, route: str) -> bool:
        """Whether it wants to be told of a route's."""
        ...

    def declare(self, exchange: GuardContext, schemas: Mapping[str, Any]) -> None:
        """The JSON schema of each tool, by its name; told after `request`."""
        ...

    def call(self, exchange: GuardContext, name: str, arguments: Any) -> None:
        """`arguments` as the client gets them; None where they are no JSON.

        :raises Blocked: it must not be called so
        """
        ...


class Offload(Protocol):
    """Does work that would hold the event loop."""

    async def run(self, function: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> T:
        """What `function` returns, which, like its arguments, can be pickled; a function of a module.

        :raises Refused: what it raises; or 503, too much waits already, or it took too long
        """
        ...

    async def run_beside(self, function: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> T:
        """In a thread of this process: for what cannot be pickled, and gives way to others often enough."""
        ...

    async def close(self) -> None: ...


class Authenticator(Protocol):
    """Finds out who sends a request."""

    def authenticate(self, sender: RequestSender) -> Caller:
        """Whoever the request proves to come from. Called for each request, on the event loop: no I/O.

        :raises Refused: 401, no valid proof; 403, not from this address; 503, it cannot be told now
        """
        ...


class AuditLog(Protocol):
    """Remembers administrative acts, so that a change of what it remembers can be seen."""

    def record(self, act: AdministrativeAct) -> None:
        """Called before the act: it is on the disk when this returns.

        :raises Unavailable: it is not, so the act must not be done
        """
        ...


class EngineAnswer(Protocol):
    """An upstream's answer whose status and headers have arrived."""

    status: int
    headers: Mapping[str, str]

    async def read(self) -> bytes:
        """The whole body."""
        ...

    async def read_piece(self) -> bytes:
        """What has arrived of the body since the last call; waits for it; empty at the body's end.

        :raises Unavailable: the connection broke, or nothing came in time
        """
        ...

    def take_arrived(self) -> bytes | None:
        """What `read_piece` would return at once; None where it would wait."""
        ...

    def listen(self, take: Callable[[bytes], bool] | None) -> None:
        """Hand each piece to `take` in the moment it arrives, what is there already at once.

        It ends when `take` returns false or None is given; then `read_piece` waits again. `take(b"")`: nothing more
        comes, and `take_arrived` says or raises why.
        """
        ...

    def finish(self) -> None:
        """All that matters has been read: the connection may be used again once the body has ended."""
        ...

    def close(self) -> None:
        """Drop the connection if the body was not read to its end; cheap to call twice."""
        ...


class Engine(Protocol):
    """Anything that speaks OpenAI's or Anthropic's HTTP dialect."""

    async def call(
        self, endpoint: str, body: bytes, headers: Mapping[str, str] | None = None, streamed: bool = False
    ) -> EngineAnswer:
        """Post `body` to `endpoint` ("/v1/chat/completions"), with `headers` of the client's beside its own.

        :raises Unavailable: no connection, or no first byte in time
        :raises Exhausted: no descriptor for a connection
        """
        ...


class Ledger(Protocol):
    """Takes records before and after dispatch; durable against a kill when `append` returns."""

    def append(self, record: LedgerRecord) -> None: ...


class Limiter(Protocol):
    """Counts what is used, exactly across all who share it: reserve, then settle or cancel.

    The methods are coroutines for the form that asks a server; the local form never suspends.
    """

    async def reserve(
        self, request_id: str, scopes: Sequence[Scope], tokens: int, usd: float, now: float
    ) -> tuple[Decision, Reservation | None]:
        """Take a request, its tokens and its money in all scopes, or nothing in any.

        :raises Unavailable: the server that counts does not answer
        """
        ...

    async def extend(self, held: Reservation, tokens: int, usd: float, now: float) -> bool:
        """Take more tokens and money for a running request, or nothing; `held` grows when true."""
        ...

    async def settle(self, held: Reservation, tokens: int, usd: float, now: float) -> None:
        """Replace what was reserved by what was used; the request's place is free again."""
        ...

    async def cancel(self, held: Reservation, now: float) -> None:
        """As if the request had never come."""
        ...

    async def close(self) -> None: ...


class TextScorer(Protocol):
    """Gives a text a number from 0 to 1, such as how toxic it is."""

    def score(self, text: str) -> float:
        """May wait for a server: callers run it in a thread.

        :raises Unavailable: it cannot tell; the text stays without a number
        """
        ...


class TokenCounter(Protocol):
    """Counts tokens as a model's tokenizer does. An object goes to worker processes; its `repr` names the tokenizer."""

    def count(self, texts: Sequence[str]) -> list[int]:
        """Of each text its tokens, without special ones. :raises InputError: the tokenizer cannot be loaded"""
        ...


class TextClassifier(Protocol):
    """Gives many texts a number each. An object goes to worker processes."""

    def score(self, texts: Sequence[str]) -> Sequence[float]:
        """Of each text, from 0 to 1. :raises InputError: the model cannot be loaded, or does not have what is asked"""
        ...


class WordSegmenter(Protocol):
    """Finds words in a language that is written without spaces. An object goes to worker processes."""

    def split_words(self, text: str, language: str) -> list[str]:
        """The words and what stands between them, in order. `language`: an ISO 639-1 code, such as ja.

        :raises InputError: the library for that language is not installed
        """
        ...


class PageExtractor(Protocol):
    """Finds the main text of a web page. An object goes to worker processes."""

    def extract(self, page: str, precision: bool, comments: bool, tables: bool) -> str | None:
        """The text; None where there is none. Fetches nothing."""
        ...


class Executor(Protocol):
    """Runs a function over tasks in as many processes as it has."""

    def map(self, function: Callable[[Task], Done], tasks: Sequence[Task]) -> Iterator[Done]:
        """The results as they come, in any order. The first error ends it: no further task starts.

        :raises Unavailable: a process or the cluster died; what was done stays done
        """
        ...


class RemoteFile(msgspec.Struct, frozen=True):
    """A file of a store, as it was when it was found."""

    url: str
    bytes: int
    stamp: str  # changes when the file does: the store's checksum, version or time


class Trainer(Protocol):
    """Knows how to start a process that trains; other packages add one by the entry point group `steward.trainers`."""

    shapes: Mapping[str, str]  # of the rows that it reads, by method: {"sft": "trl-sft"}

    def prepare(self, job: TrainingJob, python: str) -> TrainerProcess:
        """Check the job and write what the process reads beside it; `python` is the interpreter of its environment.

        :raises InputError: parameters that it does not know, or something that it needs is not there
        """
        ...


class FileStore(Protocol):
    """Files at addresses such as s3://bucket/folder/*.jsonl. An object goes to worker processes with a task."""

    def find(self, url: str) -> list[RemoteFile]:
        """The files that an address, a pattern or a folder names, sorted.

        :raises InputError: nothing is there, or the library for such addresses is not installed
        :raises Unavailable: the store does not answer
        """
        ...

    def open(self, url: str) -> BinaryIO:
        """The file's bytes from its start; it can seek. :raises InputError, Unavailable: as `find`"""
        ...

    def upload(self, path: Path, url: str) -> None:
        """Put a local file there, in place of what is there. :raises InputError, Unavailable: as `find`"""
        ...


class GpuReader(Protocol):
    """Reads the GPUs of this machine. A call may take seconds or, with a driver that hangs, never return."""

    def read(self, now: float, processes: bool) -> GpuReading:
        """All GPUs, the names of processes only when `processes`. A GPU that fails alone is told by its `error`.

        :raises Unavailable: the driver does not answer
        """
        ...

    def close(self) -> None: ...


class Continuation(msgspec.Struct, frozen=True):
    """Score `tokens`, one after the other, after `context`, which holds one token at least."""

    context: tuple[int, ...]
    tokens: tuple[int, ...]


class Likely(msgspec.Struct, frozen=True):
    """A token that a model generated, and the log-probability that it gave to it, in nats."""

    token: int
    log_probability: float


class TokenScorer(Protocol):
    """A model that tells how likely a given text is to it."""

    backend: str  # of the signature, such as "llama.cpp"
    window: int  # tokens that it can be shown at most
    prefix_token: int | None  # stands before a text's first token
    tokenizer_sha256: str | None

    async def encode(self, text: str) -> list[int]:
        """The text's tokens, without any that mark a beginning or an end."""
        ...

    async def score(self, asked: Continuation) -> list[float]:
        """A log-probability for each of `asked.tokens`, in nats.

        :raises Unavailable: no answer
        :raises InputError: an answer without the prompt's log-probabilities
        """
        ...

    async def likeliest(self, context: Sequence[int]) -> Likely:
        """What it generates first after `context`, greedily, with the log-probability it reports for that.

        :raises InputError: an answer without log-probabilities
        """
        ...


class StudyRecords(Protocol):
    """What a human study keeps: its plan, its raters and their votes. Rows are only ever added.

    :raises Unavailable: the disk failed, or another process writes
    """

    def design(self) -> StudyDesign: ...

    def tasks(self) -> list[StudyTask]: ...

    def owners(self) -> dict[str, str]:
        """The rater of each task that only one rater judges, by the task's key."""
        ...

    def raters(self) -> list[Rater]: ...

    def find_rater(self, token_sha256: str) -> Rater | None:
        """The rater whose newest invite this is."""
        ...

    def votes(self) -> list[Vote]:
        """All votes in order, including those that were corrected later."""
        ...

    def vote(self, vote: Vote) -> None:
        """Add a vote; it is on the disk when this returns."""
        ...

    def close(self) -> None: ...
